"""The replicated map, versions for local writes, entries from the future (E2–E4, A1)."""

from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.errors import WriteRefused
from gossip.core.roots import MODULUS, Root
from gossip.core.state import Aside, Clock, StateMap, next_version


def entry(key: str = "k", version: int = 1, value: bytes | None = b"1", **fields: Any) -> Entry:
    return Entry(key, version, value, **fields)


def holding(*entries: Entry) -> StateMap:
    state = StateMap()
    for each in entries:
        state.merge(each)
    return state


def recomputed(state: StateMap) -> Root:
    entries = list(state.entries())
    return Root(len(entries), sum(each.hash for each in entries) % MODULUS)


# The map


def test_the_greater_entry_stays() -> None:
    state = holding(entry(version=2))
    assert state.merge(entry(version=3))
    assert not state.merge(entry(version=2, value=None))
    assert not state.merge(entry(version=3))
    assert state.get("k") == entry(version=3)
    assert state.get("other") is None


def test_tombstones_are_held_but_not_live() -> None:
    state = holding(entry("a"), entry("b", value=None))
    assert (len(state), state.live) == (2, 1)
    state.merge(entry("a", 2, None))
    state.merge(entry("b", 2))
    state.merge(entry("b", 3))
    assert (len(state), state.live) == (2, 1)


def test_entries_come_in_the_order_of_keys() -> None:
    state = holding(entry("b"), entry("\U00010000"), entry("a"), entry("\uffff"))
    assert [each.key for each in state.entries()] == ["a", "b", "\uffff", "\U00010000"]
    state.merge(entry("ab"))
    assert [each.key for each in state.behind("a")] == ["ab", "b", "\uffff", "\U00010000"]
    assert next(state.behind("aa")).key == "ab"
    assert list(state.behind("\U00010000")) == []
    assert list(state.behind(None)) == list(state.entries())


def test_a_snapshot_survives_writes() -> None:
    state = holding(entry("a"), entry("b"))
    entries = state.entries()
    assert next(entries).key == "a"
    state.merge(entry("aa"))
    state.merge(entry("b", 2))
    assert list(entries) == [entry("b", 2)]


def test_a1_the_root_counts_every_entry_once() -> None:
    state = StateMap()
    assert state.root() == Root(0, 0)
    for version in (1, 2, 3):
        state.merge(entry("a", version))
        state.merge(entry("b", version, None))
        assert state.root() == recomputed(state)
    assert state.root().n == 2


def test_changes_are_folded_in_slices() -> None:
    state = holding(*(entry(str(number)) for number in range(5)))
    assert state.unfolded == 5
    assert not state.fold(3, 1_000)
    state.merge(entry("0", 2))
    assert not state.fold(0, 1_000)
    assert state.fold(5, 1_000)
    assert state.unfolded == 0
    assert state.root() == recomputed(state)


# Versions


def test_e2_the_clock_never_steps_back() -> None:
    clock = Clock(60.0)
    assert clock.read(100) == 100
    assert clock.read(90) == 100
    clock.raise_to(120)
    clock.raise_to(110)
    assert clock.read(115) == 120
    assert clock.read(121) == 121


def test_e2_a_version_is_two_above_what_is_known_of_its_key() -> None:
    assert next_version(100, None, None) == 100
    assert next_version(100, entry(version=97), None) == 100
    assert next_version(100, entry(version=99), None) == 101
    assert next_version(100, entry(version=99), entry(version=101)) == 103
    assert next_version(0, None, None) == 1


def test_r5_versions_end_where_javascript_cannot_count_on() -> None:
    assert next_version(1, entry(version=MAX_VERSION - 2)) == MAX_VERSION
    with pytest.raises(WriteRefused) as refusal:
        next_version(1, entry(version=MAX_VERSION - 1))
    assert refusal.value.reason == "exhausted"


# Set aside


def keys(waiting: list[Entry]) -> list[str]:
    return [each.key for each in waiting]


