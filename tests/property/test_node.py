"""One node against a model that is a dictionary (sections 2, 3 and 6).

The model knows the greatest committed entry of each key, the writes that wait for their commit,
what waits for its time, and which peers are linked. The peers speak well-formed and garbled frames.
"""

from collections import Counter, deque

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gossip.core.effects import Effect
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.events import CommitFailed, Committed, LinkBlocked, LinkId, LinkWritable, RequestId
from gossip.core.roots import MODULUS, Root
from tests.property.strategies import received, small_values
from tests.support.core import Subject, closed, commits, replies, stored
from tests.support.frames import WALL, Frame, heartbeat, join, message, plain_join, sync

SKEW = 300.0
PEERS = {"a": join, "b": join, "p": plain_join}

KEYS = ("k", "l", "m")
keys = st.sampled_from(KEYS)
peers = st.sampled_from(sorted(PEERS))
offsets = st.sampled_from([-1_000, -1, 0, 1, 1_000, 400_000, 400_001])
"""Milliseconds from our clock; the last are beyond the allowed skew."""
garbled = st.sampled_from(
    [
        {},
        {"key": "k"},
        {"key": "k", "version": True, "value": 1},
        {"key": "", "version": 1},
        5,
        None,
    ]
)


def _says_who_lives(data: str | bytes) -> bool:
    frame = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    return any(kind in frame for kind in (b"join", b"leave", b"heartbeat"))


garbage = received.filter(lambda data: not _says_who_lives(data))
"""Frames that change neither the members nor, having other keys, what the model looks at."""


class Model:
    """What a node holds that does what the rules say."""

    def __init__(self) -> None:
        self.held: dict[str, Entry] = {}
        self.pending: deque[tuple[RequestId, Entry]] = deque()
        self.aside: dict[str, tuple[Entry, bool]] = {}
        self.clock = 0

    def next_version(self, key: str, wall: int) -> int:
        self.clock = max(self.clock, wall)
        known = [entry for _, entry in self.pending if entry.key == key]
        known += [self.held[key]] if key in self.held else []
        return max([self.clock, *(entry.version + 2 for entry in known)])

    def merge(self, entry: Entry) -> bool:
        if not entry.supersedes(self.held.get(entry.key)):
            return False
        self.held[entry.key] = entry
        if entry.key in self.aside:
            self.aside[entry.key] = self.aside[entry.key][0], True
        return True

    def receive(self, entry: Entry, horizon: int) -> None:
        if entry.version <= horizon:
            self.merge(entry)
        elif entry.supersedes(self.aside.get(entry.key, (None,))[0]):
            self.aside[entry.key] = entry, False

    def apply_due(self, horizon: int) -> None:
        for key, (entry, overtaken) in list(self.aside.items()):
            if entry.version > horizon:
                continue
            del self.aside[key]
            before = self.held.get(key)
            if self.merge(entry) and overtaken and before is not None:
                self.merge(Entry(key, entry.version + 1, before.value, before.expires_at))


