"""Two minutes of what `make prove-detector` does for an hour, with fewer nodes."""

import pytest

from tests.simulation.detecting import KEPT, Trial, Trusting, prove


@pytest.mark.parametrize("seed", [1, 2])
def test_m4_nobody_who_lives_is_removed(seed: int) -> None:
    run = prove(seed, "here", seconds=120, nodes=30)
    assert run.outcome == KEPT
    # Who stalls does not answer, and is suspected.
    assert run.suspected_stalled > 0


def test_m4_who_doubts_itself_suspects_fewer() -> None:
    doubting, trusting = (
        Trial(3, nodes=30, loss=0.5, **more) for more in ({}, {"make_node": Trusting})
    )
    for trial in (doubting, trusting):
        trial.run(120)
    assert doubting.suspected.total() < trusting.suspected.total()
