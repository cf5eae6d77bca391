"""One real node whose clock, disk and peers are the test's, and words for what it wants done."""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import count
from random import Random
from typing import Any, NoReturn

import msgspec

from gossip.core.conditions import Condition
from gossip.core.config import Config
from gossip.core.effects import (
    CloseLink,
    Commit,
    Dial,
    Effect,
    ForgetPeer,
    More,
    Notice,
    NoticeKind,
    Reply,
    Send,
    SetTimer,
    StoreEntry,
    StorePeer,
)
from gossip.core.entries import Entry
from gossip.core.events import (
    CommitFailed,
    Committed,
    Event,
    FrameReceived,
    Instant,
    LinkClosed,
    LinkId,
    LinkOpened,
    RequestId,
    Restored,
    Resumed,
    Started,
    TimerFired,
    WriteRequested,
)
from gossip.core.members import PeerRecord
from gossip.core.node import Node
from tests.support.frames import WALL, Frame, heartbeat, join, plain_join

ME = "0xme"
BOOTSTRAP = "ws://boot.example:3001/ws"


def config(**changes: Any) -> Config:
    """The default configuration of a node called `ME`, with changes."""
    fields: dict[str, Any] = {
        "node_id": ME,
        "public_key": "0xpub",
        "gossip_endpoint": "ws://me.example:3001/ws",
        "api_endpoint": "http://me.example:3001",
        # Peers here speak when the test says so, and answer nobody who asks whether they live.
        "probe_interval": 1e6,
    }
    return Config(**(fields | changes))


