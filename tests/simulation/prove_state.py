"""Run an hour of everything that may happen to the state, with many seeds, and keep a record.

    python -m tests.simulation.prove_state [--seeds 50] [--jobs 2] [--record FILE]

The scenario of a seed that fails is printed, and again by
`python -c "from tests.simulation.exactness import exactness; print(exactness(SEED))"`.
"""

import sys
from functools import partial

from tests.simulation.exactness import exactness
from tests.simulation.proving import EQUAL, PROVED, prove
from tests.support.proof import Proof

if __name__ == "__main__":
    proof = Proof("state", partial(prove, exactness), *PROVED, holds=EQUAL, seeds=50)
    sys.exit(proof.main())
