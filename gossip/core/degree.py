"""How many links a node of a large cluster wants (L1)."""

from math import ceil, log2

LEAST, MOST = 4, 12


def degree(size: int) -> int:
    """For a cluster of so many members that can be dialed."""
    return max(LEAST, min(MOST, ceil(log2(max(size, 1))) + 1))
