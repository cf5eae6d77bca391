"""What can be said of the active members as a set, kept up to date as they come and go (A1, M5).

In it a member is the 64 bits of its id, incarnation and life.
"""

from gossip.core.roots import MODULUS, Root
from gossip.core.sketch import Sketch

CELLS = 64
"""Of the sketch of the members: they tell some 45 differences, in one packet."""
_SLICE = 256
"""Members sketched at once: 1 ms."""


class Census:
    """Counts, root and sketch.

    Members that nobody can dial, and plain ones, are `hidden`: in a crowd not everybody knows of
    them (L1), and its root and its sketch are without them.
    """

    def __init__(self) -> None:
        self._known = 0
        self._known_sum = 0
        self._hidden = 0
        self._hidden_sum = 0
        self._sketch = Sketch(CELLS)
        self._unsketched: set[int] = set()
        """Members that the sketch lacks, or holds although they are gone."""

    @property
    def active(self) -> int:
        """How many members are active."""
        return self._known + self._hidden

    def count(self, member: int, change: int, *, hidden: bool) -> None:
        """An active member comes (+1) or goes (-1)."""
        if hidden:
            self._hidden += change
            self._hidden_sum += change * member
            return
        self._known += change
        self._known_sum += change * member
        self._unsketched ^= {member}
        if len(self._unsketched) >= _SLICE:
            self._fold()

    def _fold(self) -> None:
        self._sketch.toggle(self._unsketched)
        self._unsketched.clear()

    def root(self, me: int, *, hidden: bool, crowded: bool) -> Root:
        """Of the members and ourselves."""
        n, total = self._known, self._known_sum
        if not crowded:
            n, total = n + self._hidden, total + self._hidden_sum
        if not crowded or not hidden:
            n, total = n + 1, total + me
        return Root(n, total % MODULUS)

    def sketch(self, me: int, *, hidden: bool) -> list[int]:
        """The cells of the set whose root is told in a crowd."""
        self._fold()
        with_us = Sketch(CELLS)
        with_us.cells = self._sketch.cells.copy()
        if not hidden:
            with_us.toggle([me])
        return with_us.cells
