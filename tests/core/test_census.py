"""Members as a set: its root and its sketch (A1, M5)."""

import random

from gossip.core.census import CELLS, Census
from gossip.core.sketch import difference


def test_a_census_is_the_same_whatever_happened_before() -> None:
    rng, census, left = random.Random(1), Census(), dict[int, bool]()
    for _ in range(2_000):
        member = rng.randrange(600)
        if member in left:
            census.count(member, -1, hidden=left.pop(member))
        else:
            left[member] = rng.random() < 0.1
            census.count(member, +1, hidden=left[member])
    fresh = Census()
    for member, hidden in left.items():
        fresh.count(member, +1, hidden=hidden)
    assert census.active == fresh.active == len(left)
    for crowded in (True, False):
        assert census.root(7, hidden=False, crowded=crowded) == (
            fresh.root(7, hidden=False, crowded=crowded)
        )
    assert census.sketch(7, hidden=False) == fresh.sketch(7, hidden=False)


def test_l1_in_a_crowd_the_hidden_are_in_neither_root_nor_sketch() -> None:
    census = Census()
    census.count(1, +1, hidden=True)
    census.count(2, +1, hidden=False)
    assert census.root(9, hidden=True, crowded=True) == (1, 2, 0)
    assert census.root(9, hidden=False, crowded=True) == (2, 11, 0)
    assert census.root(9, hidden=True, crowded=False) == (3, 12, 0)
    assert difference(census.sketch(9, hidden=True), [0] * CELLS) == {2}
    assert difference(census.sketch(9, hidden=False), [0] * CELLS) == {2, 9}
