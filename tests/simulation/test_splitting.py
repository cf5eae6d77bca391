"""A few minutes of `make prove-split`, with fewer nodes."""

from tests.simulation.splitting import ONE, WITHIN, Trial, prove


def test_two_halves_that_buried_each_other_are_one_again_without_bootstrap_peers() -> None:
    run = prove(1, "here", nodes=30, seconds=240)
    assert (run.outcome, run.keys) == (ONE, 24)
    assert run.equal is not None
    assert run.equal <= WITHIN


def test_the_halves_list_each_other_no_more() -> None:
    trial = Trial(1, 24)
    trial.part(120)
    one, other = trial.halves
    assert not set(trial.cluster.statuses(one[0])) & set(other)
