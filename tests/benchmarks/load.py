"""Load: requests on many connections, and frames that were made before the clock starts."""

import asyncio
import base64
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from typing import NamedTuple

import msgspec

from tests.benchmarks.http import Connection

_encode = msgspec.json.Encoder().encode


class Requests(NamedTuple):
    """What a node did under a load of requests."""

    per_second: float
    p99: float
    """Seconds."""
    answered: int


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which this part of them lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


async def requests(
    ports: Sequence[int],
    make: Callable[[int], bytes],
    *,
    status: int,
    connections: int,
    seconds: float,
) -> Requests:
    """Send `make(0)`, `make(1)` … on so many connections, each one request at a time.

    The connections are shared out between the ports.
    """
    numbers = count()
    times: list[float] = []
    began = time.perf_counter()

    async def ask_again_and_again(port: int) -> None:
        connection = await Connection.open(port)
        while (sent := time.perf_counter()) - began < seconds:
            response = await connection.ask(make(next(numbers)))
            if response.status != status:
                raise RuntimeError(f"{response.status} instead of {status}: {response.body!r}")
            times.append(time.perf_counter() - sent)
        connection.close()

    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(ask_again_and_again(ports[number % len(ports)]))
    elapsed = time.perf_counter() - began
    return Requests(len(times) / elapsed, percentile(times, 0.99), len(times))


def updates(sender: str, keys: int, version: int) -> Iterator[bytes]:
    """One `gossip` frame for each key."""
    for number in range(keys):
        data = {"key": f"{sender}/{number}", "value": number, "version": version}
        yield _message("gossip", data, sender, f"{sender}-{version}-{number}", version)


def arrays(
    sender: str, keys: int, version: int, turn: int, size: int = 500, value: object = None
) -> Iterator[bytes]:
    """`sync` arrays of so many entries; another `turn` sends the same entries again.

    Without a `value` each has its number.
    """
    for first in range(0, keys, size):
        entries = [
            {
                "key": f"{sender}/{number}",
                "value": number if value is None else value,
                "version": version,
            }
            for number in range(first, min(first + size, keys))
        ]
        yield _message("sync", entries, sender, f"{sender}-{turn}-{first}", version)


def flood(port: int, streams: Sequence[bytes]) -> None:
    """Send each stream of frames on a connection of its own, as fast as the node reads them."""
    with ThreadPoolExecutor(len(streams)) as threads:
        list(threads.map(lambda stream: _send(port, stream), streams))


def masked(messages: Iterable[bytes]) -> bytes:
    """WebSocket text frames as a client sends them; the mask of zeros costs us nothing."""
    return b"".join(_header(len(message)) + message for message in messages)


def _message(kind: str, data: object, sender: str, message_id: str, timestamp: int) -> bytes:
    return _encode(
        {
            "type": kind,
            "from": sender,
            "data": data,
            "timestamp": timestamp,
            "ttl": 0,
            "messageId": message_id,
            "version": 1,
        }
    )


def _header(length: int) -> bytes:
    mask = bytes(4)
    if length < 126:
        return struct.pack("!BB", 0x81, 0x80 | length) + mask
    if length < 65_536:
        return struct.pack("!BBH", 0x81, 0x80 | 126, length) + mask
    return struct.pack("!BBQ", 0x81, 0x80 | 127, length) + mask


def _send(port: int, stream: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", port))) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET /ws HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = connection.recv(4_096)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(f"no WebSocket: {answer!r}")
        connection.sendall(stream + struct.pack("!BBIH", 0x88, 0x82, 0, 1000))
        # The node closes behind the last frame; a socket closed by us could cut that one off.
        while connection.recv(65_536):
            pass
