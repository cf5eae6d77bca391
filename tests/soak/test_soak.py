"""Two minutes of what `make soak` does for twenty."""

import os
from pathlib import Path

from tests.soak.soak import Soak, interruptible

SECONDS = float(os.environ.get("SOAK_SECONDS", "120"))
SEED = 20


def test_nodes_survive_two_minutes_of_everything(tmp_path: Path) -> None:
    soak = Soak(tmp_path, seed=SEED, seconds=SECONDS, tell=print)
    with interruptible():
        report = soak.run()
    assert report.failures == [], soak.tails()
