"""Everything at once. `prove_convergence` runs many more seeds of the same."""

import pytest

from tests.simulation.acceptance import acceptance


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_hundred_nodes_agree_after_loss_partition_and_crashes(seed: int) -> None:
    cluster = acceptance(seed).run()
    assert len(cluster.up) == 100
    assert len(cluster.world.ledger.acknowledged) > 30


@pytest.mark.parametrize("seed", range(10))
def test_seven_nodes_agree_after_loss_partition_and_crashes(seed: int) -> None:
    assert len(acceptance(seed, size=7, minutes=3).run().up) == 7
