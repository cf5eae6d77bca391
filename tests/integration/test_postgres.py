"""Nodes whose data is on a PostgreSQL server."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import SETTINGS
from tests.integration.test_archive import gossip
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.support.process import ROOT, NodeProcess, clean_environment
from tests.support.waiting import eventually


def migrate(url: str) -> None:
    """As the operator does."""
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v", "0"],
        check=True,
        cwd=ROOT,
        env=clean_environment() | {"DATABASE_URL": url},
    )


@pytest.fixture(scope="module")
def database(postgres_server: Postgres) -> str:
    """The name of one with its tables."""
    name = postgres_server.new_database()
    migrate(postgres_server.url(name))
    return name


@pytest.fixture
def settings(postgres_server: Postgres, database: str) -> dict[str, str]:
    """Of a node whose database is as a first start finds it."""
    postgres_server.execute("TRUNCATE gossip_entry, gossip_peer, gossip_node", database)
    return SETTINGS | {"DATABASE_URL": postgres_server.url(database, "?sslmode=disable")}


@pytest.fixture
def node(tmp_path: Path, settings: dict[str, str]) -> Iterator[NodeProcess]:
    node = NodeProcess(free_port(), tmp_path / "node", settings=settings)
    yield node
    node.kill()


@pytest.fixture
def other(tmp_path: Path, settings: dict[str, str]) -> Iterator[NodeProcess]:
    """One with the same database and another directory."""
    other = NodeProcess(free_port(), tmp_path / "other", settings=settings)
    yield other
    other.kill()


def test_tables_are_for_the_operator_to_make(node: NodeProcess, postgres_server: Postgres) -> None:
    url = postgres_server.url(postgres_server.new_database())
    node.settings["DATABASE_URL"] = url
    code, errors = node.fail_to_start()
    assert code == 1
    assert errors.splitlines()[-1].endswith(
        "run `python manage.py migrate` first: it lacks migrations"
    )
    migrate(url)
    node.start()
    node.wait_ready()


def test_a_crash_of_the_node_loses_nothing(node: NodeProcess) -> None:
    node.start()
    node.wait_ready()
    acknowledged = {"a": 1, "key with a \x00": [None, "\x00"], "gone": None}
    for key, value in acknowledged.items():
        node.client.set(key, value)
    node.client.delete("gone")
    node_id, state = node.client.node_id(), node.client.state()
    node.kill()
    node.start()
    node.wait_ready()
    assert node.client.state() == state
    assert node.client.node_id() == node_id
    assert not [file for file in node.data_dir.iterdir() if "sqlite" in file.name]


def test_a_server_that_is_away_refuses_writes_and_heals(
    node: NodeProcess, postgres_server: Postgres
) -> None:
    node.start()
    node.wait_ready()
    node.client.set("before", 1)
    postgres_server.crash()
    try:
        assert node.client.post("refused", 2).status == 503
        assert not node.client.is_ready()
        assert node.client.read("before").status == 200
    finally:
        postgres_server.start()
    eventually(node.client.is_ready, within=15)
    node.client.set("after", 3)
    node.kill()
    node.start()
    node.wait_ready()
    assert node.client.data().keys() == {"before", "after"}


def test_of_two_processes_on_one_database_the_later_runs_the_node(
    node: NodeProcess, other: NodeProcess
) -> None:
    node.start()
    node.wait_ready()
    node.client.set("before", 1)
    other.start()
    other.wait_ready()
    assert other.client.data().keys() == {"before"}
    assert node.client.post("refused", 2).status == 503
    assert node.wait_ended() == 1
    assert "gossipnode: another process has taken over this node: " in node.tail()
    other.client.set("after", 3)


def test_an_import_from_another_directory_ends_a_node_that_runs(
    node: NodeProcess, other: NodeProcess
) -> None:
    node.start()
    node.wait_ready()
    node.client.set("before", 1)
    status, exported, _ = gossip(other, "export", "-")
    assert status == 0
    status, _, told = gossip(other, "import", "-", given=exported)
    assert status == 0
    assert told.endswith("imported 1 entries: 0 were newer than what was here\n")
    assert node.client.post("refused", 2).status == 503
    assert node.wait_ended() == 1
