"""Keys that end by themselves (E6)."""

import pytest

from gossip.core.conditions import Absent, OneOf, Present
from gossip.core.config import Limits
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.events import Started
from gossip.core.expiry import Expiries
from tests.support.core import ME, Subject, commits, pushed, replies, stored
from tests.support.frames import WALL, sync

HOUR = 3_600_000


def expiring(key: str = "k", *, origin: str = ME, version: int = 5, after: int = 2_000) -> Entry:
    """An entry that expires so many milliseconds after the beginning."""
    return Entry(key, version, b"1", WALL + after, 0, origin)


def held(subject: Subject, key: str = "k") -> Entry:
    entry = subject.node.get(key)
    assert entry is not None
    return entry


def test_e6_an_entry_lasts_until_its_time() -> None:
    entry = expiring(after=2_000)
    assert entry.lasts(WALL + 1_999)
    assert not entry.lasts(WALL + 2_000)
    assert Entry("k", 1, b"1").lasts(MAX_VERSION)
    assert not Entry("k", 1, None).lasts(0)


def test_e6_a_write_with_a_lifetime_says_when_it_ends() -> None:
    subject = Subject()
    _, effects = subject.begin("k", b"1", lifetime=HOUR)
    [entry] = commits(effects)
    assert entry.expires_at == subject.wall + HOUR


def test_e6_the_origin_publishes_a_tombstone_at_once() -> None:
    subject = Subject()
    subject.joined(1, "a")
    request, _ = subject.begin("k", b"1", lifetime=2_000)
    subject.commit(request)
    version = held(subject).version
    assert not held(subject).deleted
    subject.wait(1.9)
    assert not held(subject).deleted
    effects = subject.wait(1.2)
    assert held(subject) == Entry("k", version + 1, None)
    assert pushed(effects, 1) == ["k"]
    assert stored(effects) == [Entry("k", version + 1, None)]


def test_e6_others_leave_that_to_the_origin_for_a_minute() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.receive(1, sync("a", expiring(origin="a")))
    subject.hear(55, a=1)
    assert not held(subject).deleted
    subject.hear(10, a=1)
    assert held(subject) == Entry("k", 6, None)


def test_e6_the_tombstone_is_the_same_wherever_it_is_made() -> None:
    one, other = Subject(), Subject(node_id="0xother", seed=9)
    entry = expiring(origin="0xother")
    one.hold(entry)
    other.hold(entry)
    other.wait(3.0)
    one.wait(65.0)
    for field in ("version", "value", "expires_at", "timestamp", "origin", "hash"):
        assert getattr(held(one), field) == getattr(held(other), field)


def test_e6_what_was_written_meanwhile_stays() -> None:
    subject = Subject()
    subject.hold(expiring())
    subject.write("k", b"2")
    subject.wait(65.0)
    assert held(subject).value == b"2"


def test_e6_a_restored_entry_ends_as_well() -> None:
    subject = Subject(started=False)
    subject.hold(expiring(after=-HOUR))
    subject.handle(Started(WALL, 0))
    subject.wait(1.5)
    assert held(subject) == Entry("k", 6, None)


def test_e6_a_later_version_of_the_same_key_has_its_own_time() -> None:
    subject = Subject()
    subject.hold(expiring(version=5, after=2_000), expiring(version=9, after=HOUR))
    subject.wait(60.0)
    assert held(subject).version == 9


def test_s5_what_expires_together_ends_in_slices() -> None:
    subject = Subject(limits=Limits(slice_entries=10))
    subject.hold(*(expiring(f"k{number:02}") for number in range(35)))
    subject.wait(3.5)
    assert all(entry.deleted for entry in subject.node.entries())


def test_e6_the_last_version_is_hidden_and_nothing_follows() -> None:
    subject = Subject()
    subject.hold(expiring(version=MAX_VERSION))
    subject.wait(65.0)
    assert held(subject).version == MAX_VERSION
    assert not held(subject).lasts(subject.wall)


@pytest.mark.parametrize(
    ("only_if", "taken"),
    [(Absent(), True), (Present(), False), (OneOf(frozenset({expiring().tag})), False)],
)
def test_e6_for_a_condition_an_expired_key_has_no_value(
    only_if: Absent | Present | OneOf, taken: bool
) -> None:
    subject = Subject()
    subject.hold(expiring(origin="a"))
    subject.wait(5.0)
    assert not held(subject).deleted
    _, effects = subject.begin("k", b"2", only_if)
    assert bool(commits(effects)) == taken
    assert bool(replies(effects)) != taken


def test_r2_a_key_that_is_written_again_and_again_takes_no_more_room() -> None:
    expiries = Expiries(ME, grace=60.0)
    for version in range(1, 5_000):
        expiries.add(expiring("k", version=version, after=HOUR * version))
    assert len(expiries._heap) <= 1_003
    assert list(expiries.due(WALL + HOUR * 4_998)) == []
    assert list(expiries.due(WALL + HOUR * 4_999)) == [("k", 4_999)]


def test_a_key_that_does_not_expire_any_more_is_not_due() -> None:
    expiries = Expiries(ME, grace=60.0)
    expiries.add(expiring("k"))
    expiries.add(Entry("k", 6, b"1"))
    assert list(expiries.due(WALL + HOUR)) == []


def test_what_is_due_comes_in_the_order_of_time() -> None:
    expiries = Expiries(ME, grace=60.0)
    expiries.add(expiring("late", after=9_000))
    expiries.add(expiring("others", origin="a", after=-50_000))
    expiries.add(expiring("soon", after=1_000))
    expiries.add(Entry("stays", 1, b"1"))
    expiries.add(Entry("deleted", 1, None))
    assert list(expiries.due(WALL + 9_999)) == [("soon", 5), ("late", 5)]
    assert list(expiries.due(WALL + 10_000)) == [("others", 5)]
