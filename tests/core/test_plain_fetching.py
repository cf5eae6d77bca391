"""When we fetch the state of a plain peer, and who of us does (A4)."""

import pytest

from gossip.core.effects import Effect
from gossip.core.entries import Entry
from gossip.core.events import Fetched
from gossip.core.plain import _rank
from tests.support.core import ME, Subject, pushed, sent
from tests.support.frames import Frame, heartbeat, message, plain_join, sync
from tests.support.plain import STATE, alive, answer, counting, fetches, keys, known, state

LONGEST = 600.0
"""Seconds between two fetches of one peer that has nothing new."""

BEHIND_US, BEFORE_US = "2", "0"
"""Ids of extended peers whose rank for the plain peer "p" comes behind ours, and before it."""


# When a link opens


def test_a4_a_peer_that_sends_no_state_is_asked_for_it_once() -> None:
    subject = Subject()
    effects = subject.plain(1, "p")
    assert fetches(effects + subject.wait(0.9)) == []
    assert fetches(subject.wait(1.1)) == [STATE]
    assert fetches(alive(subject, 300, 1)) == []


def test_a4_a_peer_that_sends_its_state_is_not_asked() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.receive(1, sync("p", *keys(3)))
    assert fetches(alive(subject, 300, 1)) == []
    assert len(list(subject.node.entries())) == 3


def test_a4_state_that_another_sent_is_not_this_peers() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.receive(1, sync("q", *keys(3)))
    assert fetches(subject.wait(2.0)) == [STATE]


@pytest.mark.parametrize("endpoint", [None, "ws://localhost:3001/ws"])
def test_l4_who_dialed_us_and_names_no_host_that_we_may_ask_is_not_asked(
    endpoint: str | None,
) -> None:
    subject = Subject()
    subject.accept(1)
    subject.receive(1, plain_join("p", gossipEndpoint=endpoint))
    assert subject.statuses() == {"p": "active"}
    assert fetches(alive(subject, 60, 1)) == []


def test_a4_extended_peers_are_not_asked() -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert fetches(subject.hear(60, a=1)) == []


def test_a4_what_was_fetched_is_merged_and_written_on() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.joined(2, BEHIND_US)
    assert fetches(subject.wait(2.0)) == [STATE]
    effects = answer(subject, state(Entry("k", 5, b"1"), Entry("gone", 6, None), count=2))
    assert subject.value("k") == b"1"
    gone = subject.node.get("gone")
    assert gone is not None
    assert gone.deleted
    assert sorted(pushed(effects + subject.wait(0.1), 2)) == ["gone", "k"]


# Later: the count


def test_a4_a_count_that_moved_without_us_is_a_reason() -> None:
    subject = known(count=1)
    assert fetches(alive(subject, 25, 2)) == []
    assert fetches(alive(subject, 10, 2)) == [STATE]


def test_a4_a_count_that_stands_is_none() -> None:
    subject = known(count=1)
    assert fetches(alive(subject, int(LONGEST) - 10, 1)) == []
    assert fetches(alive(subject, 20, 1)) == [STATE]


def test_a4_what_we_wrote_explains_the_count() -> None:
    subject = known(count=1)
    for number in range(3):
        subject.write(f"k{number}", b"1")
    assert fetches(alive(subject, 60, 4)) == []
    assert fetches(alive(subject, 60, 5)) == [STATE]


def test_a4_what_it_sent_us_explains_the_count() -> None:
    subject = known(count=1)
    subject.receive(1, message("gossip", "p", {"key": "k", "value": 1, "version": 1}, 5))
    assert fetches(alive(subject, 60, 2)) == []


def test_a4_what_it_lacked_explains_the_count() -> None:
    subject = Subject()
    subject.hold(*keys(3))
    subject.plain(1, "p")
    subject.receive(1, counting(1))
    subject.wait(2.0)
    effects = answer(subject, state(Entry("k0", 1, b"1"), count=1))
    assert pushed(effects, 1) == ["k1", "k2"]
    assert fetches(alive(subject, 60, 3)) == []
    assert fetches(alive(subject, 60, 4)) == [STATE]


def test_a4_the_state_that_it_sent_explains_nothing_that_came_later() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.receive(1, sync("p", *keys(10)) | {"version": 10})
    assert fetches(alive(subject, 60, 10)) == []
    assert fetches(alive(subject, 60, 15)) == [STATE]


def test_a4_a_whole_state_that_it_had_already_explains_nothing() -> None:
    subject = known(10, *keys(10))
    alive(subject, 30, 10)
    subject.plain(2, "p")
    assert fetches(alive(subject, 60, 15, link=2)) == [STATE]


# How often


def test_a4_the_wait_doubles_while_nothing_comes_and_falls_back_when_something_does() -> None:
    subject = known(count=1)
    count, waits = 1, []
    for brings in (False, False, False, True, False):
        began = subject.monotonic
        count += 1
        while not fetches(alive(subject, 5, count)):
            assert subject.monotonic - began <= LONGEST
        waits.append(subject.monotonic - began)
        new = keys(1, "new") if brings else []
        answer(subject, state(*keys(1, "known"), *new, count=count))
    assert waits == [30.0, 60.0, 120.0, 240.0, 30.0]


