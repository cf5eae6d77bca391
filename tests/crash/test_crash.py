"""What was acknowledged survives `kill -9` at any instant, and every start succeeds (E7)."""

from pathlib import Path

import pytest

from tests.crash.trial import Trial


@pytest.mark.parametrize("seed", range(1, 11))
def test_e7_nothing_acknowledged_is_lost(tmp_path: Path, seed: int) -> None:
    trial = Trial(tmp_path, seed)
    assert trial.run() == [], trial.node.tail()
