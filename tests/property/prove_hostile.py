"""Attack the core with many seeds and keep a record of the outcomes.

    python -m tests.property.prove_hostile [--seeds 40] [--jobs 2] [--record FILE]

`Attack(SEED).run(STEPS)` of a seed that failed fails again in the same way.
"""

import sys
import time
import traceback

from tests.property.attack import Attack
from tests.support import proof

PROVED = (
    *("gossip/core", "tests/property/attack.py", "tests/property/mutating.py"),
    *("tests/support/core.py", "tests/support/frames.py"),
)
STEPS = 50_000
"""Of each seed; nine of ten are frames. Some ten seconds."""
SURVIVED = "survived"


class Run(proof.Run, frozen=True, kw_only=True):
    """One line of the record. The outcome is `survived`, or the end of what was raised."""

    frames: int
    """Frames tried."""


def prove(seed: int, at: str, steps: int = STEPS) -> Run:
    """Run one seed."""
    began = time.monotonic()
    attack = Attack(seed)
    outcome = SURVIVED
    try:
        attack.run(steps)
    except Exception:  # noqa: BLE001  # whatever it is: it is the outcome
        outcome = traceback.format_exc()[-2_000:]
    return Run(
        revision=at,
        seed=seed,
        frames=attack.frames,
        outcome=outcome,
        seconds=round(time.monotonic() - began, 1),
        date=proof.today(),
    )


if __name__ == "__main__":
    sys.exit(proof.Proof("hostile", prove, *PROVED, holds=SURVIVED, seeds=40).main())
