"""Run clusters of several sizes in virtual time, and keep a record for the benchmarks.

python -m tests.simulation.prove_sizes [--seeds 9] [--jobs 2] [--record FILE]

Seeds are cases, see `sizes`; `--seeds 13` runs the largest clusters as well. The tables of
`docs/benchmarks.md` are written anew from the record.
"""

import sys

from tests.benchmarks import sizes
from tests.simulation.proving import PROVED
from tests.simulation.sizes import KEPT, USUAL, prove
from tests.soak.record import DOCUMENT
from tests.support.proof import Proof

if __name__ == "__main__":
    status = Proof("sizes", prove, *PROVED, holds=KEPT, seeds=USUAL).main()
    if runs := sizes.read():
        sizes.refresh(DOCUMENT, runs)
    sys.exit(status)
