"""What we say of our own sets, brought up to date in slices before anybody is told (A1, A2, S5)."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from gossip.core.context import Context
from gossip.core.messages import Roots
from gossip.core.roots import Root
from gossip.core.sketch import Sketch
from gossip.core.state import StateMap

_FOLD_SLICE = 1_500
"""Changes folded at once: 15 ms of hashing where values are small."""
_FOLD_ROOM = 131_072
"""Bytes of values folded at once, and one more value: 50 ms where they are full of fractions."""
_SKETCH_SLICE = 2_000
"""Elements sketched at once: 15 ms."""

Told = Callable[[Sequence[int], Root], None]
"""Takes the first cells of a range, and the root of the whole set that they belong to."""


class _RangeSketch:
    """The sketch of a part of the set, made on demand from a snapshot of it."""

    def __init__(self, elements: Sequence[int], size: int, root: Root) -> None:
        self._elements: Iterator[int] = iter(elements)
        self._left = len(elements)
        self._sketch = Sketch(size)
        self.root = root

    def work(self) -> Sketch | None:
        """Do one slice. The sketch when it is complete."""
        self._sketch.toggle(islice(self._elements, _SKETCH_SLICE))
        self._left -= _SKETCH_SLICE
        return self._sketch if self._left <= 0 else None


class _Job:
    """Somebody waits for the first `size` cells of a range."""

    def __init__(self, prefix: str, size: int, told: Told) -> None:
        self.prefix = prefix
        self.size = size
        self.told = told
        self.making: _RangeSketch | None = None


class Digests:
    """Our roots and sketches."""

    def __init__(self, context: Context, state: StateMap) -> None:
        self._context = context
        self._state = state
        self._when_folded: deque[Callable[[Roots], None]] = deque()
        self._jobs: deque[_Job] = deque()

    def with_roots(self, action: Callable[[Roots], None]) -> None:
        """Call back with our roots: at once, or when hashing has caught up."""
        self._when_folded.append(action)
        if len(self._when_folded) == 1 and not self._jobs:
            self.work()

    def with_sketch(self, prefix: str, size: int, told: Told) -> None:
        """Call back with so many cells of the entries in this range, `""` for all of them."""
        self._jobs.append(_Job(prefix, size, told))
        if len(self._jobs) == 1 and not self._when_folded:
            self.work()

    @property
    def busy(self) -> bool:
        """Whether a slice is left to do."""
        return bool(self._when_folded or self._jobs)

    def work(self) -> None:
        """Do one slice; call back whoever waited for what is now complete."""
        if not self.busy or not self._state.fold(_FOLD_SLICE, _FOLD_ROOM):
            return
        if self._when_folded:
            context = self._context
            roots = Roots(self._state.root(), context.members.root(context.me))
            actions, self._when_folded = self._when_folded, deque()
            for action in actions:
                action(roots)
        elif self._jobs:
            self._sketch(self._jobs[0])

    def _sketch(self, job: _Job) -> None:
        summary = self._state.summary
        if not job.prefix:
            root, sketch = summary.root, summary.sketch(_SKETCH_SLICE)
        else:
            if job.making is None:
                elements = summary.elements(job.prefix)
                job.making = _RangeSketch(elements, job.size, summary.root)
            root, sketch = job.making.root, job.making.work()
        if sketch is not None:
            self._jobs.popleft()
            job.told(sketch.cells[: job.size], root)
