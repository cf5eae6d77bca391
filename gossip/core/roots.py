"""The summary by which two sets are compared (A1)."""

from typing import NamedTuple

MODULUS = 2**128
"""Of the sum: wide enough that 2^64 hashes of 64 bits cannot wrap (section 10)."""


class Root(NamedTuple):
    """Count and sum of the hashes of a set: equal roots mean equal sets."""

    n: int
    sum: int
    floor: int = 0
    """Old tombstones up to this version were dropped, and belong to the set no more (E5)."""

    def is_of_same_set(self, other: "Root") -> bool:
        """Whether both are roots of the same entries, whatever was dropped."""
        return self.n == other.n and self.sum == other.sum


def far_more(one: Root, other: Root) -> bool:
    """Whether the second set has so much more that sending it whole costs less than comparing."""
    return other.n > 2 * one.n + 24
