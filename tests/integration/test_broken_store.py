"""A store that fails under a running node: the writer is told, and it heals by itself (E7)."""

import os
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import SETTINGS
from tests.support.cluster import Cluster
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

# The user root may write what is read-only, unless it gives up that privilege.
WITHOUT_PRIVILEGE = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
)
LARGE = "x" * 100_000


@contextmanager
def locked(node: NodeProcess) -> Iterator[None]:
    """Another process holds the database."""
    with closing(sqlite3.connect(_database(node), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def full(node: NodeProcess) -> Iterator[None]:
    """No file of the node may grow by more than one value."""
    soft, hard = resource.prlimit(node.pid, resource.RLIMIT_FSIZE)
    files = [file for file in node.data_dir.iterdir() if file.name.startswith("gossip.sqlite3")]
    room = max(file.stat().st_size for file in files) + len(LARGE)
    resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.prlimit(node.pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(node: NodeProcess) -> Iterator[None]:
    """Nothing in the data directory may be written."""
    with locked(node):
        # The node's connection would outlive the change; after a failure it makes a new one.
        eventually(lambda: node.client.post("probe", None).status == 503)
        _chmod(node, directory=0o500, file=0o400)
    try:
        yield
    finally:
        _chmod(node, directory=0o700, file=0o600)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Cluster]:
    """Two nodes: one whose store breaks, and one that sees what comes out of it."""
    cluster = Cluster(tmp_path, 2, settings=SETTINGS)
    for node in cluster:
        node.prefix = WITHOUT_PRIVILEGE
    with cluster:
        yield cluster


@pytest.mark.parametrize("broken", [locked, full, read_only])
def test_a_broken_store_refuses_writes_and_heals(
    pair: Cluster, broken: Callable[[NodeProcess], AbstractContextManager[None]]
) -> None:
    node, other = pair.nodes
    acknowledged = {"before"}
    node.client.set("before", 1)
    with broken(node):
        refused = _write_until_refused(node, acknowledged)
        _tells_of_its_journal(node)
        assert node.client.read("before").status == 200
        other.client.set("from-peer", 2)
        eventually(lambda: node.client.read("from-peer").status == 200)
        for reader in pair.clients:
            assert reader.read(refused).status == 404

    eventually(node.client.is_ready, within=15)
    assert node.client.health()["status"] == "healthy"
    node.client.set("after", 3)
    acknowledged |= {"after", "from-peer"}
    assert refused not in pair.wait_equal()
    pair.kill()
    # Alone, so that all it knows is from its own disk.
    node.start()
    node.wait_ready()
    assert node.client.data().keys() == acknowledged


def test_a_store_that_works_again_is_noticed_without_a_write(node: NodeProcess) -> None:
    node.start()
    node.wait_ready()
    with locked(node):
        assert node.client.post("key", 1).status == 503
        assert not node.client.is_ready()
    # An orchestrator sends nothing to a node that is not ready.
    eventually(node.client.is_ready, within=15)
    assert node.client.health()["reasons"] == []


def _write_until_refused(node: NodeProcess, acknowledged: set[str]) -> str:
    for number in range(100):
        key = f"write-{number}"
        answer = node.client.post(key, LARGE)
        if answer.status != 201:
            assert answer.status == 503
            assert answer.json["message"].startswith("The write was refused (journal): ")
            assert int(answer.headers["Retry-After"]) > 0
            return key
        acknowledged.add(key)
    raise AssertionError("every write was taken")


def _tells_of_its_journal(node: NodeProcess) -> None:
    assert node.client.get("/readyz").status == 503
    assert node.client.get("/healthz").status == 200
    health = node.client.health()
    assert health["status"] == "degraded"
    assert any(reason.startswith("journal: ") for reason in health["reasons"])


def _database(node: NodeProcess) -> Path:
    return node.data_dir / "gossip.sqlite3"


def _chmod(node: NodeProcess, *, directory: int, file: int) -> None:
    for path in node.data_dir.iterdir():
        path.chmod(file)
    node.data_dir.chmod(directory)
