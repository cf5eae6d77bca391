"""Run the acceptance scenario with many seeds and keep a record of the outcomes.

    python -m tests.simulation.prove_convergence [--seeds 50] [--jobs 2] [--record FILE]

The scenario of a failed seed is printed by
`python -c "from tests.simulation.acceptance import acceptance; print(acceptance(SEED))"`.
"""

import sys
import time

from gossip.sim.ledger import InvariantBroken
from tests.simulation.acceptance import acceptance
from tests.support import proof

PROVED = "gossip/core", "gossip/sim", "tests/simulation"
EQUAL = "equal"


class Run(proof.Run, frozen=True, kw_only=True):
    """One line of the record. The outcome is `equal`, or what was broken."""

    virtual_seconds: float = 0.0
    frames: int = 0
    acknowledged: int = 0
    """Writes acknowledged."""
    keys: int = 0
    trace: str = ""


def prove(seed: int, at: str) -> Run:
    """Run one seed."""
    begun = time.monotonic()
    try:
        cluster = acceptance(seed).run()
    except InvariantBroken as broken:
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


if __name__ == "__main__":
    sys.exit(proof.Proof("convergence", prove, *PROVED, holds=EQUAL, seeds=50).main())
