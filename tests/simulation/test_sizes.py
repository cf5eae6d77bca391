"""Two small clusters of those that `make prove-sizes` runs, and a network that loses everything."""

import msgspec
import pytest

from gossip.sim.conditions import Conditions
from gossip.sim.study import Plan
from tests.simulation.sizes import CASES, KEPT, USUAL, measure, plan


@pytest.mark.parametrize("seed", [1, 3])
def test_ten_nodes_are_as_they_should_be(seed: int) -> None:
    run = measure(msgspec.structs.replace(plan(seed), quiet=10.0, writes=3, kills=2), "here")
    assert (run.outcome, run.nodes, run.loss) == (KEPT, *CASES[seed - 1])
    assert run.links_most == 9
    assert run.write_p50 is not None
    assert run.dark_most is not None
    assert run.killed_p99 is not None
    assert run.killed_p99 < 1 < run.dark_most
    assert run.peak_mb is not None
    assert run.peak_mb > 10


def test_what_goes_wrong_is_the_outcome() -> None:
    nothing = Conditions(loss=1.0)
    run = measure(Plan(nodes=3, conditions=nothing, quiet=1.0, writes=2, kills=0), "here")
    assert run.outcome == "not formed, 2 writes not everywhere"
    assert (run.formed, run.write_p50, run.dark_p50) == (None, None, None)


def test_a_case_is_known_by_its_number() -> None:
    assert [plan(seed).nodes for seed in (1, 4, USUAL)] == [10, 100, 1_000]
    assert plan(USUAL).conditions.loss == 0.2
