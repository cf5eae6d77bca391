"""What waits for the node, and whose turn it is.

    urgent    timers, commits, failed dials, flow control: few, bounded by what the node asked for
    writes    of local clients: bounded by `Limits.pending_writes`
    links     each with a bounded queue of its own (see `links`)

Urgent events go first. Writes and links alternate, and the links take turns event by event, so
that neither a flooding peer nor a busy client delays the others (S5).
"""

import asyncio
from collections import deque
from typing import Protocol

from gossip.core.events import Event, WriteRequested


class Source(Protocol):
    """A link, as the inbox sees it."""

    enlisted: bool
    """Whether the inbox knows that something waits here. Only the inbox changes it."""

    @property
    def waiting(self) -> bool:
        """Whether `take` would return an event."""

    def take(self) -> Event:
        """Remove the oldest event that waits."""


class Inbox:
    """The events of one node, taken one at a time by its driver."""

    def __init__(self) -> None:
        self._urgent: deque[Event] = deque()
        self._writes: deque[WriteRequested] = deque()
        self._turns: deque[Source] = deque()
        self._held: list[Source] = []
        self._parked: set[Source] = set()
        self._served: Source | None = None
        self._writes_next = True
        self._paused = False
        self._wake = asyncio.Event()

    def post(self, event: Event) -> None:
        """Add an urgent event."""
        self._urgent.append(event)
        self._wake.set()

    def write(self, event: WriteRequested) -> None:
        """Add a local write. The caller bounds their number."""
        self._writes.append(event)
        self._wake.set()

    def enlist(self, source: Source) -> None:
        """Give a source a turn; it stays in the round until nothing waits there."""
        if not source.enlisted:
            source.enlisted = True
            self._turns.append(source)
            self._wake.set()

    def pause_links(self) -> None:
        """Take nothing from the links until `resume_links` (E7)."""
        self._paused = True

    def resume_links(self) -> None:
        self._paused = False
        self._wake.set()

    def hold(self) -> None:
        """Give the link whose event was taken last no further turn until `release`.

        A link that brings more work than fits into one slice would pile it up in the node.
        """
        source = self._served
        if source is None:
            return
        self._served = None
        self._withdraw(source)
        self._held.append(source)

    def release(self) -> None:
        """Let the held links take part again."""
        for source in self._held:
            self._put_back(source)
        self._held.clear()

    def park(self, source: Source) -> None:
        """Give this link no turn until `unpark`: it is over its rate (R2)."""
        if source in self._parked:
            return
        self._parked.add(source)
        self._withdraw(source)
        if source is self._served:
            self._served = None

    def unpark(self, source: Source) -> None:
        """Let a parked link take part again."""
        self._parked.remove(source)
        self._put_back(source)
        self._wake.set()

    def __len__(self) -> int:
        """How many events wait here, those of the links left out."""
        return len(self._urgent) + len(self._writes)

    @property
    def waiting(self) -> bool:
        """Whether `next` would return an event."""
        return bool(self._urgent or self._writes or (self._turns and not self._paused))

    async def wait(self) -> None:
        """Return once something was added since the last call."""
        await self._wake.wait()
        self._wake.clear()

    def next(self) -> Event | None:
        """Remove and return the event whose turn it is; None where nothing may be taken."""
        self._served = None
        if self._urgent:
            return self._urgent.popleft()
        links = bool(self._turns) and not self._paused
        if self._writes and (self._writes_next or not links):
            self._writes_next = False
            return self._writes.popleft()
        if not links:
            return None
        self._writes_next = True
        source = self._served = self._turns.popleft()
        event = source.take()
        self._put_back(source)
        return event

    def _withdraw(self, source: Source) -> None:
        """Take a source out of the round; `enlisted` keeps it from coming back by itself."""
        if source.enlisted:
            self._turns.remove(source)
        source.enlisted = True

    def _put_back(self, source: Source) -> None:
        if source.waiting:
            self._turns.append(source)
        else:
            source.enlisted = False
