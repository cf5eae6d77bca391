"""Equal versions with different values, repaired where plain peers are (E3)."""

from random import Random
from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.effects import Effect
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.ties import Ties
from tests.support.core import Subject, config, pushed, stored
from tests.support.frames import WALL, sync

ONE, OTHER = Entry("k", 7, b'"one"'), Entry("k", 7, b'"other"')
WINNER, LOSER = sorted((ONE, OTHER), key=lambda entry: entry.rank, reverse=True)


def linked(**changes: Any) -> Subject:
    """A node with an extended peer on link 1 and a plain one on link 2."""
    subject = Subject(**changes)
    subject.joined(1, "a")
    subject.plain(2, "p")
    return subject


def repaired(effects: list[Effect]) -> list[Entry]:
    """What was written that nobody sent."""
    return [entry for entry in stored(effects) if entry.version != 7]


def tie(subject: Subject, key: str = "k", version: int = 7) -> None:
    """Two values of one version arrive, one from each peer."""
    subject.receive(1, sync("a", Entry(key, version, b'"one"')))
    subject.receive(2, sync("p", Entry(key, version, b'"other"')))


# In the node


def test_e3_the_winner_is_published_one_version_higher_within_two_intervals() -> None:
    subject = linked()
    tie(subject)
    assert repaired(subject.hear(5, a=1, p=2)) == []
    effects = subject.hear(10, a=1, p=2)
    assert repaired(effects) == [WINNER.raised_to(8)]
    assert "k" in pushed(effects, 2)
    assert subject.node.get("k") == WINNER.raised_to(8)


@pytest.mark.parametrize("first", [WINNER, LOSER])
def test_e3_the_repair_is_the_same_wherever_it_is_made(first: Entry) -> None:
    (second,) = {WINNER, LOSER} - {first}
    subject = linked(seed=2)
    subject.receive(1, sync("a", first))
    subject.receive(2, sync("p", second))
    assert repaired(subject.hear(15, a=1, p=2)) == [WINNER.raised_to(8)]


def test_e3_a_tombstone_wins_and_is_published_as_one() -> None:
    subject = linked()
    subject.receive(1, sync("a", Entry("k", 7, None)))
    subject.receive(2, sync("p", OTHER))
    assert repaired(subject.hear(15, a=1, p=2)) == [Entry("k", 8, None)]


def test_e3_a_tie_is_repaired_once() -> None:
    subject = linked()
    tie(subject)
    subject.receive(2, sync("p", OTHER))
    assert len(repaired(subject.hear(60, a=1, p=2))) == 1


def test_e3_without_plain_peers_nothing_is_repaired() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.receive(1, sync("a", ONE, OTHER))
    assert repaired(subject.hear(60, a=1)) == []
    assert subject.node.get("k") == WINNER


def test_e3_the_same_entry_again_is_no_tie() -> None:
    subject = linked()
    subject.receive(1, sync("a", ONE))
    subject.receive(2, sync("p", ONE))
    assert repaired(subject.hear(60, a=1, p=2)) == []


def test_e3_a_tie_in_expiry_alone_is_none() -> None:
    subject = linked()
    subject.receive(1, sync("a", ONE, Entry("k", 7, b'"one"', WALL + 1_000_000)))
    assert repaired(subject.hear(60, a=1, p=2)) == []


def test_e3_a_later_write_settles_a_tie() -> None:
    subject = linked()
    tie(subject)
    subject.receive(1, sync("a", Entry("k", 9, b'"later"')))
    assert [entry.version for entry in repaired(subject.hear(60, a=1, p=2))] == []


def test_e3_the_repair_of_another_settles_a_tie() -> None:
    subject = linked()
    tie(subject)
    subject.receive(1, sync("a", WINNER.raised_to(8)))
    assert repaired(subject.hear(60, a=1, p=2)) == []


def test_e3_nothing_is_published_above_the_last_version() -> None:
    ties = linked(max_clock_skew=1e13)
    tie(ties, version=MAX_VERSION)
    ties.wait(60.0)
    held = ties.node.get("k")
    assert held is not None
    assert held.version == MAX_VERSION


# Alone


def make(**limits: int) -> Ties:
    return Ties(config(limits=Limits(**limits)), Random(1))


def test_a_tie_stands_for_an_interval_and_less_than_two() -> None:
    ties = make()
    for number in range(100):
        ties.saw(f"k{number}", 7, 0.0)
    assert list(ties.due(4.9)) == []
    early = list(ties.due(7.5))
    assert 0 < len(early) < 100
    assert len(early) + len(list(ties.due(10.0))) == 100


def test_a_key_is_repaired_at_most_three_times_an_hour() -> None:
    ties = make()
    repairs: list[tuple[str, int]] = []
    for version in range(1, 5):
        ties.saw("k", version, version * 20.0)
        repairs += ties.due(version * 20.0 + 10.0)
    assert repairs == [("k", 1), ("k", 2), ("k", 3)]
    ties.forget_old(3_660.0)
    ties.saw("k", 9, 3_660.0)
    assert list(ties.due(3_670.0)) == [("k", 9)]


def test_what_limits_nothing_any_more_is_forgotten() -> None:
    ties = make()
    ties.saw("k", 1, 0.0)
    assert list(ties.due(10.0)) == [("k", 1)]
    ties.forget_old(3_609.0)
    assert ties._repaired
    ties.forget_old(3_610.0)
    assert not ties._repaired


def test_a_tie_of_a_greater_version_begins_anew() -> None:
    ties = make()
    ties.saw("k", 7, 0.0)
    ties.saw("k", 6, 1.0)
    ties.saw("k", 8, 9.0)
    assert list(ties.due(13.9)) == []
    assert list(ties.due(19.0)) == [("k", 8)]


def test_ties_have_a_bound() -> None:
    ties = make(ties=2)
    for key in "abc":
        ties.saw(key, 7, 0.0)
    ties.saw("c", 8, 0.0)
    assert sorted(ties.due(10.0)) == [("b", 7), ("c", 8)]


def test_the_repaired_that_are_remembered_have_a_bound() -> None:
    ties = make(ties=1)
    for number in range(11):
        ties.saw(f"k{number}", 7, 0.0)
        assert list(ties.due(10.0)) == [(f"k{number}", 7)]
    assert list(ties._repaired) == [f"k{number}" for number in range(1, 11)]
