"""Peers made of raw frames, for tests of the double: the other end is in the hands of the test."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any, Self

from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve

from tests.interop.double.double import Double
from tests.interop.double.settings import Quirks, Settings, Timers

DEADLINE = 20.0
"""Seconds for anything that must happen; more than a busy machine needs."""

NOWHERE = "ws://127.0.0.1:9/ws"
"""An endpoint where nobody listens."""

FAST = Timers().scaled(1 / 50)
QUICK_DIALS = replace(Timers(), dial_back=0.01, dial_learned=0.01)
QUICK_ROUNDS = replace(Timers(), interval=0.02)
QUICK_HEARTBEATS = replace(Timers(), heartbeat=0.02)

_ids = itertools.count(1)


async def until(condition: Callable[[], object]) -> None:
    """Let others run until this is so."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.002)


def settings(node_id: str = "0xd9d6", *, seed: int = 1, **quirks: bool) -> Settings:
    """Timers as deployed, so that in a short test nothing happens by itself."""
    return Settings(node_id, quirks=replace(Quirks(), **quirks), seed=seed)


def about(node_id: str, endpoint: str | None = NOWHERE) -> dict[str, Any]:
    """The data of a `join`; without an endpoint nobody dials back."""
    return {"nodeId": node_id} | ({} if endpoint is None else {"gossipEndpoint": endpoint})


def gossip(key: str, version: Any = 1, **entry: Any) -> dict[str, Any]:
    """The data of a `gossip`, its value 1 unless said."""
    return {"key": key, "value": 1, "version": version} | entry


class RawSocket:
    """One connection to a double."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def send_text(self, text: str | bytes) -> None:
        await self.connection.send(text)

    async def send(self, kind: object, data: object = None, **envelope: object) -> dict[str, Any]:
        """Send one message, and return it; fields of the envelope may be given or removed."""
        fields = {"type": kind, "from": "0xraw", "data": data, "timestamp": 0, "ttl": 0}
        message = fields | {"messageId": f"raw-{next(_ids)}", "version": 1} | envelope
        await self.send_text(json.dumps(message))
        return message

    async def join(self, node_id: str = "0xraw", endpoint: str | None = NOWHERE) -> None:
        """Join, and take the `sync` that answers a newcomer."""
        await self.send("join", about(node_id, endpoint), **{"from": node_id})
        assert (await self.next())["type"] == "sync"

    async def next(self) -> dict[str, Any]:
        """The next frame."""
        async with asyncio.timeout(DEADLINE):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def next_of(self, kind: object) -> dict[str, Any]:
        """The next frame of this type; others are skipped."""
        while (message := await self.next())["type"] != kind:
            pass
        return message

    async def came(self) -> list[dict[str, Any]]:
        """The frames that came in answer to what was sent until now.

        A newcomer's `join` is always answered, and a double handles a socket's frames in order.
        """
        await self.send("join", {}, **{"from": f"newcomer-{next(_ids)}"})
        frames: list[dict[str, Any]] = []
        while (message := await self.next())["type"] != "sync":
            frames.append(message)
        return frames

    async def closed(self) -> int:
        """The code with which it was closed."""
        async with asyncio.timeout(DEADLINE):
            await self.connection.wait_closed()
        code = self.connection.close_code
        assert code is not None
        return code


@asynccontextmanager
async def dialed(peer: Double, path: str = "") -> AsyncIterator[RawSocket]:
    """Connect to a double."""
    async with connect(
        peer.url + path, ping_interval=None, proxy=None, max_size=None
    ) as connection:
        yield RawSocket(connection)


class RawServer:
    """What a double can dial: it takes every connection and answers nothing."""

    def __init__(self) -> None:
        self.sockets: list[RawSocket] = []
        self.url = ""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        server = await self._stack.enter_async_context(
            serve(self._serve, "127.0.0.1", 0, ping_interval=None)
        )
        self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _serve(self, connection: ServerConnection) -> None:
        self.sockets.append(RawSocket(connection))
        await connection.wait_closed()

    async def socket(self, index: int) -> RawSocket:
        """That connection in the order of arrival, after its first frame, which is a `join`."""
        await until(lambda: len(self.sockets) > index)
        socket = self.sockets[index]
        assert (await socket.next())["type"] == "join"
        return socket


@asynccontextmanager
async def mesh(count: int, timers: Timers) -> AsyncIterator[list[Double]]:
    """So many doubles, each with a connection to every other."""
    async with AsyncExitStack() as stack:
        peers: list[Double] = []
        for index in range(count):
            bootstrap = tuple(peer.url for peer in peers[:1])
            plain = Settings(f"0x{index}", bootstrap=bootstrap, timers=timers, seed=index)
            peers.append(await stack.enter_async_context(Double(plain)))
        await until(lambda: all(len(peer.node.connections) == count - 1 for peer in peers))
        yield peers
