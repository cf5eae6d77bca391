"""Sessions of repair, whatever comes between two slices of work: nothing raises, all ends equal.

Slices are so small that each job takes many of them. Frames are lost and doubled, links block,
peers send what nobody asked for, and entries appear at any moment.
"""

from collections import deque
from random import Random
from typing import Any

import msgspec
import pytest

from gossip.core import digests
from gossip.core.config import Limits
from gossip.core.effects import Effect, More, Send
from gossip.core.entries import Entry
from gossip.core.events import (
    FrameReceived,
    LinkBlocked,
    LinkId,
    LinkOpened,
    LinkWritable,
    Restored,
    Resumed,
    TimerFired,
)
from gossip.core.packing import CELL, ITEM, pack
from tests.support.core import Subject
from tests.support.frames import Frame, exchange, root, wire

LINK = LinkId(1)
STEPS = 1_500
NAMES = "0xone", "0xtwo"


class Side:
    """A node, what is on the way to it, and whether it is owed a turn."""

    def __init__(self, name: str, seed: int) -> None:
        limits = Limits(slice_entries=3, frame_sent=140_000)
        self.name = name
        self.subject = Subject(node_id=name, seed=seed, limits=limits, pull_timeout=3.0)
        self.incoming: deque[bytes] = deque()
        self.owed = False
        self.holds = False
        self.other: Side

    def step(self, event: Any) -> None:
        """Let something happen; what it sends is on the way then."""
        if isinstance(event, Resumed):
            self.owed = self.holds = False
        self.carry_out(self.subject.step(event))

    def carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.other.incoming.append(effect.frame)
            elif isinstance(effect, More):
                self.owed = True
                self.holds = self.holds or effect.hold

    def fire(self) -> None:
        """Let time pass until the next timer, and fire it."""
        timer = min(self.subject.timers.values(), key=lambda timer: timer.at)
        del self.subject.timers[timer.timer]
        self.subject.monotonic = max(self.subject.monotonic, timer.at)
        self.step(TimerFired(timer.timer, timer.generation))


class Chaos:
    """Two nodes and everything that may happen, at random."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.sides = one, two = Side(NAMES[0], 1), Side(NAMES[1], 2)
        one.other, two.other = two, one
        self.version = 0
        for side in self.sides:
            self.appear(side, 30)
        one.step(LinkOpened(LINK))
        two.step(LinkOpened(LINK, "ws://0xone.example:3001/ws"))
        self.deliver()

    def appear(self, side: Side, most: int) -> None:
        """Entries that were lost on the way to the other."""
        rng = self.rng
        entries = []
        for _ in range(rng.randint(1, most)):
            self.version += 1
            value = None if rng.random() < 0.2 else b"%d" % self.version
            entries.append(Entry(f"key {rng.randrange(60)}", self.version, value))
        side.step(Restored(tuple(entries)))

    def disturb(self) -> None:
        """One thing that may happen."""
        rng = self.rng
        side = rng.choice(self.sides)
        match rng.randrange(12):
            case 0 | 1 | 2 | 3 | 4 if side.incoming and not side.holds:
                frame = side.incoming.popleft()
                if rng.random() < 0.1:
                    side.incoming.append(frame)
                if rng.random() < 0.95:
                    side.step(FrameReceived(LINK, frame))
            case 5 | 6 | 7 | 8 if side.owed:
                side.step(Resumed())
            case 9 if not side.owed or rng.random() < 0.2:
                side.fire()
            case 10:
                side.step(rng.choice([LinkBlocked, LinkWritable])(LINK))
            case 11 if rng.random() < 0.3:
                self.appear(side, 3)
            case 11 if not side.holds:
                side.step(FrameReceived(LINK, self.made_up(side.other.name)))

    def made_up(self, sender: str) -> bytes:
        """A frame of section 5 that fits nothing, or something by accident."""
        rng = self.rng
        count = rng.choice([0, 1, 8, 24, 48])
        noise = [rng.getrandbits(88) for _ in range(count)]
        first = rng.choice([0, 0, 24, 48])
        said = root(rng.choice([0, 5, 40, 10_000]), rng.getrandbits(60))
        entry = wire(Entry(f"key {rng.randrange(60)}", rng.randint(1, 9), b"0"))
        frames: list[Frame] = [
            exchange(sender, "root", root=said, answer=rng.random() < 0.5),
            exchange(sender, "sketch", range="", first=first, size=first + 24, root=said),
            exchange(sender, "sketch", range=rng.choice("0f"), first=0, size=4_096),
            exchange(sender, "sketch", range="", first=first, cells=pack(noise, CELL), root=said),
            exchange(sender, "want", items=pack([rng.getrandbits(120) for _ in range(3)], ITEM)),
            exchange(sender, "want", entries=[entry], done=rng.randrange(3), root=said),
            exchange(sender, "page", entries=[entry], next=rng.choice(["key 3", None]), root=said),
            exchange(sender, "push", entries=[entry], root=said),
            exchange(sender, "held", root=said, of=said),
            exchange(sender, "page"),
        ]
        return msgspec.json.encode(rng.choice(frames))

    def calm_down(self) -> None:
        """Deliver everything, and let rounds pass."""
        for side in self.sides:
            side.step(LinkWritable(LINK))
        for _ in range(400):
            self.deliver()
            for side in self.sides:
                side.fire()
        self.deliver()

    def deliver(self) -> None:
        """Carry frames, and let nodes work, until nobody has anything to say."""
        while any(side.owed or side.incoming for side in self.sides):
            for side in self.sides:
                if side.owed:
                    side.step(Resumed())
                elif side.incoming:
                    side.step(FrameReceived(LINK, side.incoming.popleft()))

    @property
    def equal(self) -> bool:
        one, two = (list(side.subject.node.entries()) for side in self.sides)
        return one == two


@pytest.mark.parametrize("seed", range(12))
def test_a2_whatever_comes_between_two_slices_both_end_equal(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_FOLD_SLICE", 4)
    monkeypatch.setattr(digests, "_SKETCH_SLICE", 4)
    chaos = Chaos(seed)
    for _ in range(STEPS):
        chaos.disturb()
    chaos.calm_down()
    assert chaos.equal
