"""Finding the differences of two sets at a cost that depends on the differences alone (A2).

Rateless invertible Bloom lookup tables: Yang, Gilad, Alizadeh, "Practical Rateless Set
Reconciliation" (2024), sections 3 to 5. A set is summed up in an endless sequence of cells; each
element takes part in the first cell and in others that become rarer, at random but the same
everywhere. Where two sets share an element it cancels out, so the difference of two sequences sums
up the difference of the sets, and about 1.4 cells for each differing element are enough to tell
which they are: some cell holds one element alone, which is then taken out of its other cells, and
so on.

Unlike in the paper a cell has no count: who compares looks up whose an element is.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import ceil, log, sqrt

CELLS = 4_096
"""Most that are ever sent: some 2,900 differences, taken apart in 30 ms."""
_CHECK_BITS = 24
"""Enough that hardly one sketch in a thousand is spoiled by a sum that passes for an element."""
_MASK = 2**64 - 1
_STEP = 0xDA942042E4DD58B5
"""Multiplier of the generator that spreads an element: L'Ecuyer, "Tables of linear congruential
generators" (1999), as in the reference implementation of the paper."""
_MIX = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: Knuth, "The Art of Computer Programming", volume 3, section 6.4."""


def indices(element: int, size: int) -> Iterator[int]:
    """The cells below `size` that this element of 64 bits takes part in; the first one always.

    Cell i has it with a probability of 1/(1 + i/2) (section 4.2 of the paper).
    """
    index = 0
    state = element
    while index < size:
        yield index
        state = state * _STEP & _MASK
        index += ceil((index + 1.5) * (4_294_967_296 / sqrt(state + 1) - 1))


def _cell(element: int) -> int:
    """What the element adds to each of its cells: itself, and a check that tells it from a sum."""
    mixed = element * _MIX & _MASK
    mixed = (mixed ^ mixed >> 32) * _MIX & _MASK
    return element << _CHECK_BITS | mixed >> 64 - _CHECK_BITS


class Sketch:
    """The first cells of a set."""

    def __init__(self, size: int) -> None:
        self.cells = [0] * size

    def toggle(self, elements: Iterable[int]) -> None:
        """Add these elements, or remove those that are in it: the same operation."""
        cells, size = self.cells, len(self.cells)
        for element in elements:
            cell = _cell(element)
            for index in indices(element, size):
                cells[index] ^= cell


def difference(ours: Sequence[int], theirs: Sequence[int]) -> set[int] | None:
    """The elements that only one of two sets has, from equally many cells of both.

    None when the cells are too few to tell.
    """
    cells = [one ^ other for one, other in zip(ours, theirs, strict=True)]
    size = len(cells)
    found: set[int] = set()
    suspects = list(range(size))
    while suspects:
        cell = cells[suspects.pop()]
        element = cell >> _CHECK_BITS
        if cell == 0 or cell != _cell(element):
            continue
        if element in found or len(found) >= size:
            # A sum that passed for an element: what follows from it is no use.
            return None
        found.add(element)
        for index in indices(element, size):
            cells[index] ^= cell
            suspects.append(index)
    return None if any(cells) else found


def enough(ours: Sequence[int], theirs: Sequence[int]) -> int:
    """About how many cells it takes to tell the differences, from fewer of both.

    Cell i stays empty with a probability of exp(-2d/i) where d elements differ, so the empty ones
    of the upper half tell d. Where none is, four times as many cells will.
    """
    size = len(ours)
    half = size // 2
    empty = sum(one == other for one, other in zip(ours[half:], theirs[half:], strict=True))
    if not empty:
        return 4 * size
    differing = 0.375 * size * log((size - half) / empty)
    return max(ceil(1.45 * differing + 3 * sqrt(differing)), size + half // 2, size + 1)
