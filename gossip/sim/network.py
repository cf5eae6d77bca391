"""Connections between hosts in virtual time, and what can go wrong with them.

A connection has two ends, each owned by a process. Frames keep their order per direction unless
the conditions say otherwise. A frame that reaches an end which no longer exists is answered by a
reset, as a kernel does it, unless its host is dark (no power, no cable): then by nothing, and the
sender holds a half-open connection. Closing is never lost, only cut by a partition, and so is
opening where nothing is sent again; else it takes as long as TCP needs for it.

The bytes of a frame are carried, never read.
"""

import random
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from gossip.core.events import LinkId
from gossip.sim.conditions import Conditions
from gossip.sim.scheduler import Scheduler

SYN_RESEND = 1.0
"""Seconds after which TCP sends the first packet of a connection again (RFC 6298, section 2)."""


class Owner(Protocol):
    """A process as the network sees it. Nothing is called once `alive` is false."""

    name: str
    alive: bool

    def opened(self, end: "End", dialed: str | None) -> None:
        """A connection is open; `dialed` is its URL if this process dialed it."""

    def dial_failed(self, url: str, refused: bool) -> None:
        """A dial led to nothing."""

    def received(self, end: "End", frame: bytes) -> None:
        """A frame arrived."""

    def closed(self, end: "End", code: int | None) -> None:
        """The connection is gone; `code` is None where it broke. Once, last."""

    def ends(self) -> Iterable["End"]:
        """The connections that this process holds."""


class End:
    """One end of one connection."""

    __slots__ = ("closing", "dialed", "horizon", "link", "open", "owner", "peer", "usable")

    peer: "End"
    link: LinkId
    """The owner's number for the connection, given when it is told that it is open."""

    def __init__(self, owner: Owner, *, dialed: bool) -> None:
        self.owner = owner
        self.dialed = dialed
        self.open = False
        self.closing = False
        """A close frame was sent: nothing may follow it."""
        self.horizon = 0.0
        """When the latest frame sent in order arrives; the next one does not overtake it."""
        self.usable = 0.0
        """When the other end is open: nothing arrives there earlier."""


class Traffic(msgspec.Struct):
    """What the network carried, and what it did not."""

    frames: int = 0
    bytes: int = 0
    lost: int = 0
    """To chance or to a partition."""
    duplicated: int = 0
    reordered: int = 0


