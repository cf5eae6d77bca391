"""One life of a node: carries out its effects and feeds it what comes of them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from gossip.core import effects, events
from gossip.core.entries import Entry
from gossip.core.stats import MemberView, Overview
from gossip.sim.disk import Disk, Journal
from gossip.sim.network import End
from gossip.sim.world import World

_GOING_AWAY = 1001
"""WebSocket close code."""


class Machine(Protocol):
    """The door of the core, `gossip.core.node.Node`."""

    def handle(self, event: events.Event, now: events.Instant) -> list[effects.Effect]:
        """Take one event; return what is to be done, in order."""

    def get(self, key: str) -> Entry | None:
        """The entry of this key, a tombstone included."""

    def entries(self) -> Iterator[Entry]:
        """All entries, ordered by key."""

    def members(self) -> list[MemberView]:
        """All other members."""

    @property
    def listed(self) -> int:
        """How many other members there are."""

    def status_of(self, node_id: str) -> str | None:
        """The status of this member, if it is one."""

    def overview(self, now: events.Instant) -> Overview:
        """The node now."""


class Process:
    """A running node on a host: the network's `Owner`, the journal's caller, the timers' clock."""

    def __init__(
        self,
        name: str,
        node: Machine,
        disk: Disk,
        world: World,
        clock: Callable[[], events.Instant],
    ) -> None:
        self.name = name
        self.node = node
        self.alive = True
        self.stopping = False
        self._world = world
        self._clock = clock
        self._links: dict[events.LinkId, End] = {}
        self._last_link = 0
        self._timers: dict[str, int] = {}
        self._paused: dict[events.LinkId, float] = {}
        self._stalled = False
        self._backlog: deque[events.Event] = deque()
        """What happened while it stalled."""
        self._resuming = False
        self._holding = False
        self._held_back: deque[tuple[End, bytes]] = deque()
        """Frames that came while the node had work left over."""
        self._journal = Journal(
            disk, world.scheduler, world.conditions, self._committed, self._commit_failed
        )

        self._carry_out: dict[type[effects.Effect], Callable[[Any], None]] = {
            effects.Send: self._send,
            effects.CloseLink: self._close,
            effects.Dial: lambda dial: world.network.dial(self, dial.url),
            effects.Fetch: self._fetch,
            effects.SetTimer: self._set_timer,
            effects.Commit: self._journal.commit,
            effects.StoreEntry: lambda store: self._journal.store_entry(store.entry),
            effects.ForgetEntry: lambda forget: self._journal.forget_entry(forget.tombstone),
            effects.StorePeer: lambda store: self._journal.store_peer(
                store.peer.node_id, store.peer
            ),
            effects.ForgetPeer: lambda forget: self._journal.store_peer(forget.node_id, None),
            effects.KeepIncarnation: self._keep_incarnation,
            effects.Reply: lambda reply: world.ledger.answer(name, reply, node.get, disk),
            effects.Notice: self._note,
            effects.More: self._yield,
            effects.Pause: self._pause,
        }

    # Life

    def feed(self, event: events.Event) -> None:
        """Give the node an event and carry out what it wants done."""
        if not self.alive:
            return
        if self._stalled:
            self._backlog.append(event)
            return
        self._world.trace.record(self._world.scheduler.now, self.name, event)
        for effect in self.node.handle(event, self._clock()):
            self._carry_out[type(effect)](effect)

    def stall(self, seconds: float) -> None:
        """Do nothing for so long, as a process that is stopped, swapped out or starved."""
        if not self._stalled:
            self._stalled = True
            self._world.scheduler.after(seconds, self._go_on)

    def _go_on(self) -> None:
        self._stalled = False
        while self._backlog and not self._stalled:
            self.feed(self._backlog.popleft())

    def kill(self, *, dark: bool) -> None:
        """End at once, as by `kill -9`, or as by a loss of power when `dark`."""
        self._world.network.vanish(self, dark=dark)
        self._journal.crash(self._world.rng)

    def stop(self) -> None:
        """Ask the node to leave; the process ends when its links are closed, or in time."""
        self.stopping = True
        self._world.network.deafen(self)
        self.feed(events.StopRequested())
        self._world.scheduler.after(self._world.conditions.stop_timeout, self._end)
        self._end_when_alone()

    def _end_when_alone(self) -> None:
        if self.stopping and not self._links:
            self._end()

    def _end(self) -> None:
        if self.alive:
            self._world.network.vanish(self, dark=False)
            self._journal.close()

    # Owner of connections

    def ends(self) -> Iterable[End]:
        return self._links.values()

    def opened(self, end: End, dialed: str | None) -> None:
        self._last_link += 1
        end.link = events.LinkId(self._last_link)
        self._links[end.link] = end
        if self.stopping:
            # A dial that was under way; the node is past hearing of it.
            self._world.network.close(end, _GOING_AWAY)
        else:
            self.feed(events.LinkOpened(end.link, dialed))

    def dial_failed(self, url: str, refused: bool) -> None:
        self.feed(events.DialFailed(url, refused))

    def received(self, end: End, frame: bytes) -> None:
        now, until = self._world.scheduler.now, self._paused.get(end.link, 0.0)
        if now < until:
            self._world.scheduler.at(until, self.received, end, frame)
        elif self._holding:
            self._held_back.append((end, frame))
        elif end.open:
            self.feed(events.FrameReceived(end.link, frame))

    def closed(self, end: End, code: int | None) -> None:
        del self._links[end.link]
        self.feed(events.LinkClosed(end.link, code))
        self._end_when_alone()

    # Effects

    def _send(self, effect: effects.Send) -> None:
        send, links, frame = self._world.network.send, self._links, effect.frame
        for link in effect.links:
            # A link that broke in the same instant: its `LinkClosed` is on the way to the node.
            if end := links.get(link):
                send(end, frame)

    def _close(self, effect: effects.CloseLink) -> None:
        if end := self._links.get(effect.link):
            self._world.network.close(end, effect.code)

    def _fetch(self, effect: effects.Fetch) -> None:
        # No host here serves HTTP. No jitter: fetches draw nothing from the network's randomness.
        answer = events.Fetched(effect.url, None, 0.0)
        self._world.scheduler.after(self._world.conditions.latency, self.feed, answer)

    def _set_timer(self, effect: effects.SetTimer) -> None:
        self._timers[effect.timer] = effect.generation
        self._world.scheduler.at(effect.at, self._fire, effect.timer, effect.generation)

    def _fire(self, timer: str, generation: int) -> None:
        if self._timers.get(timer) == generation:
            self.feed(events.TimerFired(timer, generation))

    def _pause(self, effect: effects.Pause) -> None:
        self._paused[effect.link] = effect.until

    def _note(self, effect: effects.Notice) -> None:
        self._world.note(self.name, effect)

    def _yield(self, effect: effects.More) -> None:
        self._holding = self._holding or effect.hold
        if not self._resuming:
            self._resuming = True
            self._world.scheduler.after(self._world.conditions.yielding, self._resume)

    def _resume(self) -> None:
        self._resuming = self._holding = False
        self.feed(events.Resumed())
        while self._held_back and not self._holding:
            self.received(*self._held_back.popleft())

    def _keep_incarnation(self, effect: effects.KeepIncarnation) -> None:
        kept = events.IncarnationKept(effect.incarnation)
        self._journal.keep_incarnation(effect.incarnation, lambda: self.feed(kept))

    # Journal

    def _committed(self, requests: tuple[events.RequestId, ...]) -> None:
        self.feed(events.Committed(requests))

    def _commit_failed(self, requests: tuple[events.RequestId, ...], detail: str) -> None:
        self.feed(events.CommitFailed(requests, detail))
