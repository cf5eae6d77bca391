"""Kill nodes with many seeds and keep a record of the outcomes.

python -m tests.crash.prove_crash [--seeds 100] [--jobs 2] [--record FILE]
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.trial import KILLS, Trial
from tests.support import proof

PROVED = ("gossip", "gossipnode", "tests/crash", "tests/support/ledger.py")
SURVIVED = "survived"


class Run(proof.Run, frozen=True, kw_only=True):
    """One line of the record. The outcome is `survived`, or what was wrong."""

    kills: int = KILLS
    acknowledged: int
    """Writes acknowledged before the last kill."""


def prove(seed: int, at: str) -> Run:
    """Run one seed."""
    began = time.monotonic()
    with TemporaryDirectory() as directory:
        trial = Trial(Path(directory), seed)
        try:
            outcome = "; ".join(trial.run()) or SURVIVED
        except Exception as error:  # noqa: BLE001  # whatever it is: it is the outcome
            outcome = repr(error)
    return Run(
        revision=at,
        seed=seed,
        acknowledged=trial.acknowledged,
        outcome=outcome[-2_000:],
        seconds=round(time.monotonic() - began, 1),
        date=proof.today(),
    )


if __name__ == "__main__":
    sys.exit(proof.Proof("crash", prove, *PROVED, holds=SURVIVED, seeds=100).main())
