"""The channel layer as web processes and the worker use it: channels, one group, named messages.

Whatever a layer does not deliver is lost: `Stream` makes up for it. A layer that says that it fails
raises `LayerFailed`, and it is said here, once.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

import msgspec
import structlog
from channels.exceptions import ChannelFull
from redis.exceptions import RedisError

from gossip.relay.outage import Outage
from gossip.relay.stream import Packet

WEB_PROCESSES: Final = "web"
"""The group of all web processes of a node."""
WORKERS: Final = "workers"
"""The group of the worker, and of one that was replaced and does not know it yet."""
WHO: Final = "who"
"""A web process that starts asks for the worker."""
PACKET: Final = "packet"
"""A message that brings a `Packet`."""
HERE: Final = "here"
"""A worker announces itself: `Here`."""
GONE: Final = "gone"
"""A worker stops: `Here` again."""
UNKNOWN: Final = "unknown"
"""The worker does not know the stream of this name."""
NO_WORKER: Final = "no worker of this node answers at present"
"""What people are told."""
RETRY: Final = 0.5
"""Seconds before a layer that failed is listened to again."""

_log = structlog.get_logger("gossip")


class Backend(Protocol):
    """A channel layer as Channels specifies it, with groups."""

    async def new_channel(self) -> str: ...
    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def receive(self, channel: str) -> dict[str, Any]: ...
    async def group_add(self, group: str, channel: str) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...
    async def flush(self) -> None: ...


class Here(msgspec.Struct, frozen=True, array_like=True):
    """The announcement of a worker."""

    epoch: int
    channel: str
    """Where it listens."""


class LayerFailed(OSError):
    """The layer did not take a message, or cannot be listened to."""


class _Unreadable(ValueError):
    """What came is not a message of ours."""


class Layer:
    """Sends bytes to channels and to everybody in a group, and listens."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._outage = Outage("layer")

    async def new_channel(self) -> str:
        """Make a channel of our own, that what is sent to from now on waits in."""
        with self._failing():
            return await self._backend.new_channel()

    async def join(self, group: str, channel: str) -> None:
        """Have what is told to the group come to this channel as well."""
        with self._failing():
            await self._backend.group_add(group, channel)

    async def send(self, channel: str, kind: str, body: bytes) -> None:
        """Send to one channel."""
        with self._failing():
            await self._backend.send(channel, {"type": kind, "body": body})
        self._outage.end()

    async def transmit(self, channel: str, packet: Packet) -> None:
        """Send a packet to the other end of its stream."""
        await self.send(channel, PACKET, msgspec.msgpack.encode(packet))

    async def tell(self, group: str, kind: str, body: bytes) -> None:
        """Send to all channels of a group."""
        with self._failing():
            await self._backend.group_send(group, {"type": kind, "body": body})
        self._outage.end()

    async def close(self) -> None:
        """Close its connections."""
        with self._failing():
            await self._backend.flush()

    async def listen(self, channel: str, handlers: Mapping[str, Callable[[bytes], None]]) -> None:
        """Call the handler of each message that comes, until cancelled.

        A handler may raise `msgspec.DecodeError` or `UnicodeDecodeError` where it cannot read one.
        """
        while True:
            try:
                kind, body = await self._receive(channel)
            except LayerFailed:
                await asyncio.sleep(RETRY)
                continue
            except _Unreadable as error:
                _log.error("relay_broken", detail=str(error))
                continue
            if (handler := handlers.get(kind)) is not None:
                try:
                    handler(body)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    _log.error("relay_broken", kind=kind, detail=str(error))

    async def _receive(self, channel: str) -> tuple[str, bytes]:
        with self._failing():
            try:
                message = await self._backend.receive(channel)
            except ValueError as error:
                # Of the layer's own decoding: somebody else writes to our channels.
                raise _Unreadable(str(error)) from error
        if not isinstance(message, dict):
            raise _Unreadable("no message at all")
        kind, body = message.get("type"), message.get("body")
        if not (isinstance(kind, str) and isinstance(body, bytes)):
            raise _Unreadable("no message of ours")
        return kind, body

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except ChannelFull:
            raise self._failed(LayerFailed("the channel is full")) from None
        except (RedisError, OSError) as error:
            raise self._failed(LayerFailed(str(error) or type(error).__name__)) from error

    def _failed(self, error: LayerFailed) -> LayerFailed:
        self._outage.begin(error)
        return error
