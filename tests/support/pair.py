"""Two real nodes and the frames between them, in order and without loss."""

from collections.abc import Iterable

from gossip.core.effects import Effect
from gossip.core.entries import Entry
from tests.support.core import Subject, sent
from tests.support.frames import Frame

LINK = 1


class Pair:
    """`theirs` dialed `ours`; both were introduced while they held the same entries."""

    def __init__(self, *common: Entry) -> None:
        self.ours = Subject()
        self.theirs = Subject(node_id="0xpeer", seed=2)
        self.frames: list[Frame] = []
        """Everything sent since `differ` or the beginning."""
        for node in (self.ours, self.theirs):
            node.hold(*common)
        self.ours.accept(LINK)
        self.deliver(self.theirs.reach(LINK, "ws://me.example:3001/ws"), self.theirs)

    def deliver(self, effects: Iterable[Effect], sender: Subject) -> None:
        """Carry these frames, and what they lead to, until nobody has anything to say."""
        waiting = [(sender, frame) for frame in sent(effects, LINK)]
        while waiting:
            source, frame = waiting.pop(0)
            self.frames.append(frame)
            receiver = self.theirs if source is self.ours else self.ours
            waiting += [(receiver, answer) for answer in sent(receiver.receive(LINK, frame), LINK)]

    def differ(self, ours: Iterable[Entry], theirs: Iterable[Entry]) -> None:
        """Let these entries appear at one node each, as if their pushes had been lost."""
        self.ours.hold(*ours)
        self.theirs.hold(*theirs)
        self.frames.clear()

    def round(self, *nodes: Subject) -> None:
        """Let so much time pass that these nodes begin a round, by default one after the other."""
        for node in nodes or (self.ours, self.theirs):
            self.deliver(node.wait(5.0), node)

    @property
    def equal(self) -> bool:
        """Whether both hold the same entries."""
        return list(self.ours.node.entries()) == list(self.theirs.node.entries())

    def exchanged(self, x: str) -> list[Frame]:
        """The data of the frames of this exchange."""
        return [
            frame["data"]
            for frame in self.frames
            if isinstance(frame["data"], dict) and frame["data"].get("x") == x
        ]

    @property
    def travelled(self) -> list[tuple[str, int]]:
        """Key and version of every entry that was sent."""
        return [
            (entry["key"], entry["version"])
            for frame in self.frames
            for entry in _entries_in(frame["data"])
        ]


def _entries_in(data: Frame | list[Frame]) -> list[Frame]:
    if isinstance(data, list):
        return data
    entries: list[Frame] = data.get("entries", [])
    return entries
