"""Run a large cluster through an hour of loss and stalls, with many seeds, and keep a record.

python -m tests.simulation.prove_detector [--seeds 20] [--jobs 2] [--record FILE]
"""

import sys

from tests.simulation.detecting import KEPT, prove
from tests.simulation.proving import PROVED
from tests.support.proof import Proof

if __name__ == "__main__":
    sys.exit(Proof("detector", prove, *PROVED, holds=KEPT, seeds=20).main())
