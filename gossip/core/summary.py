"""What can be said of a set of entries, kept up to date as it changes (A1, A2).

A root says whether two sets are equal. Which entries make the difference, sketches tell; in them an
entry is an *element* of 64 bits: the upper half names its key, so that a node recognises another
version of a key that it holds, and the lower half this version of it. Where halves so short
coincide, sketches see no difference and the roots still do.
"""

from hashlib import sha256

from gossip.core.entries import Entry
from gossip.core.roots import MODULUS, Root
from gossip.core.sketch import CELLS, Sketch

_BUCKETS = 256
_LOWER = 2**32 - 1


def element_of(entry: Entry) -> int:
    """What stands for the entry in sketches."""
    return _name_of(entry.key) | entry.hash & _LOWER


def _name_of(key: str) -> int:
    return int.from_bytes(sha256(key.encode()).digest()[:4], "big") << 32


def same_key(element: int) -> int:
    """What the elements of all versions of one key have in common."""
    return element >> 32


class Summary:
    """Root, elements and sketch of one set."""

    def __init__(self) -> None:
        self.floor = 0
        """See `Root`."""
        self._n = 0
        self._sum = 0
        self._buckets: list[dict[int, str]] = [{} for _ in range(_BUCKETS)]
        """Element to key, by the first eight bits of the element."""
        self._sketch = Sketch(0)
        self._unsketched: set[int] = set()
        """Elements that the sketch lacks, or holds although they are gone."""

    def replace(self, old: Entry | None, new: Entry | None) -> None:
        """Count an entry, and no longer the one before it, which has the same key."""
        some = old or new
        if some is None:
            return
        name = _name_of(some.key)
        bucket = self._buckets[name >> 56]
        if old is not None:
            element = name | old.hash & _LOWER
            self._n -= 1
            self._sum -= old.hash
            bucket.pop(element, None)
            self._unsketched ^= {element}
        if new is not None:
            element = name | new.hash & _LOWER
            self._n += 1
            self._sum += new.hash
            bucket[element] = new.key
            self._unsketched ^= {element}

    @property
    def root(self) -> Root:
        return Root(self._n, self._sum % MODULUS, self.floor)

    def key_of(self, element: int) -> str | None:
        """The key of the entry that this element stands for; None if it is not in the set."""
        return self._buckets[element >> 56].get(element)

    def elements(self, prefix: str) -> list[int]:
        """A snapshot of the elements whose hexadecimal digits begin so."""
        shift = 64 - 4 * len(prefix)
        start = int(prefix or "0", 16)
        if len(prefix) <= 2:
            width = 16 ** (2 - len(prefix))
            buckets = self._buckets[start * width : (start + 1) * width]
            return [element for bucket in buckets for element in bucket]
        bucket = self._buckets[int(prefix[:2], 16)]
        return [element for element in bucket if element >> shift == start]

    def sketch(self, most: int) -> Sketch | None:
        """The sketch of the whole set; None where that took most of a slice, or more is left."""
        if not self._sketch.cells:
            self._sketch = Sketch(CELLS)
        batch = [self._unsketched.pop() for _ in range(min(most, len(self._unsketched)))]
        self._sketch.toggle(batch)
        return None if self._unsketched or 4 * len(batch) > most else self._sketch
