"""Old tombstones are dropped when there are too many, and nothing else is (E5)."""

from collections.abc import Iterable

import pytest

from gossip.core.config import Limits
from gossip.core.effects import Effect, ForgetEntry, More
from gossip.core.entries import Entry
from gossip.core.events import Resumed, TimerFired
from tests.support.core import Subject, sent, stored
from tests.support.frames import WALL, exchange, heartbeat, root, sync

DAY = 86_400_000
LIMITS = Limits(tombstones=10)


def deleted(number: int, *, days: float = 2.0) -> Entry:
    """A tombstone so many days old; the higher the number the later."""
    version = WALL - int(days * DAY) + number
    return Entry(f"key {number:03}", version, None, None, version)


def holding(*entries: Entry) -> Subject:
    subject = Subject(limits=LIMITS)
    subject.hold(*entries)
    return subject


def held(subject: Subject) -> list[str]:
    return [entry.key for entry in subject.node.entries()]


def dropped(effects: Iterable[Effect]) -> set[str]:
    return {effect.tombstone.key for effect in effects if isinstance(effect, ForgetEntry)}


def test_e5_beyond_the_bound_the_oldest_are_dropped_also_from_the_store() -> None:
    subject = holding(*map(deleted, range(13)), Entry("live", 1, b"1"))
    effects = subject.wait(2.0)
    assert dropped(effects) == {f"key {number:03}" for number in range(4)}
    assert held(subject) == [*(f"key {number:03}" for number in range(4, 13)), "live"]
    assert subject.node.stats.tombstones_dropped == 4


def test_e5_up_to_the_bound_all_are_kept() -> None:
    subject = holding(*map(deleted, range(10)))
    assert dropped(subject.wait(2.0)) == set()


def test_e5_within_the_grace_all_are_kept() -> None:
    subject = holding(*(deleted(number, days=0.9) for number in range(30)))
    subject.wait(2.0)
    assert len(held(subject)) == 30


def test_e5_a_tombstone_of_a_small_version_is_as_old_as_it_says() -> None:
    # Plain peers write the versions 1, 2, 3; what is deleted today must not be forgotten today.
    young = Entry("young", 3, None, None, WALL)
    subject = holding(*map(deleted, range(13)), young)
    subject.wait(2.0)
    assert "young" in held(subject)


def test_e5_what_is_dropped_is_out_of_the_root_and_the_floor_is_in_it() -> None:
    subject = holding(*map(deleted, range(13)))
    subject.wait(2.0)
    [answer] = [
        frame["data"] for frame in sent(subject.joined(1, "a"), 1) if frame["type"] == "join"
    ]
    kept = [deleted(number) for number in range(4, 13)]
    assert answer["root"] == {
        "n": 9,
        "sum": f"{sum(entry.hash for entry in kept):x}",
        "floor": deleted(3).version,
    }


def test_e5_it_is_looked_at_again_and_again() -> None:
    subject = holding()
    subject.wait(2.0)
    subject.hold(*map(deleted, range(13)))
    assert dropped(subject.wait(3_000.0)) == set()
    assert len(dropped(subject.wait(700.0))) == 4


def test_e5_a_peer_with_a_higher_floor_is_followed() -> None:
    subject = holding(*map(deleted, range(8)))
    subject.joined(1, "a")
    theirs = root(0) | {"floor": deleted(2).version}
    subject.receive(1, heartbeat("a", root=theirs))
    subject.wait(2.0)
    assert held(subject) == [f"key {number:03}" for number in range(3, 8)]


@pytest.mark.parametrize("floor", [WALL, WALL - DAY // 2, 2**53 - 1, -1, True, "9", None])
def test_e5_a_floor_within_the_grace_is_not_followed(floor: object) -> None:
    subject = holding(*map(deleted, range(8)))
    subject.joined(1, "a")
    subject.receive(1, heartbeat("a", root=root(0) | {"floor": floor}))
    subject.wait(2.0)
    assert len(held(subject)) == 8


def test_e5_a_peer_cannot_have_young_tombstones_dropped() -> None:
    subject = holding(*(deleted(number, days=0.9) for number in range(8)))
    subject.joined(1, "a")
    subject.receive(1, heartbeat("a", root=root(0) | {"floor": WALL - DAY - 3_600_000}))
    subject.wait(2.0)
    assert len(held(subject)) == 8


def test_e5_what_was_dropped_does_not_come_back() -> None:
    subject = holding(*map(deleted, range(13)))
    subject.wait(2.0)
    subject.joined(1, "a")
    effects = subject.receive(1, sync("a", deleted(0), deleted(12)))
    assert stored(effects) == []
    assert "key 000" not in held(subject)
    assert subject.refused["floor"] == 1


def test_e5_below_the_floor_a_tombstone_still_deletes() -> None:
    subject = holding(*map(deleted, range(13)))
    subject.wait(2.0)
    old = deleted(0)
    subject.hold(Entry(old.key, old.version - 5, b"1"))
    subject.joined(1, "a")
    subject.receive(1, sync("a", old))
    assert subject.value(old.key) is None


def test_e5_a_key_can_be_written_again() -> None:
    subject = holding(*map(deleted, range(13)))
    subject.wait(2.0)
    subject.write("key 000", b"1")
    subject.write("key 012", b"1")
    assert held(subject) == [f"key {number:03}" for number in (0, *range(4, 13))]
    assert subject.value("key 000") == subject.value("key 012") == b"1"


def test_e5_a_key_that_is_written_while_its_tombstone_is_dropped_stays() -> None:
    # More than fit one slice: the write comes between two of them.
    subject = holding(*map(deleted, range(1_500)))
    subject.monotonic += 1.0
    timer = subject.timers.pop("tick")
    effects = subject.step(TimerFired("tick", timer.generation))
    kept = None
    while any(isinstance(effect, More) for effect in effects):
        effects = subject.step(Resumed())
        if kept is None and dropped(effects):
            kept = held(subject)[0]
            subject.write(kept, b"1")
    assert kept is not None
    assert subject.value(kept) == b"1"


def test_e5_floors_that_go_on_to_differ_keep_nobody_apart() -> None:
    subject = holding(*map(deleted, range(13)))
    subject.wait(2.0)
    subject.joined(1, "a")
    theirs = exchange("a", "root", root=root(13))
    assert sent(subject.receive(1, theirs)) == []
    subject.hear(10, a=1)
    answers = sent(subject.receive(1, theirs | {"messageId": "later"}), 1)
    assert [answer["data"]["x"] for answer in answers] == ["sketch"]


def test_e5_where_floors_differ_nobody_brings_back_what_was_dropped() -> None:
    subject = holding(*map(deleted, range(13)))
    subject.wait(2.0)
    subject.joined(1, "a")
    # The peer has not dropped anything yet: it will, once it heard our floor.
    assert sent(subject.receive(1, exchange("a", "root", root=root(13)))) == []
    # A newcomer lacks all of it and need not wait.
    [answer] = sent(subject.receive(1, exchange("a", "root", root=root(0, 0))), 1)
    assert answer["data"]["x"] == "sketch"
