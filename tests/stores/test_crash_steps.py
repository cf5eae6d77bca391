"""A crash at every step of the journal: what was acknowledged is there, nothing is half (E7)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from gossip.stores.loading import begin_life, load_entries, load_peers
from gossip.stores.migrating import prepare_database
from tests.stores.crashing import DIES_IN, STEPS
from tests.stores.databases import database_at

ROOT = Path(__file__).parents[2]


def crash(step: str, data_dir: Path) -> list[str]:
    """Die there; return the keys whose writes were acknowledged."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GOSSIP_")}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.stores.crashing", step],
        check=False,
        cwd=ROOT,
        env=ours
        | {"DJANGO_SETTINGS_MODULE": "gossipnode.settings", "GOSSIP_DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return ended.stdout.split()


@pytest.mark.parametrize("step", STEPS)
def test_e7_a_crash_at_any_step_leaves_whole_transactions(
    step: str, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    acknowledged = crash(step, tmp_path)
    with django_db_blocker.unblock(), database_at(tmp_path / "gossip.sqlite3") as alias:
        prepare_database(alias=alias)
        life = begin_life("me", 1, alias=alias)
        entries = {entry.key for batch in load_entries(alias=alias) for entry in batch}
        peers = {peer.node_id for peer in load_peers(alias=alias)}
    assert set(acknowledged) <= entries
    durable = DIES_IN if "answer" in step or step == "behind the commit" else DIES_IN - 1
    numbers = range(1, durable + 1)
    assert entries == {
        *(f"mine-{number}" for number in numbers),
        *(f"learned-{number}" for number in numbers),
        f"gone-{durable}",
    }
    assert peers == {f"peer-{durable}"}
    assert life.clock_floor == durable
    # One more than what was kept.
    assert life.incarnation == durable + 2
