"""Run a large cluster through an hour of loss and stalls, with many seeds, and keep a record.

python -m tests.simulation.prove_detector [--seeds 20] [--jobs 2] [--record FILE]

The section of `docs/benchmarks.md` is written anew from the record.
"""

import sys

from tests.benchmarks import detector
from tests.simulation.detecting import KEPT, prove
from tests.simulation.proving import PROVED
from tests.soak.record import DOCUMENT
from tests.support.proof import Proof

if __name__ == "__main__":
    status = Proof("detector", prove, *PROVED, holds=KEPT, seeds=20).main()
    if runs := detector.read():
        detector.refresh(DOCUMENT, runs)
    sys.exit(status)
