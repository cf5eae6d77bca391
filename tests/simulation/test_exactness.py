"""An hour of everything, cut down to minutes. `prove_state` runs whole ones, with many seeds."""

import pytest

from tests.simulation.exactness import OFF_BY_A_YEAR, exactness


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_end_equal_whatever_happened(seed: int) -> None:
    cluster = exactness(seed, minutes=5).run()
    ledger = cluster.world.ledger
    # The node off by a year took no write, and everybody else most.
    assert ledger.refused["clock"] == 5
    assert all(entry.origin != OFF_BY_A_YEAR for entry in ledger.acknowledged.values())
    assert len(ledger.acknowledged) > 60
    host = cluster.up[0]
    entries = list(host.node.entries())
    assert any(entry.deleted for entry in entries)
    assert all(entry.deleted or entry.lasts(host.clock().wall) for entry in entries)
