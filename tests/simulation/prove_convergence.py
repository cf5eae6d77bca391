"""Run the acceptance scenario with many seeds and keep a record of the outcomes.

    python -m tests.simulation.prove_convergence [--seeds 50] [--jobs 2] [--record FILE]

The scenario of a seed that fails is printed, and again by
`python -c "from tests.simulation.acceptance import acceptance; print(acceptance(SEED))"`.
"""

import sys
from functools import partial

from tests.simulation.acceptance import acceptance
from tests.simulation.proving import EQUAL, PROVED, prove
from tests.support.proof import Proof

if __name__ == "__main__":
    proof = Proof("convergence", partial(prove, acceptance), *PROVED, holds=EQUAL, seeds=50)
    sys.exit(proof.main())
