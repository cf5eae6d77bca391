import re
from typing import Any

import pytest

from gossip.sim import scenario as module
from gossip.sim.conditions import Conditions
from gossip.sim.ledger import InvariantBroken
from gossip.sim.scenario import (
    FailDisk,
    Heal,
    Kill,
    Partition,
    Restart,
    Run,
    Scenario,
    SetClock,
    SetConditions,
    Settle,
    Start,
    Stop,
    Write,
)
from tests.simulation.clusters import formed
from tests.support.manual import ROOT

EVERYTHING = Scenario(
    seed=1,
    size=4,
    settings={"interval": 2.0},
    unreachable=("n003",),
    operations=(
        Start(apart=0.1),
        SetClock("n001", 50),
        Settle(within=10),
        Partition(("n000", "n001"), reset=True),
        Write("n000", "key", b'"left"'),
        Write("n003", "key", None),
        Heal(),
        Partition(("n000",), others=("n002",)),
        Run(0.1),
        Heal(),
        FailDisk("n002", failing=True),
        Write("n002", "other", b"1"),
        Run(1.0),
        FailDisk("n002", failing=False),
        SetConditions(Conditions(loss=0.1)),
        Kill("n001", dark=True),
        Write("n001", "nobody", b"is there"),
        Stop("n000"),
        Run(3.0),
        Restart("n000"),
        Restart("n001", keep_disk=False),
        SetConditions(Conditions()),
        Settle(within=60),
    ),
)


def test_a_scenario_prints_itself() -> None:
    assert eval(repr(EVERYTHING), vars(module)) == EVERYTHING


def test_a_scenario_does_what_it_says() -> None:
    cluster = EVERYTHING.run()
    ledger = cluster.world.ledger
    assert len(cluster.up) == 4
    assert ledger.refused == {"journal": 1}
    assert ledger.acknowledged.keys() == {"key"}
    assert cluster.hosts["n002"].config.interval == 2.0
    assert cluster.hosts["n003"].config.gossip_endpoint is None


@pytest.mark.parametrize(("others", "reached"), [(None, False), (("n001",), True)])
def test_a_cut_is_between_two_sides_or_from_all(
    others: tuple[str, ...] | None, reached: bool
) -> None:
    cluster = formed(3)
    Partition(("n000",), others=others).apply(cluster)
    Write("n000", "key", b"1").apply(cluster)
    Run(0.5).apply(cluster)
    assert (cluster.get("n002", "key") is not None) is reached
    assert cluster.get("n001", "key") is None


def test_the_example_of_the_manual_is_true() -> None:
    text = (ROOT / "docs" / "simulator.md").read_text()
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    names["test_what_two_sides_wrote_ends_equal"]()


def test_a_scenario_that_does_not_settle_says_how_it_stands() -> None:
    alone = Scenario(
        seed=1,
        size=2,
        operations=(
            Start(),
            Settle(within=10),
            Partition(("n000",)),
            Write("n000", "key", b"1"),
            Run(1.0),
            Settle(within=5),
        ),
    )
    with pytest.raises(InvariantBroken, match=r"(?s)not within 5.*seed 1.*key: \{'n000': \d+, 'n"):
        alone.run()
