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

EVERYTHING = Scenario(
    seed=1,
    size=4,
    settings={"interval": 2.0},
    operations=(
        Start(apart=0.1),
        SetClock("n001", 50),
        Settle(within=10),
        Partition(("n000", "n001"), reset=True),
        Write("n000", "key", b'"left"'),
        Write("n003", "key", None),
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
