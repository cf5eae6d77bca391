"""What a proof tells of a seed that fails."""

import ast

import pytest

from gossip.sim.scenario import Partition, Run, Scenario, Settle, Start, Write
from tests.simulation.proving import EQUAL, prove


def apart(seed: int) -> Scenario:
    """Two nodes that never hear of what the first one wrote."""
    cut = Partition(hosts=("n000",), reset=False, others=("n001",))
    wrote = Write(host="n000", key="key", value=b"1", lifetime=None)
    begun, ended = (Start(hosts=(), apart=0.1), Run(seconds=10.0)), (Run(seconds=1.0), Settle(5.0))
    return Scenario(seed=seed, size=2, operations=(*begun, cut, wrote, *ended))


def test_a_seed_that_fails_is_printed_as_what_runs_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = prove(apart, 7, "abc")
    assert run.outcome != EQUAL
    told = capsys.readouterr().out
    assert told.startswith("# seed 7: ")
    assert ast.unparse(ast.parse(told)) == ast.unparse(ast.parse(str(apart(7))))


def test_a_seed_that_holds_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    whole = Scenario(seed=7, size=2, operations=(Start(hosts=(), apart=0.1), Settle(within=10.0)))
    assert prove(lambda seed: whole, 7, "abc").outcome == EQUAL
    assert capsys.readouterr().out == ""
