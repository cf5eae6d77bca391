"""One accepted connection of a web process, on the way from its socket to the worker."""

import asyncio
from time import monotonic
from typing import Final, Protocol

import msgspec

from gossip.core.config import Limits
from gossip.relay import items
from gossip.relay.edge import Edge, joins
from gossip.relay.items import Frame
from gossip.runtime.outbound import Outbound
from gossip.runtime.ports import Wire

_LIMITS: Final = Limits()
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Side(Protocol):
    """The process that holds the link: `gossip.relay.web_side.WebSide`."""

    @property
    def edge(self) -> Edge: ...
    @property
    def has_room(self) -> bool: ...
    def write(self, item: items.Item) -> bool: ...
    def forget(self, number: int) -> None: ...


class WebLink:
    """One accepted connection: an `OpenLink` for its transport."""

    def __init__(self, side: Side, number: int, wire: Wire, remote_is_loopback: bool) -> None:
        self.number = number
        self.outbound = Outbound(wire, self._pressure)
        self._side = side
        self._remote_is_loopback = remote_is_loopback
        self._join: Frame | None = None
        self._joined_as: str | None = None
        self._kept: list[items.Item] = []
        """What there was to say while there was no worker."""
        self._blocked = False
        self._moved = asyncio.Event()
        self._gone = False

    def received(self, data: str | bytes) -> bool:
        """Send one frame on, if it need travel; False where more had better wait."""
        if self._closing:
            return True
        item, message = self._side.edge.look(self.number, data, monotonic())
        if (peer := joins(message)) is not None and self._joined_as in {None, peer}:
            # For itself, and not for others that it relays.
            self._joined_as, self._join = peer, Frame.of(data)
        return self._tell(item)

    def stopped(self, size: int, fault: str | None = None, *, in_envelope: bool = False) -> bool:
        """Tell of a frame that the transport stopped."""
        if self._closing:
            return True
        return self._tell(items.Stopped(self.number, size, fault, in_envelope))

    async def room(self) -> None:
        """Return once the worker takes more, or the link closes."""
        while not self._may_read:
            self._moved.clear()
            await self._moved.wait()

    def closed(self, code: int | None) -> None:
        """The socket is gone."""
        if self._gone:
            return
        self._gone = True
        self.outbound.abandon()
        self.wake()
        self._side.write(items.Closed(self.number, code))
        self._side.forget(self.number)

    def close(self, code: int, reason: str) -> None:
        """Close behind what was sent."""
        self.outbound.close(code, reason)
        self.wake()

    def block(self, *, blocked: bool) -> None:
        """Too much of this link waits at the worker, or no more."""
        self._blocked = blocked
        self.wake()

    def wake(self) -> None:
        """Look again whether there is room."""
        self._moved.set()

    def begin_anew(self, stream: str) -> None:
        """Introduce the link on a stream that has just begun."""
        self._blocked = False
        if self._closing:
            return
        join = None if self._join is None else _told_again(self._join, stream)
        self._side.write(items.Opened(self.number, self._remote_is_loopback, join))
        for item in self._kept:
            # The `join` is in the introduction.
            if not (isinstance(item, items.Received) and item.frame == self._join):
                self._side.write(item)
        self._kept.clear()
        if self.outbound.blocked:
            self._pressure(True)

    @property
    def _closing(self) -> bool:
        return self._gone or self.outbound.closing

    @property
    def _may_read(self) -> bool:
        return self._closing or (not self._blocked and self._side.has_room)

    def _tell(self, item: items.Item) -> bool:
        if not self._side.write(item):
            self._kept.append(item)
        return self._may_read

    def _pressure(self, blocked: bool) -> None:
        self._side.write(items.Flow(self.number, blocked))


def _told_again(join: Frame, stream: str) -> Frame:
    """The same `join` under a message id that no worker has seen, or it would be dropped (R3).

    It begins as the old one does, by which both ends order the links between them (L2).
    """
    fields = _decode_fields(join.data)
    name = msgspec.json.decode(fields.get("messageId", b'""'), type=str)
    suffix = f"+{stream}"
    # Its length is in bytes; those of a character are not to be parted.
    begin = name.encode()[: _LIMITS.node_id - len(suffix)].decode(errors="ignore")
    fields["messageId"] = msgspec.Raw(msgspec.json.encode(begin + suffix))
    return Frame(msgspec.json.encode(fields), join.text)