def test_e4_what_is_due_is_returned_once() -> None:
    aside = Aside(Limits())
    for version in (10, 11, 12):
        assert aside.add(entry(str(version), version), 1) is None
    assert list(aside.due(9)) == []
    assert list(aside.due(11)) == [(entry("10", 10), False), (entry("11", 11), False)]
    assert keys(aside.entries()) == ["12"]


def test_e4_the_greatest_entry_of_a_key_is_kept() -> None:
    aside = Aside(Limits())
    for version in (10, 12, 11, 12):
        assert aside.add(entry(version=version), 1) is None
    assert aside.entries() == [entry(version=12)]


def test_e4_what_was_applied_later_is_the_latest_word() -> None:
    aside = Aside(Limits())
    aside.add(entry("overtaken", 10), 1)
    aside.add(entry("not overtaken", 10), 1)
    aside.applied("overtaken")
    aside.applied("never seen")
    assert [overtaken for _, overtaken in aside.due(10)] == [True, False]


def test_e4_what_the_operator_dropped_does_not_come_again() -> None:
    aside = Aside(Limits())
    aside.add(entry(version=12), 1)
    aside.drop("k")
    aside.drop("never seen")
    assert len(aside) == 0
    assert aside.add(entry(version=12), 1) == aside.add(entry(version=11), 2) == "aside-dropped"
    assert aside.add(entry(version=13), 1) is None
    assert aside.entries() == [entry(version=13)]


def test_e4_of_what_was_dropped_the_latest_are_remembered() -> None:
    aside = Aside(Limits(aside=2))
    for key in ("one", "two", "three"):
        aside.add(entry(key, 10), 1)
        aside.drop(key)
    assert aside.add(entry("one", 10), 1) is None
    assert aside.add(entry("three", 10), 1) == "aside-dropped"


def test_e4_what_is_set_aside_after_it_is_the_latest_word_again() -> None:
    aside = Aside(Limits())
    aside.add(entry(version=10), 1)
    aside.applied("k")
    aside.add(entry(version=10), 1)
    assert list(aside.due(10)) == [(entry(version=10), True)]
    aside.add(entry(version=10), 1)
    aside.applied("k")
    aside.add(entry(version=11), 1)
    assert list(aside.due(11)) == [(entry(version=11), False)]


def test_e4_what_is_set_aside_has_bounds() -> None:
    aside = Aside(Limits(aside=5, aside_per_link=2))
    assert aside.add(entry("a"), 1) is None
    assert aside.add(entry("b"), 1) is None
    assert aside.add(entry("c"), 1) == "aside-link-full"
    assert aside.add(entry("c"), 2) is None
    assert aside.add(entry("d"), 2) is None
    assert aside.add(entry("e"), 3) is None
    assert aside.add(entry("f"), 4) == "aside-full"
    assert aside.add(entry("a", 2), 4) is None
    assert sorted(keys(aside.entries())) == ["a", "b", "c", "d", "e"]


def test_e4_room_is_given_back() -> None:
    aside = Aside(Limits(aside_per_link=1))
    assert aside.add(entry("a"), 1) is None
    assert aside.add(entry("a", 2), 2) is None
    assert aside.add(entry("b"), 1) is None
    aside.due(2)
    assert aside.add(entry("c"), 1) is None
    assert len(aside) == 1


def test_e4_a_link_at_its_bound_may_replace_what_it_brought() -> None:
    aside = Aside(Limits(aside_per_link=1))
    assert aside.add(entry(version=1), 1) is None
    assert aside.add(entry(version=2), 1) is None
    assert aside.entries() == [entry(version=2)]


def test_s5_a_fold_is_bounded_by_the_size_of_the_values_too() -> None:
    state = StateMap()
    for key in "abc":
        state.merge(Entry(key, 1, b'"%b"' % (b"x" * 600)))
    assert not state.fold(10, 1_000)
    assert state.unfolded == 1
    assert state.fold(10, 1)


def test_e2_a_clock_that_was_far_ahead_and_set_right_is_forgotten() -> None:
    clock = Clock(60.0)
    assert clock.read(1_000_000) == 1_000_000
    assert clock.read(940_000) == 1_000_000
    assert clock.read(939_999) == 939_999