def test_a4_the_wait_has_an_upper_bound() -> None:
    subject = known(count=1)
    for count in range(2, 9):
        began = subject.monotonic
        while not fetches(alive(subject, 5, count)):
            assert subject.monotonic - began < LONGEST + 10
        answer(subject, state(count=count))
    began = subject.monotonic
    assert fetches(alive(subject, int(LONGEST) - 10, 9)) == []
    assert fetches(alive(subject, 20, 9)) == [STATE]


def test_a4_a_first_fetch_that_brings_nothing_does_not_make_the_next_wait_longer() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.wait(2.0)
    answer(subject, state())
    assert fetches(alive(subject, 25, 5)) == []
    assert fetches(alive(subject, 10, 5)) == [STATE]


def test_a4_a_quiet_hour_does_not_make_the_next_wait_longer() -> None:
    subject = known(1, *keys(1))
    for _ in range(6):
        assert fetches(alive(subject, int(LONGEST) + 10, 1)) == [STATE]
        answer(subject, state(*keys(1), count=1))
    assert fetches(alive(subject, 40, 2)) == [STATE]


def test_a4_the_wait_is_fifty_times_as_long_as_the_fetch_took() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.wait(2.0)
    answer(subject, state(*keys(1), count=1), seconds=2.0)
    assert fetches(alive(subject, 95, 2)) == []
    assert fetches(alive(subject, 10, 2)) == [STATE]


def test_a4_one_fetch_of_a_peer_at_a_time() -> None:
    subject = Subject()
    subject.plain(1, "p")
    assert fetches(subject.wait(2.0)) == [STATE]
    subject.plain(2, "p")
    assert fetches(alive(subject, int(LONGEST) + 60, 9, link=2)) == []
    subject.handle(Fetched(STATE, state(count=9), 0.1))
    assert fetches(alive(subject, 60, 10, link=2)) == [STATE]


def test_a4_a_link_that_closed_meanwhile_ends_its_fetch() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.wait(2.0)
    subject.lose(1)
    assert answer(subject, state(*keys(1))) == []
    subject.plain(2, "p")
    assert fetches(subject.wait(3.0)) == [STATE]


# One puller


def test_a4_the_ids_of_these_tests_rank_as_they_say() -> None:
    assert _rank(BEFORE_US, "p") < _rank(ME, "p") < _rank(BEHIND_US, "p")


def test_a4_who_ranks_first_fetches_and_the_next_after_two_waits() -> None:
    subject = Subject()
    subject.joined(2, BEFORE_US)
    subject.plain(1, "p")
    assert fetches(_both(subject, 55)) == []
    assert fetches(_both(subject, 10)) == [STATE]


def test_a4_who_ranks_behind_does_not_matter() -> None:
    subject = Subject()
    subject.joined(2, BEHIND_US)
    subject.plain(1, "p")
    assert fetches(subject.wait(2.0)) == [STATE]


def test_a4_what_another_fetched_need_not_be_fetched_again() -> None:
    subject = Subject()
    subject.joined(2, BEFORE_US)
    subject.plain(1, "p")
    effects = []
    for _ in range(10):
        effects += _both(subject, 25)
        told = [["p", 1, subject.wall]]
        effects += subject.receive(2, heartbeat(BEFORE_US, pulled=told))
    assert fetches(effects) == []


def test_a4_an_old_word_of_a_fetch_counts_once() -> None:
    subject = Subject()
    subject.joined(2, BEFORE_US)
    subject.plain(1, "p")
    effects = []
    told = [["p", 0, subject.wall]]
    for _ in range(10):
        effects += subject.receive(2, heartbeat(BEFORE_US, pulled=told))
        effects += _both(subject, 20)
    assert fetches(effects) == [STATE]


def test_a4_only_what_we_fetched_ourselves_is_told() -> None:
    subject = known(count=4)
    subject.joined(2, BEHIND_US)
    fetched_at = subject.wall
    assert _told(_both(subject, 15, count=4)) == [[["p", 4, fetched_at]]]
    subject.receive(2, heartbeat(BEHIND_US, pulled=[["p", 4, subject.wall]]))
    assert _told(_both(subject, 10, count=4)) == [None]


def _both(subject: Subject, seconds: int, count: int = 1) -> list[Effect]:
    """Let time pass in which the plain peer on link 1 and the extended one on link 2 speak."""
    effects: list[Effect] = []
    extended = BEFORE_US if BEFORE_US in subject.statuses() else BEHIND_US
    for _ in range(0, seconds, 5):
        effects += subject.receive(1, counting(count))
        effects += subject.receive(2, heartbeat(extended))
        effects += subject.wait(5.0)
    return effects


def _told(effects: list[Effect]) -> list[object]:
    """What our heartbeats on link 2 say of fetches."""
    return [frame["data"].get("pulled") for frame in sent(effects, 2) if _is_heartbeat(frame)]


def _is_heartbeat(frame: Frame) -> bool:
    return bool(frame["type"] == "heartbeat")
