"""A node with small bounds under attack by peers that send mutated frames, and what must hold."""

import gc
from collections import deque
from collections.abc import Iterator
from random import Random
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from gossip.core.addresses import api_url, gossip_url
from gossip.core.config import Limits
from gossip.core.decoding import decode_entry
from gossip.core.effects import CloseLink, Commit, Dial, Effect, Fetch, Notice, Send, StoreEntry
from gossip.core.encoding import encode_entry
from gossip.core.entries import Entry
from gossip.core.events import DialFailed, Fetched, LinkBlocked, LinkId, LinkOpened, LinkWritable
from gossip.core.node import Node
from gossip.core.sketch import CELLS
from tests.property.mutating import KEYS, PEERS, Mutator
from tests.support.core import BOOTSTRAP, Subject
from tests.support.frames import join, plain_join

BOUND = 64
"""Items in any table of the node but its state: above each of the limits below, with room for the
fixed tables of code, and far below the number of frames."""
TEXT = 4_000_000
"""Bytes of all texts that the node holds beside its state."""
LOOK_EVERY = 500
"""Frames between two looks at all tables."""
LIMITS = Limits(
    faults=8,
    members=8,
    lost=8,
    graveyard=8,
    aside=8,
    aside_per_link=4,
    links=12,
    peer_list=8,
    pulled=4,
    # Ten times as many keys are remembered whose ties were repaired.
    ties=6,
    history_control=20,
    outbox_entries=20,
    pending_writes=8,
    slice_entries=2,
)


class Attack:
    """Frames against one node. Raises what the node raises, or `AssertionError`."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"attack {seed}")
        self._mutator = Mutator(self._rng)
        self._subject = Subject(
            seed=seed,
            bootstrap=(BOOTSTRAP,),
            limits=LIMITS,
            max_message_history=20,
            dial_queue=20,
            tie_repairs=1,
        )
        self._links: dict[int, str] = {}
        """The peer behind each open link; what it says of itself is another matter."""
        self._last_link = 0
        self.frames = 0

    @property
    def node(self) -> Node:
        """Who is attacked."""
        return self._subject.node

    def run(self, frames: int) -> None:
        """Send so many."""
        for _ in range(frames):
            self._step()
            if self.frames % LOOK_EVERY == 0:
                self.look()
        self._done(self._subject.wait(200.0))
        self.look()

    def _step(self) -> None:
        rng, subject = self._rng, self._subject
        if len(self._links) < 5:
            self._connect(rng.choice(PEERS))
        if not self._links:
            # It said that it is the node itself, which was not believed.
            return
        link = rng.choice(list(self._links))
        match rng.randrange(100):
            case 0:
                self._done(subject.wait(rng.choice([0.01, 1.0, 11.0, 40.0])))
            case 1:
                self._done(subject.handle(LinkBlocked(LinkId(link))))
            case 2 | 3:
                self._done(subject.handle(LinkWritable(LinkId(link))))
            case 4:
                del self._links[link]
                self._done(subject.lose(link, rng.choice([None, 1000, 4409, 4410])))
            case 5:
                _, effects = subject.begin(rng.choice(KEYS), rng.choice([None, b"1", b'"own"']))
                self._done(effects)
            case _:
                self.frames += 1
                self._done(subject.receive(link, self._mutator.next(self._links[link])))

    def _connect(self, peer: str) -> None:
        self._last_link += 1
        link = self._last_link
        self._links[link] = peer
        self._done(self._subject.accept(link, loopback=self._rng.random() < 0.5))
        match self._rng.randrange(5):
            case 0:
                # It never says who it is.
                return
            case 1 | 2:
                introduction = plain_join(peer)
            case _:
                introduction = join(peer)
        self._done(self._subject.receive(link, introduction))

    # What the node wants done

    def _done(self, effects: list[Effect]) -> None:
        waiting = deque(effects)
        while waiting:
            waiting.extend(self._carry_out(waiting.popleft()))

    def _carry_out(self, effect: Effect) -> list[Effect]:
        subject, rng = self._subject, self._rng
        match effect:
            case Send(frame=frame):
                self._mutator.learn(frame)
            case CloseLink(link, code):
                if self._links.pop(link, None) is not None:
                    return subject.lose(link, code)
            case Dial(url):
                assert gossip_url(url, LIMITS) == url
                return self._answer_dial(url)
            case Fetch(url):
                assert api_url(url, LIMITS) == url
                body = rng.choice([None, b"{}", self._body()])
                return subject.handle(Fetched(url, body, rng.uniform(0, 5)))
            case Commit(request):
                fails = rng.random() < 0.2
                return subject.fail(request) if fails else subject.commit(request)
            case StoreEntry(entry):
                _check_entry(entry)
            case Notice(_, subject_, detail):
                assert len(subject_) + len(detail) < 2_000, "a line of the log without measure"
        return []

    def _answer_dial(self, url: str) -> list[Effect]:
        if self._rng.random() < 0.7 or len(self._links) >= LIMITS.links:
            return self._subject.handle(DialFailed(url, refused=self._rng.random() < 0.5))
        self._last_link += 1
        self._links[self._last_link] = self._rng.choice(PEERS)
        return self._subject.handle(LinkOpened(LinkId(self._last_link), url))

    def _body(self) -> bytes:
        data = self._mutator.next("p")
        return data if isinstance(data, bytes) else data.encode(errors="replace")

    # What it holds

    def look(self) -> None:
        """Assert that no table of the node has outgrown its bound."""
        node = self.node
        state = node._replica.state
        assert set(self._subject.statuses().values()) <= {"active", "suspected", "inactive"}
        text = 0
        for item in _reachable(node, but=[state, *node.entries()]):
            if isinstance(item, dict | list | set | deque | tuple):
                bound = CELLS if _is_sketch(item) else BOUND
                assert len(item) <= bound, f"{len(item)} items: {str(item)[:300]}"
            elif isinstance(item, str | bytes):
                text += len(item)
        assert text < TEXT


def _is_sketch(item: object) -> bool:
    """Whether it is a list of cells, which has a bound of its own."""
    return isinstance(item, list) and all(type(cell) is int for cell in item)


def _check_entry(entry: Entry) -> None:
    assert decode_entry(encode_entry(entry), LIMITS) == entry


_CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, Random)


def _reachable(start: object, but: list[Any]) -> Iterator[object]:
    """Everything that this object holds, however deep; the machinery of Python is left out."""
    seen = {id(each) for each in but} | {id(start)}
    waiting = [start]
    while waiting:
        item = waiting.pop()
        yield item
        for referent in gc.get_referents(item):
            inner = referent.__self__ if isinstance(referent, MethodType) else referent
            if id(inner) not in seen and not isinstance(inner, _CODE):
                seen.add(id(inner))
                waiting.append(inner)
