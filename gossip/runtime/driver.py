"""The one task that owns the node: takes events in turn, carries out effects in order.

    transports ── links ──┐
    services ── writes ───┼─▶ inbox ─▶ Node.handle ─▶ effects ─▶ links, dials, fetches,
    journal, timers ──────┘                                  timers, journal

It works in slices and yields to the event loop between them, so that no step holds the loop for
long (S5). Nothing on the path of a frame makes a task, a future or a wait of its own.
"""

import asyncio
from collections.abc import Callable, Iterator
from itertools import count
from typing import Protocol

import structlog

from gossip.core.conditions import Condition
from gossip.core.config import Limits
from gossip.core.context import CloseCode
from gossip.core.effects import (
    CloseLink,
    Commit,
    Dial,
    Effect,
    Fetch,
    ForgetEntry,
    ForgetPeer,
    KeepIncarnation,
    More,
    Notice,
    NoticeKind,
    Pause,
    Reply,
    Send,
    SetTimer,
    StoreEntry,
    StorePeer,
)
from gossip.core.entries import Entry
from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.core.events import (
    CommitFailed,
    Committed,
    DropAsideRequested,
    Event,
    ForgetRequested,
    IncarnationKept,
    Instant,
    LinkClosed,
    LinkId,
    LinkOpened,
    RequestId,
    Resumed,
    Started,
    StopRequested,
    WriteRequested,
)
from gossip.core.stats import MemberView, Overview
from gossip.runtime import ports
from gossip.runtime.dials import Dials
from gossip.runtime.feed import Feed
from gossip.runtime.fetches import Fetches
from gossip.runtime.histogram import Distribution
from gossip.runtime.inbox import Inbox
from gossip.runtime.links import Link, RefusedLink
from gossip.runtime.outbound import CLOSE_WITHIN
from gossip.runtime.timers import Timers, instant

SLICE_SECONDS = 0.005
"""After so long others get a turn (S5)."""
SLICE_EVENTS = 500
"""Likewise after so many events (S5)."""
BACKLOG_BOUND = 50_000
"""Entries waiting to be written behind at which the links are paused (E7)."""
SETTLE_WITHIN = 0.3
"""Seconds that a stop waits for the writes under way; a commit takes milliseconds."""
GOODBYE_WITHIN = 0.2
"""Seconds that a stop waits for the close frames behind what was queued."""
FLUSH_WITHIN = 2.0
"""Seconds that a stop waits for the journal; a whole backlog takes half of one."""

_log = structlog.get_logger("gossip")
_WARNINGS = frozenset(
    {
        NoticeKind.LINK_FAULTED,
        NoticeKind.BOOTSTRAP_SILENT,
        NoticeKind.OWN_URL,
        NoticeKind.ID_TAKEN,
    }
)


class Door(Protocol):
    """What the runtime needs of `gossip.core.node.Node`."""

    def handle(self, event: Event, now: Instant) -> list[Effect]: ...
    def get(self, key: str) -> Entry | None: ...
    def entries(self) -> Iterator[Entry]: ...
    def members(self) -> list[MemberView]: ...
    def overview(self, now: Instant) -> Overview: ...
    def set_aside(self) -> list[Entry]: ...


JournalFactory = Callable[[ports.Committed, ports.Failed], ports.Journal]


