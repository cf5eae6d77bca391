"""One open connection between its transport and the driver."""

import asyncio
from collections import deque

from gossip.core.events import (
    Event,
    FrameReceived,
    FrameStopped,
    LinkBlocked,
    LinkClosed,
    LinkOpened,
    LinkWritable,
)
from gossip.runtime.inbox import Inbox
from gossip.runtime.outbound import Outbound
from gossip.runtime.ports import Wire

WAITING_FRAMES = 2_000
"""Frames of one link that may wait for the node before its socket does: a tenth of a second."""
WAITING_SIZE = 1_048_576
"""Characters or bytes likewise; a larger frame is let in alone."""


class Link:
    """A connection that the node knows: an `OpenLink` for its transport, a `Source` for the inbox.

    Its events wait in one queue from `LinkOpened` to `LinkClosed`, so that the node sees them in
    the order in which they happened.
    """

    def __init__(self, opened: LinkOpened, wire: Wire, inbox: Inbox) -> None:
        self.id = opened.link
        self.enlisted = False
        self._inbox = inbox
        self._events: deque[Event] = deque((opened,))
        self._size = 0
        self._room: asyncio.Event | None = None
        self._closed = False
        self._outbound = Outbound(wire, self._pressure)
        inbox.enlist(self)

    def received(self, data: str | bytes) -> bool:
        """Queue one frame for the node; False where too much of this link's waits."""
        return self._queue(FrameReceived(self.id, data), len(data))

    def stopped(self, size: int, fault: str | None = None, *, in_envelope: bool = False) -> bool:
        """Queue what there is to say of a frame that was stopped elsewhere."""
        return self._queue(FrameStopped(self.id, size, fault, in_envelope), 0)

    def _queue(self, event: Event, size: int) -> bool:
        if self._closed or self._outbound.closing:
            return True
        self._events.append(event)
        self._size += size
        if not self.enlisted:
            self._inbox.enlist(self)
        if self._size <= WAITING_SIZE and len(self._events) <= WAITING_FRAMES:
            return True
        if self._room is None:
            self._room = asyncio.Event()
        return False

    async def room(self) -> None:
        """Return once half of what may wait has been taken, or the link closes."""
        if self._room is not None:
            await self._room.wait()

    def closed(self, code: int | None) -> None:
        """The socket is gone: what it brought before still counts."""
        if self._closed:
            return
        self._closed = True
        self._outbound.abandon()
        self._events.append(LinkClosed(self.id, code))
        self._inbox.enlist(self)

    @property
    def waiting(self) -> bool:
        return bool(self._events)

    @property
    def events_waiting(self) -> int:
        """How many events of this link wait for the node."""
        return len(self._events)

    @property
    def outbound_waiting(self) -> int:
        """Characters that wait for the socket."""
        return self._outbound.waiting

    def take(self) -> Event:
        event = self._events.popleft()
        if type(event) is FrameReceived:
            self._size -= len(event.data)
            if self._room is not None and self._has_room:
                self._make_room()
        return event

    def send(self, frame: str) -> None:
        """Queue one frame for the socket."""
        self._outbound.send(frame)

    def close(self, code: int, reason: str) -> None:
        """Close behind what is queued. What the peer sends from now on is dropped."""
        self._outbound.close(code, reason)
        # Its transport may wait for room, where it would never see the socket close.
        self._make_room()

    @property
    def outbound(self) -> asyncio.Task[None]:
        """Done once the wire is closed."""
        return self._outbound.task

    @property
    def _has_room(self) -> bool:
        # Half of the bound, so that a waiting socket is not woken for every single frame.
        return self._size <= WAITING_SIZE // 2 and len(self._events) <= WAITING_FRAMES // 2

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def _pressure(self, blocked: bool) -> None:
        self._inbox.post(LinkBlocked(self.id) if blocked else LinkWritable(self.id))


class RefusedLink:
    """An `OpenLink` for a connection that the node never hears of."""

    def received(self, data: str | bytes) -> bool:  # noqa: ARG002
        """Drop it."""
        return True

    def stopped(self, size: int, fault: str | None = None, *, in_envelope: bool = False) -> bool:  # noqa: ARG002
        """Drop it."""
        return True

    async def room(self) -> None:
        """There is always."""

    def closed(self, code: int | None) -> None:
        """Nothing depends on it."""
