"""The summary by which two sets are compared (A1)."""

from typing import NamedTuple

MODULUS = 2**128
"""Of the sum: wide enough that 2^64 hashes of 64 bits cannot wrap (section 10)."""


class Root(NamedTuple):
    """Count and sum of the hashes of a set: equal roots mean equal sets."""

    n: int
    sum: int
