"""Merging is taking the greater, in whatever order and however often (E3, A1)."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gossip.core.entries import Entry
from gossip.core.roots import MODULUS, Root
from gossip.core.state import StateMap
from tests.property.strategies import entries, texts


def merged(*each: Entry) -> StateMap:
    state = StateMap()
    for entry in each:
        state.merge(entry)
    return state


def contents(state: StateMap) -> tuple[list[Entry], Root, int]:
    return list(state.entries()), state.root(), state.live


@given(entries, entries, entries)
def test_e3_the_order_is_strict_and_total(a: Entry, b: Entry, c: Entry) -> None:
    if a.key == b.key:
        assert [a.supersedes(b), a == b, b.supersedes(a)].count(True) == 1
        assert a.supersedes(b) == (a.rank > b.rank)
    if a.key == b.key == c.key and a.supersedes(b) and b.supersedes(c):
        assert a.supersedes(c)
    assert not a.supersedes(a)


@given(st.data(), st.lists(entries, max_size=12))
def test_e3_merge_is_commutative_associative_and_idempotent(
    data: st.DataObject, each: list[Entry]
) -> None:
    shuffled = data.draw(st.permutations(each))
    again = data.draw(st.lists(st.sampled_from(each), max_size=5)) if each else []
    cut = data.draw(st.integers(0, len(each)))
    expected = contents(merged(*each))
    assert contents(merged(*shuffled, *again)) == expected
    left, right = merged(*each[:cut]), merged(*each[cut:])
    assert contents(merged(*left.entries(), *right.entries())) == expected


@given(st.lists(entries | st.integers(0, 3), max_size=15))
def test_a1_a_root_that_is_kept_is_the_root_computed_anew(steps: list[Entry | int]) -> None:
    state = StateMap()
    for step in steps:
        if isinstance(step, int):
            state.fold(step, 1_000_000)
        else:
            state.merge(step)
    held = list(state.entries())
    assert state.root() == Root(len(held), sum(entry.hash for entry in held) % MODULUS)
    assert state.live == sum(not entry.deleted for entry in held)


@given(st.sets(texts, max_size=20), st.integers(1, 7))
def test_a3_pages_by_key_cover_everything_once(keys: set[str], size: int) -> None:
    state = merged(*(Entry(key, 1, b"1") for key in keys))
    seen: list[str] = []
    after: str | None = None
    while page := [entry.key for entry, _ in zip(state.behind(after), range(size), strict=False)]:
        seen += page
        after = page[-1]
    assert seen == sorted(keys)
    assert all(lower < higher for lower, higher in pairwise(seen))
