"""Cut a cluster of a thousand nodes into halves for an hour, heal it, and keep a record.

python -m tests.simulation.prove_split [--seeds 1] [--jobs 1] [--record FILE]

The section of `docs/benchmarks.md` is written anew from the record.
"""

import sys

from tests.benchmarks import split
from tests.simulation.proving import PROVED
from tests.simulation.splitting import ONE, prove
from tests.soak.record import DOCUMENT
from tests.support.proof import Proof

if __name__ == "__main__":
    status = Proof("split", prove, *PROVED, holds=ONE, seeds=1).main()
    if runs := split.read():
        split.refresh(DOCUMENT, runs)
    sys.exit(status)
