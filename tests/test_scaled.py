"""Processes of a scaled node as an operator starts and stops them."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from websockets.exceptions import ConnectionClosed

from gossip.stores.redis_server import SOCKET
from tests.support.client import Peer, dialed
from tests.support.ports import free_port, free_ports
from tests.support.process import NodeProcess
from tests.support.scaled import Worker
from tests.support.valkey import Valkey
from tests.support.waiting import eventually


class Alone(Worker):
    """A worker with a Redis of its own."""

    def command(self) -> list[str]:
        return [*super().command(), "--with-redis"]


class WebOfOurs(NodeProcess):
    """A web process beside it."""

    def command(self) -> list[str]:
        return [sys.executable, "manage.py", "rungossip", "--with-redis"]


@pytest.fixture
def directory() -> Iterator[Path]:
    # Not below pytest's directories: the path of a socket file has at most 107 bytes.
    with TemporaryDirectory(prefix="scaled-") as made:
        yield Path(made)


@pytest.fixture
def redis(directory: Path) -> Iterator[Valkey]:
    server = Valkey(directory)
    yield server
    server.kill()


@contextmanager
def started(*processes: NodeProcess) -> Iterator[None]:
    try:
        for process in processes:
            process.start()
        yield
    finally:
        for process in processes:
            process.kill()


def worker(directory: Path, redis: Valkey, name: str = "worker") -> Worker:
    settings = {
        "GOSSIP_REDIS_URL": redis.url,
        "GOSSIP_DATA_DIR": str(directory / "data"),
        "GOSSIP_LEASE_TERM": "1000",
    }
    return Worker(free_port(), directory / name, settings=settings)


def kinds_to_the_end(peer: Peer) -> list[str]:
    """Of the frames that came before the connection closed."""
    kinds: list[str] = []
    with suppress(ConnectionClosed):
        while True:
            kinds.append(peer.receive()["type"])
    return kinds


def said(process: NodeProcess, event: str) -> bool:
    return f"event={event}" in process.output.read_text()


def test_a_worker_without_a_redis_is_told_what_to_set(directory: Path) -> None:
    code, error = Worker(free_port(), directory / "worker").fail_to_start()
    assert code == 1
    (line,) = error.splitlines()
    assert line.startswith("gossipnode: --no-web")
    assert "GOSSIP_REDIS_URL" in line
    assert not (directory / "worker").exists()


def test_a_worker_waits_for_redis_and_a_standby_for_its_turn(
    directory: Path, redis: Valkey
) -> None:
    first, second = worker(directory, redis), worker(directory, redis, "other")
    with started(first):
        eventually(lambda: said(first, "standing_by"), within=20)
        assert first.stop() == 0
        first.start()
        redis.start()
        eventually(lambda: said(first, "taking_over"), within=20)
        with started(second):
            eventually(lambda: said(second, "standing_by"), within=20)
            assert second.stop() == 0
            with redis.paused():
                # Nobody answers who it is that goes on.
                assert first.stop() == 0
    assert "Traceback" not in first.output.read_text() + second.output.read_text()


def test_a_worker_that_waits_for_the_database_stops_when_it_is_told(
    directory: Path, redis: Valkey
) -> None:
    redis.start()
    waiting = worker(directory, redis)
    with started(waiting):
        eventually(lambda: said(waiting, "taking_over"), within=20)
        assert waiting.stop() == 0
        before = waiting.output.read_text().count("event=lease_taken")
        with closing(
            sqlite3.connect(directory / "data" / "gossip.sqlite3", isolation_level=None)
        ) as database:
            database.execute("BEGIN IMMEDIATE")
            waiting.start()
            eventually(
                lambda: waiting.output.read_text().count("event=lease_taken") > before, within=20
            )
            assert waiting.stop() == 0


def test_a_database_restored_from_a_backup_is_taken_over_like_any_other(
    directory: Path, redis: Valkey
) -> None:
    redis.start()
    only = worker(directory, redis)
    port = free_port()
    web = NodeProcess(port, directory / "web", settings=only.settings)
    file = directory / "data" / "gossip.sqlite3"
    with started(only, web):
        web.wait_ready()
        assert only.stop() == 0
        backup = file.read_bytes()
        for _ in range(2):
            only.start()
            eventually(only.has_its_part, within=20)
            assert only.stop() == 0
        last = only.epoch
        file.write_bytes(backup)
        only.start()
        # The web process and Redis have seen later epochs than the backup has.
        web.wait_ready()
        assert only.epoch == last + 1
        assert web.client.post("written", 1).status == 201


def test_a_worker_that_is_taken_over_does_not_leave(directory: Path, redis: Valkey) -> None:
    redis.start()
    active = worker(directory, redis)
    port = free_port()
    web = NodeProcess(port, directory / "web", settings=active.settings)
    with started(active, web):
        web.wait_ready()
        with dialed(port, "peer") as peer:
            peer.join()
            assert peer.receive()["type"] == "join"
            # Nobody stands by: who has taken over is at work.
            redis.call("SET", "{gossip}:epoch", 1_000)
            assert active.wait_ended() == 1
            assert web.stop() == 0
            assert "leave" not in kinds_to_the_end(peer)
    (line,) = [line for line in active.output.read_text().splitlines() if "gossipnode: " in line]
    assert "taken over" in line


def test_a_redis_of_our_own_is_there_while_it_is_needed(directory: Path) -> None:
    settings = {"GOSSIP_DATA_DIR": str(directory / "data")}
    ports = free_ports(2)
    first = Alone(ports[0], directory / "worker", settings=settings)
    web = WebOfOurs(ports[1], directory / "web", settings=settings)
    with started(first):
        eventually((directory / "data" / SOCKET).is_socket, within=20)
        with started(web):
            web.wait_ready()
            web.client.set("k", 1)
            assert web.stop() == 0
        assert "event=redis_started" not in web.output.read_text()
        assert (directory / "data" / SOCKET).is_socket()
        assert first.stop() == 0
    assert not os.path.lexists(directory / "data" / SOCKET)


def test_a_redis_of_our_own_is_not_another(directory: Path, redis: Valkey) -> None:
    settings = {"GOSSIP_REDIS_URL": redis.url, "GOSSIP_DATA_DIR": str(directory / "data")}
    code, error = Alone(free_port(), directory / "worker", settings=settings).fail_to_start()
    assert code == 1
    assert error.startswith("gossipnode: GOSSIP_REDIS_URL names another Redis")
