"""Scenarios that are run with many seeds, and what is kept on record of each run."""

import time
from collections.abc import Callable

from gossip.sim.ledger import InvariantBroken
from gossip.sim.scenario import Scenario
from tests.support import proof

PROVED = (
    "gossip/core",
    "gossip/sim",
    ":(exclude)gossip/sim/report.py",
    "tests/simulation",
    ":(exclude)tests/simulation/test_*.py",
)
EQUAL = "equal"


class Run(proof.Run, frozen=True, kw_only=True):
    """One line of a record. The outcome is `equal`, or what was broken."""

    virtual_seconds: float = 0.0
    frames: int = 0
    acknowledged: int = 0
    """Writes acknowledged."""
    keys: int = 0
    trace: str = ""


def prove(make: Callable[[int], Scenario], seed: int, at: str) -> Run:
    """Run the scenario of one seed; one that fails is printed, to be pasted into a test."""
    begun, scenario = time.monotonic(), make(seed)
    try:
        cluster = scenario.run()
    except InvariantBroken as broken:
        told = f"seed {seed}: {broken}".replace("\n", "\n# ")
        print(f"# {told}", scenario, sep="\n", flush=True)
        return Run(
            revision=at,
            seed=seed,
            outcome=str(broken),
            seconds=_since(begun),
            date=proof.today(),
        )
    world = cluster.world
    return Run(
        revision=at,
        seed=seed,
        outcome=EQUAL,
        virtual_seconds=round(cluster.now, 3),
        frames=world.network.traffic.frames,
        acknowledged=world.ledger.answers - world.ledger.refused.total(),
        keys=len(world.ledger.acknowledged),
        trace=world.trace.digest,
        seconds=_since(begun),
        date=proof.today(),
    )


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 1)