class Subject:
    """A node under test. Every effect passes the checks that hold whatever a peer sends."""

    def __init__(self, *, started: bool = True, seed: int = 1, **changes: Any) -> None:
        self.config = config(**changes)
        self.node = Node(self.config, Random(seed))
        self.monotonic = 1_000.0
        self.skew = 0
        """Milliseconds by which the wall clock was set."""
        self.timers: dict[str, SetTimer] = {}
        self.open: set[LinkId] = set()
        self._requests = count(1)
        if started:
            self.handle(Started(incarnation=WALL, clock_floor=0))

    @property
    def wall(self) -> int:
        return WALL + self.skew + round((self.monotonic - 1_000.0) * 1_000)

    @property
    def now(self) -> Instant:
        return Instant(self.monotonic, self.wall)

    def step(self, event: Event) -> list[Effect]:
        """One call of the door."""
        if isinstance(event, LinkClosed):
            self.open.discard(event.link)
        if isinstance(event, LinkOpened):
            self.open.add(event.link)
        effects = self.node.handle(event, self.now)
        for effect in effects:
            self._check(effect)
        return effects

    def handle(self, event: Event) -> list[Effect]:
        """Let something happen, and go on until no work is left over (S5)."""
        latest = self.step(event)
        effects = list(latest)
        while any(isinstance(effect, More) for effect in latest):
            latest = self.step(Resumed())
            effects += latest
        return effects

    def _check(self, effect: Effect) -> None:
        match effect:
            case Send(links, frame):
                assert links, "a frame for nobody"
                assert self.open.issuperset(links), "a frame for a link that is gone"
                assert len(frame) <= self.config.limits.frame_sent
                strict_json(frame)
            case CloseLink(link):
                self.open.remove(link)
            case SetTimer(timer):
                self.timers[timer] = effect

    # Time

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass and timers fire."""
        end = self.monotonic + seconds
        effects: list[Effect] = []
        while due := [timer for timer in self.timers.values() if timer.at <= end]:
            timer = min(due, key=lambda timer: timer.at)
            del self.timers[timer.timer]
            self.monotonic = max(self.monotonic, timer.at)
            effects += self.handle(TimerFired(timer.timer, timer.generation))
        self.monotonic = end
        return effects

    def hear(self, seconds: int, **links: int) -> list[Effect]:
        """Let time pass in which the peers of these links speak every five seconds."""
        effects: list[Effect] = []
        for _ in range(0, seconds, 5):
            for peer, link in links.items():
                effects += self.receive(link, heartbeat(peer, timestamp=self.wall))
            effects += self.wait(5.0)
        return effects

    # Links and frames

    def accept(self, link: int, *, loopback: bool = False) -> list[Effect]:
        """Somebody connects to us."""
        return self.handle(LinkOpened(LinkId(link), remote_is_loopback=loopback))

    def reach(self, link: int, url: str, *, loopback: bool = False) -> list[Effect]:
        """A dial of ours leads to a connection."""
        return self.handle(LinkOpened(LinkId(link), url, loopback))

    def lose(self, link: int, code: int | None = None) -> list[Effect]:
        """A connection is gone."""
        return self.handle(LinkClosed(LinkId(link), code))

    def receive(self, link: int, frame: Frame | str | bytes) -> list[Effect]:
        """A frame arrives."""
        data = msgspec.json.encode(frame) if isinstance(frame, dict) else frame
        return self.handle(FrameReceived(LinkId(link), data))

    def joined(self, link: int, node_id: str, **changes: Any) -> list[Effect]:
        """Accept an extended peer that introduces itself."""
        return [*self.accept(link), *self.receive(link, join(node_id, **changes))]

    def plain(self, link: int, node_id: str, **changes: Any) -> list[Effect]:
        """Accept a plain peer that introduces itself."""
        return [*self.accept(link), *self.receive(link, plain_join(node_id, **changes))]

    # Writes

    def begin(
        self,
        key: str,
        value: bytes | None,
        only_if: Condition | None = None,
        lifetime: int | None = None,
    ) -> tuple[RequestId, list[Effect]]:
        """A local write, not yet durable."""
        request = RequestId(next(self._requests))
        return request, self.handle(WriteRequested(request, key, value, only_if, lifetime))

    def commit(self, *requests: RequestId) -> list[Effect]:
        return self.handle(Committed(requests))

    def fail(self, *requests: RequestId, detail: str = "disk full") -> list[Effect]:
        return self.handle(CommitFailed(requests, detail))

    def write(self, key: str, value: bytes | None) -> list[Effect]:
        """A local write that becomes durable."""
        request, _ = self.begin(key, value)
        return self.commit(request)

    # What it shows

    def hold(self, *entries: Entry) -> None:
        """Load entries as if from the store."""
        self.handle(Restored(entries))

    def value(self, key: str) -> bytes | None:
        entry = self.node.get(key)
        return None if entry is None else entry.value

    def own(self) -> PeerRecord:
        """What it says of itself."""
        return self.node.overview(self.now).me

    def record(self, node_id: str) -> PeerRecord:
        """What it believes of this member."""
        [found] = [view.record for view in self.node.members() if view.record.node_id == node_id]
        return found

    def statuses(self) -> dict[str, str]:
        """The members, each with its status."""
        return {view.record.node_id: view.status for view in self.node.members()}

    @property
    def refused(self) -> Counter[str]:
        return self.node.stats.refused


def bootstrapped(**changes: Any) -> Subject:
    """A node that was told of one peer, whom it is dialing."""
    return Subject(bootstrap=(BOOTSTRAP,), **changes)


# What a node wants done


def strict_json(frame: bytes) -> Frame:
    """Decode what JavaScript would: no NaN, no Infinity, valid UTF-8."""
    fields: Frame = json.loads(frame.decode("utf-8"), parse_constant=_refuse)
    return fields


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def sent(effects: Iterable[Effect], link: int | None = None) -> list[Frame]:
    """The frames sent, decoded; those on one link only where it is given."""
    return [
        strict_json(effect.frame)
        for effect in effects
        if isinstance(effect, Send) and (link is None or link in effect.links)
    ]


def kinds(effects: Iterable[Effect], link: int | None = None) -> list[str]:
    """What kinds of frames were sent: the type, or of which exchange or list they are."""
    return [_kind(frame) for frame in sent(effects, link)]


def _kind(frame: Frame) -> str:
    data = frame["data"]
    inner = (data.get("x") or data.get("type")) if isinstance(data, dict) else None
    return str(inner or frame["type"])


def pushed(effects: Iterable[Effect], link: int | None = None) -> list[str]:
    """The keys sent in arrays."""
    frames = sent(effects, link)
    arrays = [frame["data"] for frame in frames if isinstance(frame["data"], list)]
    return [entry["key"] for array in arrays for entry in array]


def closed(effects: Iterable[Effect]) -> dict[int, int]:
    """The links to be closed, each with its code."""
    return {effect.link: effect.code for effect in effects if isinstance(effect, CloseLink)}


def dials(effects: Iterable[Effect]) -> list[str]:
    return [effect.url for effect in effects if isinstance(effect, Dial)]


def commits(effects: Iterable[Effect]) -> list[Entry]:
    return [effect.entry for effect in effects if isinstance(effect, Commit)]


def replies(effects: Iterable[Effect]) -> list[Reply]:
    return [effect for effect in effects if isinstance(effect, Reply)]


def stored(effects: Iterable[Effect]) -> list[Entry]:
    """Entries written behind."""
    return [effect.entry for effect in effects if isinstance(effect, StoreEntry)]


def remembered(effects: Iterable[Effect]) -> list[str]:
    """The members that the store is to remember."""
    return [effect.peer.node_id for effect in effects if isinstance(effect, StorePeer)]


def forgotten(effects: Iterable[Effect]) -> list[str]:
    """The members that the store is to forget."""
    return [effect.node_id for effect in effects if isinstance(effect, ForgetPeer)]


def notices(effects: Iterable[Effect]) -> list[tuple[NoticeKind, str]]:
    return [(effect.kind, effect.subject) for effect in effects if isinstance(effect, Notice)]
