"""Cut a cluster of a thousand nodes into halves for an hour, heal it, and keep a record.

python -m tests.simulation.prove_split [--seeds 1] [--jobs 1] [--record FILE]
"""

import sys

from tests.simulation.proving import PROVED
from tests.simulation.splitting import ONE, prove
from tests.support.proof import Proof

if __name__ == "__main__":
    sys.exit(Proof("split", prove, *PROVED, holds=ONE, seeds=1).main())