class Network:
    """All connections of a simulation."""

    def __init__(self, scheduler: Scheduler, rng: random.Random, conditions: Conditions) -> None:
        self.conditions = conditions
        self.traffic = Traffic()
        self.arrived: Callable[[End, bytes], None] | None = None
        """Told of each frame that reaches an open end, before its owner."""
        self._scheduler = scheduler
        self._rng = rng
        self._names: dict[str, str] = {}
        self._listeners: dict[str, Owner] = {}
        self._dark: set[str] = set()
        self._cut: set[tuple[str, str]] = set()

    # Hosts

    def register(self, url: str, name: str) -> None:
        """Make a URL resolve to this host, whether or not a process listens there."""
        self._names[url] = name

    def listen(self, owner: Owner) -> None:
        """Let this process accept what is dialed to its host; light goes on there."""
        self._listeners[owner.name] = owner
        self._dark.discard(owner.name)

    def deafen(self, owner: Owner) -> None:
        """Let this process accept nothing any more; its connections stay."""
        self._listeners.pop(owner.name, None)

    def vanish(self, owner: Owner, *, dark: bool) -> None:
        """End this process: its peers see resets, or nothing at all if its host goes dark."""
        self.deafen(owner)
        owner.alive = False
        if dark:
            self._dark.add(owner.name)
        for end in owner.ends():
            self._abandon(end)

    # Connections

    def dial(self, owner: Owner, url: str) -> None:
        """Connect; the owner is told of the outcome once."""
        there, back = self._travel() + self._opening(), self._opening()
        if there + back < self.conditions.dial_timeout:
            since = self._scheduler.now
            self._scheduler.after(there, self._knock, owner, url, since, back)
        else:
            self._scheduler.after(self.conditions.dial_timeout, self._fail, owner, url, False)

    def send(self, end: End, frame: bytes) -> None:
        """Send one frame. It may be lost, doubled or late, as the conditions have it."""
        if not end.open or end.closing:
            return
        conditions, traffic, chance = self.conditions, self.traffic, self._rng.random
        traffic.frames += 1
        traffic.bytes += len(frame)
        if not self._passable(end):
            traffic.lost += 1
            return
        if conditions.resend is not None:
            self._post(end, frame, self._resent(conditions.resend))
        elif conditions.loss and chance() < conditions.loss:
            traffic.lost += 1
            return
        else:
            self._post(end, frame)
        if conditions.duplication and chance() < conditions.duplication:
            traffic.duplicated += 1
            self._post(end, frame)

    def close(self, end: End, code: int) -> None:
        """Send a close frame behind what was sent. The owner is told when it is answered."""
        if not end.open or end.closing:
            return
        end.closing = True
        self._scheduler.after(self.conditions.close_timeout, self._finish, end, code)
        if self._passable(end):
            self._scheduler.at(self._in_order(end), self._close_arrives, end, code)

    # Partitions

    def partition(self, one: Iterable[str], other: Iterable[str], *, reset: bool) -> None:
        """Let nothing pass between hosts of one side and the other until `heal`.

        Without `reset` both ends of the connections across stay open and silent.
        """
        here, there = frozenset(one), frozenset(other)
        self._cut.update((a, b) for a in here for b in there)
        self._cut.update((b, a) for a in here for b in there)
        if reset:
            for name in sorted(here):
                self._reset_towards(name, there)

    def heal(self) -> None:
        """Let everything pass again. Connections that went silent work again."""
        self._cut.clear()

    # How things travel

    def _resent(self, first: float) -> float:
        """How late something comes that is sent again after so long while it is lost."""
        late, wait = 0.0, first
        while self.conditions.loss and self._rng.random() < self.conditions.loss:
            self.traffic.lost += 1
            late, wait = late + wait, 2 * wait
        return late

    def _opening(self) -> float:
        """How late one direction of an opening is: a packet of TCP's handshake, one of HTTP's."""
        if self.conditions.resend is None:
            return 0.0
        return self._resent(SYN_RESEND) + self._resent(self.conditions.resend)

    def _travel(self) -> float:
        return self.conditions.latency + self.conditions.jitter * self._rng.random()

    def _in_order(self, end: End, late: float = 0.0) -> float:
        end.horizon = max(end.horizon, self._scheduler.now + self._travel() + late)
        return end.horizon

    def _post(self, end: End, frame: bytes, late: float = 0.0) -> None:
        conditions = self.conditions
        if conditions.reordering and self._rng.random() < conditions.reordering:
            self.traffic.reordered += 1
            late += self._travel() + conditions.reordering_delay * self._rng.random()
            arrival = max(end.usable, self._scheduler.now + late)
            self._scheduler.at(arrival, self._arrive, end.peer, frame)
        else:
            self._scheduler.at(self._in_order(end, late), self._arrive, end.peer, frame)

    def _passable(self, end: End) -> bool:
        return not self._cut or (end.owner.name, end.peer.owner.name) not in self._cut

    def _arrive(self, end: End, frame: bytes) -> None:
        if end.open:
            if self.arrived is not None:
                self.arrived(end, frame)
            end.owner.received(end, frame)
        else:
            self._answer_with_reset(end)

    # Opening

    def _knock(self, owner: Owner, url: str, since: float, back: float) -> None:
        name = self._names.get(url)
        if name is None:
            self._fail(owner, url, refused=False)
        elif name in self._dark or (owner.name, name) in self._cut:
            timeout = since + self.conditions.dial_timeout
            self._scheduler.at(timeout, self._fail, owner, url, False)
        elif listener := self._listeners.get(name):
            self._connect(owner, listener, url, back)
        else:
            self._scheduler.after(self._travel(), self._fail, owner, url, True)

    def _fail(self, owner: Owner, url: str, refused: bool) -> None:
        if owner.alive:
            owner.dial_failed(url, refused)

    def _connect(self, dialer: Owner, listener: Owner, url: str, late: float) -> None:
        near, far = End(dialer, dialed=True), End(listener, dialed=False)
        near.peer, far.peer = far, near
        far.open = True
        far.usable = self._in_order(far, late)
        self._scheduler.at(far.usable, self._connected, near, url)
        listener.opened(far, None)

    def _connected(self, end: End, url: str) -> None:
        if end.owner.alive:
            end.open = True
            end.owner.opened(end, url)
            if not end.peer.open:
                self._answer_with_reset(end.peer)
        else:
            self._answer_with_reset(end)

    # Closing

    def _close_arrives(self, end: End, code: int) -> None:
        peer = end.peer
        if peer.open:
            self._finish(peer, code)
        if peer.owner.name not in self._dark and self._passable(peer):
            self._scheduler.at(self._in_order(peer), self._finish, end, code)

    def _finish(self, end: End, code: int | None) -> None:
        if end.open:
            end.open = False
            end.owner.closed(end, code)

    def _abandon(self, end: End) -> None:
        end.open = False
        if end.owner.name not in self._dark and self._passable(end):
            self._scheduler.at(self._in_order(end), self._break, end.peer)

    def _answer_with_reset(self, end: End) -> None:
        if end.owner.name not in self._dark and self._passable(end):
            self._scheduler.after(self._travel(), self._break, end.peer)

    def _break(self, end: End) -> None:
        # An end that sent its close frame waits for the answer or the time-out.
        if not end.closing:
            self._finish(end, None)

    def _reset_towards(self, name: str, others: frozenset[str]) -> None:
        owner = self._listeners.get(name)
        for end in owner.ends() if owner else ():
            if end.peer.owner.name in others:
                self._scheduler.after(self._travel(), self._break, end)
                self._scheduler.after(self._travel(), self._break, end.peer)