class NodeMachine(RuleBasedStateMachine):
    """Drives a node and the model through the same events."""

    def __init__(self) -> None:
        super().__init__()
        self.subject = Subject(max_clock_skew=SKEW, tie_repairs=0)
        self.model = Model()
        self.answered: Counter[RequestId] = Counter()
        self.asked: list[RequestId] = []
        self.links: dict[LinkId, str | None] = {}
        """Open links, each with who joined on it."""
        self.last_link = 0

    def done(self, effects: list[Effect]) -> None:
        """Account for what the node wants done, and do it."""
        self.answered.update(reply.request for reply in replies(effects))
        for link, code in closed(effects).items():
            del self.links[LinkId(link)]
            self.done(self.subject.lose(link, code))

    @property
    def horizon(self) -> int:
        return self.subject.wall + int(SKEW * 1_000)

    # Peers

    @initialize()
    def first_peer(self) -> None:
        self.connect("a")

    @rule(peer=peers)
    def connect(self, peer: str) -> None:
        self.last_link += 1
        link = LinkId(self.last_link)
        self.links[link] = peer
        self.done(self.subject.accept(link))
        self.done(self.subject.receive(link, PEERS[peer](peer)))
        assert self.subject.statuses()[peer] == "active"

    @rule()
    def connect_and_say_nothing(self) -> None:
        self.last_link += 1
        self.links[LinkId(self.last_link)] = None
        self.done(self.subject.accept(self.last_link))

    def draw_link(self, data: st.DataObject) -> LinkId:
        return data.draw(st.sampled_from(sorted(self.links)), label="link")

    def speak(self, link: LinkId, frame: Frame) -> None:
        peer = self.links[link]
        self.done(self.subject.receive(link, frame))
        assert peer is None or self.subject.statuses()[peer] == "active"

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        link = self.draw_link(data)
        del self.links[link]
        self.done(self.subject.lose(link))

    @precondition(lambda self: self.links)
    @rule(data=st.data(), blocked=st.booleans())
    def block(self, data: st.DataObject, blocked: bool) -> None:
        link = self.draw_link(data)
        event = LinkBlocked(link) if blocked else LinkWritable(link)
        self.done(self.subject.handle(event))

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        link = self.draw_link(data)
        self.speak(link, heartbeat(self.links[link] or "x", timestamp=self.subject.wall))

    @precondition(lambda self: self.links)
    @rule(
        data=st.data(),
        told=st.lists(st.tuples(keys, offsets, small_values), max_size=4),
        junk=st.lists(garbled, max_size=2),
        hops=st.none() | st.integers(0, 3),
    )
    def entries(
        self,
        data: st.DataObject,
        told: list[tuple[str, int, bytes | None]],
        junk: list[object],
        hops: int | None,
    ) -> None:
        link = self.draw_link(data)
        entries = [Entry(key, WALL + offset, value) for key, offset, value in told]
        frame = sync(self.links[link] or "x", *entries, hops=hops)
        frame["data"] += junk
        horizon = self.horizon
        for entry in entries:
            self.model.receive(entry, horizon)
        self.speak(link, frame)

    @precondition(lambda self: self.links)
    @rule(data=st.data(), key=keys, version=st.integers(1, 5) | st.just(MAX_VERSION))
    def update(self, data: st.DataObject, key: str, version: int) -> None:
        link = self.draw_link(data)
        entry = Entry(key, version, b'"old"')
        self.model.receive(entry, self.horizon)
        fields = {"key": key, "version": version, "value": "old"}
        self.speak(link, message("gossip", self.links[link] or "x", fields, 5))

    @precondition(lambda self: self.links)
    @rule(data=st.data(), frame=garbage)
    def garble(self, data: st.DataObject, frame: str | bytes) -> None:
        self.done(self.subject.receive(self.draw_link(data), frame))

    # Writers

    @rule(key=keys, value=small_values)
    def write(self, key: str, value: bytes | None) -> None:
        expected = self.model.next_version(key, self.subject.wall)
        request, effects = self.subject.begin(key, value)
        self.asked.append(request)
        self.done(effects)
        assert commits(effects) == [Entry(key, expected, value)]
        self.model.pending.append((request, commits(effects)[0]))

    def settle(self, count: int) -> list[tuple[RequestId, Entry]]:
        pending = self.model.pending
        return [pending.popleft() for _ in range(min(count, len(pending)))]

    @precondition(lambda self: self.model.pending)
    @rule(count=st.integers(1, 3))
    def commit(self, count: int) -> None:
        settled = self.settle(count)
        for _, entry in settled:
            self.model.merge(entry)
        requests = tuple(request for request, _ in settled)
        effects = self.subject.handle(Committed(requests))
        self.done(effects)
        assert [(reply.request, reply.entry) for reply in replies(effects)] == settled
        assert stored(effects) == []

    @precondition(lambda self: self.model.pending)
    @rule(count=st.integers(1, 3))
    def fail(self, count: int) -> None:
        requests = tuple(request for request, _ in self.settle(count))
        effects = self.subject.handle(CommitFailed(requests, "disk full"))
        self.done(effects)
        assert {reply.refused for reply in replies(effects)} == {"journal"}

    # Time

    @rule(seconds=st.sampled_from([0.01, 1.0, 9.0, 70.0, 200.0]))
    def wait(self, seconds: float) -> None:
        self.done(self.subject.wait(seconds))

    # What must hold

    @invariant()
    def reads_are_the_model(self) -> None:
        node = self.subject.node
        self.model.apply_due(self.horizon - self.since_tick)
        held = {entry.key: entry for entry in node.entries()}
        assert {key: held[key] for key in KEYS if key in held} == self.model.held
        assert all(node.get(key) == entry for key, entry in held.items())
        aside = {entry.key for entry in node.set_aside()}
        assert aside.intersection(KEYS) == self.model.aside.keys()
        live = sum(not entry.deleted for entry in held.values())
        overview = node.overview(self.subject.now)
        assert (overview.live, overview.total) == (live, len(held))
        assert overview.links == len(self.links)

    @property
    def since_tick(self) -> int:
        """Milliseconds since the node looked last at what is due, which is once a second."""
        return round((self.subject.monotonic + 1.0 - self.subject.timers["tick"].at) * 1_000)

    @invariant()
    def each_writer_has_one_answer(self) -> None:
        waiting = {request for request, _ in self.model.pending}
        expected = Counter(request for request in self.asked if request not in waiting)
        assert self.answered == expected

    @invariant()
    def members_are_peers_that_joined(self) -> None:
        assert set(self.subject.statuses()) <= PEERS.keys()

    def teardown(self) -> None:
        state = self.subject.node._replica.state
        hashes = [msgspec.structs.replace(entry, _hash=None).hash for entry in state.entries()]
        assert state.root() == Root(len(hashes), sum(hashes) % MODULUS)


TestNode = NodeMachine.TestCase
TestNode.settings = settings(max_examples=60, stateful_step_count=30)
