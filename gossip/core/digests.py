"""What we say of our own sets, brought up to date in slices before anybody is told (A1, A2, S5)."""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from gossip.core.context import Context
from gossip.core.links import Link
from gossip.core.messages import Roots
from gossip.core.roots import Root
from gossip.core.sketch import CELLS, Sketch
from gossip.core.state import StateMap

_FOLD_SLICE = 1_500
"""Changes folded at once: 15 ms of hashing where values are small."""
_FOLD_ROOM = 131_072
"""Bytes of values folded at once, and one more value: 50 ms where they are full of fractions."""
_SKETCH_SLICE = 2_000
"""Elements sketched at once: 15 ms."""

Told = Callable[[Sequence[int], Root], None]
"""Takes the first cells of a range, and the root of the whole set that they belong to."""


class _Job(msgspec.Struct):
    """Somebody waits for the first `size` cells of a range."""

    range: str
    size: int
    told: Told
    link: Link


class _RangeSketch:
    """The sketch of a part of the set, made on demand from a snapshot of it."""

    def __init__(self, prefix: str, elements: list[int], root: Root) -> None:
        self.range = prefix
        self.root = root
        """Of the whole set when it was made."""
        self.sketch = Sketch(CELLS)
        self._left = elements

    def is_of(self, prefix: str, root: Root) -> bool:
        """Whether it is still the sketch of this range."""
        return self.range == prefix and (self.root == root or bool(self._left))

    def work(self) -> bool:
        """Do one slice. True when it is complete."""
        self.sketch.toggle(self._left[:_SKETCH_SLICE])
        self._left = self._left[_SKETCH_SLICE:]
        return not self._left


class Digests:
    """Our roots and sketches."""

    def __init__(self, context: Context, state: StateMap) -> None:
        self._context = context
        self._state = state
        self._when_folded: deque[Callable[[Roots], None]] = deque()
        self._jobs: deque[_Job] = deque()
        self._range: _RangeSketch | None = None
        """The last one made: a session asks for more and more of its cells."""
        self._sketch_next = False
        """Who wants roots had a turn: however many want them, sketches have theirs."""

    def with_roots(self, action: Callable[[Roots], None]) -> None:
        """Call back with our roots: at once, or when hashing has caught up."""
        self._when_folded.append(action)
        if len(self._when_folded) == 1 and not self._jobs:
            self.work()

    def with_sketch(self, prefix: str, size: int, told: Told, link: Link) -> None:
        """Call back with so many cells of the entries in this range, `""` for all of them.

        For the sake of a link: not if it closes meanwhile.
        """
        self._jobs.append(_Job(prefix, size, told, link))
        if len(self._jobs) == 1 and not self._when_folded:
            self.work()

    def waiting(self, link: Link) -> int:
        """How many sketches wait for the sake of this link."""
        return sum(job.link is link for job in self._jobs)

    @property
    def busy(self) -> bool:
        """Whether a slice is left to do."""
        return bool(self._when_folded or self._jobs)

    def work(self) -> None:
        """Do one slice; call back whoever waited for what is now complete."""
        if not self.busy or not self._fold():
            return
        if self._when_folded and not (self._jobs and self._sketch_next):
            self._sketch_next = True
            context = self._context
            roots = Roots(self._state.root(), context.members.root(context.me))
            actions, self._when_folded = self._when_folded, deque()
            for action in actions:
                action(roots)
        elif self._jobs[0].link.closing:
            self._jobs.popleft()
            # What it was making would be out of date when somebody else asks for it.
            self._range = None
        else:
            self._sketch_next = False
            self._sketch(self._jobs[0])

    def _fold(self) -> bool:
        """True when the summary counts everything, and that took no more than a part of a slice."""
        much = self._state.unfolded > _FOLD_SLICE // 4
        return self._state.fold(_FOLD_SLICE, _FOLD_ROOM) and not much

    def _sketch(self, job: _Job) -> None:
        summary = self._state.summary
        if not job.range:
            sketch, root = summary.sketch(_SKETCH_SLICE), summary.root
        else:
            if self._range is None or not self._range.is_of(job.range, summary.root):
                elements = summary.elements(job.range)
                self._range = _RangeSketch(job.range, elements, summary.root)
            sketch = self._range.sketch if self._range.work() else None
            root = self._range.root
        if sketch is not None:
            self._jobs.popleft()
            job.told(sketch.cells[: job.size], root)