class Driver:
    """Runs one node in the current event loop. A `Hub` for the transports.

    Before `start`, a `mirror` and a `guard` may be set.

    An exception out of the node or of an effect is a bug and leaves an unknown state: it ends
    `run`, and nothing is handled after it.
    """

    def __init__(
        self,
        node: Door,
        *,
        dialer: ports.Dialer,
        fetcher: ports.Fetcher,
        journal: JournalFactory,
        pending_writes: int = Limits().pending_writes,
        backlog_bound: int = BACKLOG_BOUND,
    ) -> None:
        self._node = node
        self._pending_writes = pending_writes
        self._backlog_bound = backlog_bound
        self._inbox = Inbox()
        self._links: dict[LinkId, Link] = {}
        self._link_ids = count(1)
        self._writers: dict[RequestId, asyncio.Future[Entry]] = {}
        self._committing: set[RequestId] = set()
        self._request_ids = count(1)
        self._timers = Timers(self._inbox.post)
        self._dials = Dials(dialer, self, self._inbox.post)
        self._fetches = Fetches(fetcher, self._inbox.post)
        self.journal = journal(self._committed, self._commit_failed)
        self.feed = Feed()
        self.mirror: ports.Mirror | None = None
        self.guard: ports.Guard | None = None
        self._room: asyncio.Task[None] | None = None
        self._refusals: set[asyncio.Task[None]] = set()
        self._accepting = True
        self._says_goodbye = True
        self._stopping = False
        self._more = False
        """The node is owed a turn."""
        self._holds = False
        """What it has yet to work off keeps links waiting."""
        self._carry_out: dict[type[Effect], Callable[..., None]] = {
            Send: self._send,
            Pause: self._pause_link,
            CloseLink: self._close_link,
            Dial: self._dials.start,
            Fetch: self._fetches.start,
            SetTimer: self._timers.set,
            Commit: self._commit,
            StoreEntry: self._store,
            ForgetEntry: self._forget,
            StorePeer: lambda effect: self.journal.store_peer(effect.peer),
            ForgetPeer: lambda effect: self.journal.forget_peer(effect.node_id),
            KeepIncarnation: self._keep_incarnation,
            Reply: self._reply,
            Notice: self._tell,
            More: self._note_more,
        }

    def start(self, started: Started) -> None:
        """Let the node speak. Once, before `run`."""
        self._handle(started, instant())

    def opened(
        self, wire: ports.Wire, *, dialed: str | None = None, remote_is_loopback: bool = False
    ) -> ports.OpenLink:
        """Introduce an open connection to the node; while it stops, say goodbye instead."""
        if not self._accepting:
            if self._says_goodbye:
                task = asyncio.create_task(wire.close(CloseCode.GOODBYE, "stopping"))
                self._refusals.add(task)
                task.add_done_callback(self._refusals.discard)
            return RefusedLink()
        event = LinkOpened(LinkId(next(self._link_ids)), dialed, remote_is_loopback)
        link = self._links[event.link] = Link(event, wire, self._inbox)
        return link

    async def write(
        self,
        key: str,
        value: bytes | None,
        only_if: Condition | None = None,
        lifetime: int | None = None,
    ) -> Entry:
        """Have the node write; returns when it replies.

        Raises `WriteRefused`, or `WriteUnanswered` when the node ended with the write in the
        journal's hands. A cancelled caller learns nothing of a write that may still happen.
        """
        if not self._accepting:
            raise WriteRefused("stopping", "the node is stopping")
        if len(self._writers) >= self._pending_writes:
            raise WriteRefused("overloaded", "too many writes are under way")
        request = RequestId(next(self._request_ids))
        reply: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._writers[request] = reply
        self._inbox.write(WriteRequested(request, key, value, only_if, lifetime))
        return await reply

    def drop_aside(self, key: str) -> None:
        """Have the node drop a version of the future."""
        self._inbox.post(DropAsideRequested(key))

    def forget(self, node_id: str) -> None:
        """Have the node forget a member."""
        self._inbox.post(ForgetRequested(node_id))

    async def run(self) -> None:
        """Own the node until `stop`."""
        while not self._stopping:
            if self._inbox.waiting or self._more:
                await asyncio.sleep(0)
            else:
                await self._inbox.wait()
            if self.guard is not None and self.guard.late:
                await self.guard.check()
            self._slice()

    def stay(self) -> None:
        """Leave links that open while it stops to the process that goes on with the node."""
        self._says_goodbye = False

    async def settle(self) -> None:
        """Take no more links and writes, and give the writes under way time to be answered."""
        self._accepting = False
        if self._writers:
            await asyncio.wait(self._writers.values(), timeout=SETTLE_WITHIN)

    def leave(self) -> None:
        """Have the node leave its cluster; `run` returns behind it."""
        self._inbox.post(StopRequested())

    async def close(self) -> None:
        """Close what is open once `run` has ended: links behind what is queued, the rest at once.

        The journal is last: it flushes.
        """
        self._accepting = False
        self._timers.clear()
        self._dismiss_writers()
        await self._close_links()
        await asyncio.gather(self._dials.stop(), self._fetches.stop())
        if self._room is not None:
            self._room.cancel()
        try:
            async with asyncio.timeout(FLUSH_WITHIN):
                await self.journal.close()
        except TimeoutError:
            _log.error("journal_not_flushed", backlog=self.journal.backlog)

    @property
    def writes_waiting(self) -> int:
        """Local writes that wait for an answer."""
        return len(self._writers)

    @property
    def timer_lag(self) -> Distribution:
        """How late the event loop was with our timers."""
        return self._timers.lag.read()

    @property
    def events_waiting(self) -> int:
        """Events that wait for the node."""
        return len(self._inbox) + sum(link.events_waiting for link in self._links.values())

    @property
    def outbound_waiting(self) -> int:
        """Characters that wait for the sockets, on all links."""
        return sum(link.outbound_waiting for link in self._links.values())

    def _slice(self) -> None:
        resume, self._more = self._more, False
        ends: float | None = None
        for _ in range(SLICE_EVENTS):
            now = instant()
            if ends is None:
                ends = now.monotonic + SLICE_SECONDS
            elif now.monotonic > ends:
                break
            event = self._inbox.next()
            if event is None:
                break
            self._handle(event, now)
            if self._stopping:
                return
        if resume:
            self._resume()
        self._watch_backlog()

    def _handle(self, event: Event, now: Instant) -> None:
        if type(event) is LinkClosed:
            self._links.pop(event.link, None)
        elif type(event) is StopRequested:
            self._stopping = True
        for effect in self._node.handle(event, now):
            self._carry_out[type(effect)](effect)

    def _resume(self) -> None:
        self._holds = False
        self._handle(Resumed(), instant())
        if not self._holds:
            self._inbox.release()

    def _watch_backlog(self) -> None:
        """Take no frames while too much waits to be written behind (E7)."""
        if self._room is None and self.journal.backlog >= self._backlog_bound:
            self._inbox.pause_links()
            self._room = asyncio.create_task(self._wait_for_room())

    async def _wait_for_room(self) -> None:
        await self.journal.wait_for_room()
        self._room = None
        self._inbox.resume_links()

    def _send(self, effect: Send) -> None:
        frame = effect.frame.decode()
        for link_id in effect.links:
            if (link := self._links.get(link_id)) is not None:
                link.send(frame)

    def _close_link(self, effect: CloseLink) -> None:
        if (link := self._links.get(effect.link)) is not None:
            link.close(effect.code, effect.reason)

    def _pause_link(self, effect: Pause) -> None:
        if (link := self._links.get(effect.link)) is not None:
            self._inbox.park(link)
            delay = effect.until - instant().monotonic
            asyncio.get_running_loop().call_later(delay, self._inbox.unpark, link)

    def _commit(self, effect: Commit) -> None:
        self._committing.add(effect.request)
        self.journal.commit(effect.request, effect.entry, effect.clock_floor)

    def _committed(self, requests: tuple[RequestId, ...]) -> None:
        self._inbox.post(Committed(requests))

    def _commit_failed(self, requests: tuple[RequestId, ...], detail: str) -> None:
        self._inbox.post(CommitFailed(requests, detail))

    def _keep_incarnation(self, effect: KeepIncarnation) -> None:
        incarnation = effect.incarnation
        self.journal.keep_incarnation(
            incarnation, lambda: self._inbox.post(IncarnationKept(incarnation))
        )

    def _store(self, effect: StoreEntry) -> None:
        self.journal.store_entry(effect.entry)
        if self.mirror is not None:
            self.mirror.entry(effect.entry)
        if self.feed.watched:
            self.feed.entry(effect.entry)

    def _forget(self, effect: ForgetEntry) -> None:
        self.journal.forget_entry(effect.tombstone)
        if self.mirror is not None:
            self.mirror.forgotten(effect.tombstone.key)

    def _tell(self, notice: Notice) -> None:
        tell = _log.warning if notice.kind in _WARNINGS else _log.info
        tell(notice.kind.value, subject=notice.subject, detail=notice.detail)
        if self.feed.watched:
            self.feed.member(notice)

    def _reply(self, effect: Reply) -> None:
        self._committing.discard(effect.request)
        if effect.entry is not None:
            self._show_written(effect.entry)
        reply = self._writers.pop(effect.request)
        if reply.done():  # the writer was cancelled
            return
        if effect.entry is not None:
            reply.set_result(effect.entry)
        else:
            reply.set_exception(WriteRefused(effect.refused or "overloaded", effect.detail))

    def _show_written(self, entry: Entry) -> None:
        if self.mirror is None and not self.feed.watched:
            return
        # A later write of the same commit, or a newer entry from a peer, may hold by now.
        if self._node.get(entry.key) is not entry:
            return
        if self.mirror is not None:
            self.mirror.entry(entry)
        if self.feed.watched:
            self.feed.entry(entry)

    def _note_more(self, effect: More) -> None:
        self._more = True
        if effect.hold:
            self._holds = True
            self._inbox.hold()

    def _dismiss_writers(self) -> None:
        """Answer who still waits. What the journal has been given it commits when it closes."""
        for request, reply in self._writers.items():
            if reply.done():
                continue
            if request in self._committing:
                reply.set_exception(WriteUnanswered("the node is stopping"))
            else:
                reply.set_exception(WriteRefused("stopping", "the node is stopping"))
        self._writers.clear()

    async def _close_links(self) -> None:
        for link in self._links.values():
            link.close(CloseCode.GOODBYE, "stopping")
        tasks = [link.outbound for link in self._links.values()] + list(self._refusals)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=CLOSE_WITHIN + GOODBYE_WITHIN)
        for task in late:
            task.cancel()
