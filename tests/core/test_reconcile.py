"""Comparing roots, who begins to repair, and pulling page by page (A1–A3, M5)."""

from collections.abc import Callable
from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.effects import Send
from gossip.core.entries import Entry
from gossip.core.events import LinkBlocked, LinkId
from gossip.core.roots import Root
from gossip.core.state import StateMap
from tests.support.core import ME, Subject, kinds, pushed, sent, stored
from tests.support.frames import (
    Frame,
    exchange,
    heartbeat,
    join,
    member_root,
    page,
    root,
)

ENTRIES = tuple(Entry(key, 1, b"1") for key in ("a", "b", "c", "d", "e"))


def root_of(*entries: Entry) -> Frame:
    state = StateMap()
    for entry in entries:
        state.merge(entry)
    n, total, _ = state.root()
    return root(n, total)


def pulling(**changes: Any) -> Subject:
    """A node that asked a, on link 1, for its first page: a has far more."""
    subject = Subject(**changes)
    subject.joined(1, "a")
    effects = subject.receive(1, exchange("a", "root", root=root(90)))
    assert kinds(effects, 1) == ["page"]
    return subject


def requests(effects: Any, link: int = 1) -> list[str | None]:
    """The keys behind which pages were asked for; None from the beginning."""
    return [frame["data"].get("after") for frame in sent(effects, link) if is_request(frame)]


def told(peer: str, theirs: Frame) -> Frame:
    """The answer to a round: roots that want none back."""
    return exchange(peer, "root", root=theirs, answer=True)


def is_request(frame: Frame) -> bool:
    data = frame["data"]
    return isinstance(data, dict) and data.get("x") == "page" and "entries" not in data


# Roots


def test_a1_equal_roots_end_it() -> None:
    subject = Subject()
    subject.hold(*ENTRIES)
    subject.joined(1, "a")
    same: dict[str, Any] = {"root": root_of(*ENTRIES), "mroot": member_root(ME, "a")}
    for frame in (join("a", **same), heartbeat("a", **same), exchange("a", "root", **same)):
        assert sent(subject.receive(1, frame)) == []


def test_a1_a_round_of_equals_costs_less_than_three_hundred_bytes() -> None:
    subject = Subject()
    subject.hold(*ENTRIES)
    subject.joined(1, "a")
    effects = subject.wait(5.0)
    frames = [effect.frame for effect in effects if isinstance(effect, Send)]
    rounds = [frame for frame in frames if b'"x":"root"' in frame]
    assert len(rounds) == 1
    assert len(rounds[0]) < 300


@pytest.mark.parametrize("tell", [join, heartbeat])
def test_a1_the_end_that_dialed_begins_where_roots_differ(tell: Callable[..., Frame]) -> None:
    subject = Subject()
    subject.reach(1, "ws://a.example/ws")
    subject.receive(1, join("a"))
    assert kinds(subject.receive(1, tell("a", root=root(9))), 1) == ["sketch"]


@pytest.mark.parametrize("tell", [join, heartbeat])
def test_a1_the_end_that_accepted_waits(tell: Callable[..., Frame]) -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert sent(subject.receive(1, tell("a", root=root(9)))) == []


def test_a1_a_round_that_finds_a_difference_is_answered_with_cells() -> None:
    subject = Subject()
    subject.hold(*ENTRIES)
    subject.joined(1, "a")
    [answer] = sent(subject.receive(1, exchange("a", "root", root=root(0, 0))), 1)
    assert answer["data"]["x"] == "sketch"
    assert answer["data"]["root"] == root_of(*ENTRIES)


def test_a2_who_begins_a_round_and_has_far_less_is_told_to_pull() -> None:
    subject = Subject()
    subject.hold(*(Entry(f"{number}", 1, b"1") for number in range(90)))
    subject.joined(1, "a")
    [answer] = sent(subject.receive(1, exchange("a", "root", root=root(2))), 1)
    assert answer["data"]["root"]["n"] == 90
    assert answer["data"]["answer"] is True


def test_a1_an_answer_is_not_answered() -> None:
    subject = Subject()
    subject.hold(*ENTRIES)
    subject.joined(1, "a")
    effects = subject.receive(1, exchange("a", "root", root=root_of(*ENTRIES), answer=True))
    assert sent(effects) == []
    effects = subject.receive(1, exchange("a", "root", root=root(90), answer=True))
    assert kinds(effects) == ["page"]


def test_a2_the_same_peer_is_repaired_with_at_most_once_an_interval() -> None:
    subject = pulling()
    subject.receive(1, page("a", next=None))
    assert requests(subject.receive(1, told("a", root(90)))) == []
    subject.wait(5.0)
    assert requests(subject.receive(1, told("a", root(90)))) == [None]


def test_a2_heartbeats_lead_to_one_session_an_interval_in_all() -> None:
    subject = Subject()
    for link, peer in ((1, "a"), (2, "b"), (3, "c")):
        subject.reach(link, f"ws://{peer}.example/ws")
        subject.receive(link, join(peer, root=root(0, 0)))
    assert requests(subject.receive(1, heartbeat("a", root=root(90)))) == [None]
    subject.receive(1, page("a", next=None))
    for link, peer in ((2, "b"), (3, "c")):
        assert requests(subject.receive(link, heartbeat(peer, root=root(80))), link) == []
    subject.wait(5.0)
    assert requests(subject.receive(2, heartbeat("b", root=root(80))), 2) == [None]
    assert requests(subject.receive(3, heartbeat("c", root=root(80))), 3) == []


def test_s4_no_round_disturbs_a_session_with_the_same_peer() -> None:
    subject = pulling(pull_timeout=60.0)
    assert "root" not in kinds(subject.wait(5.0), 1)


# Pulling


def test_a2_pages_are_pulled_one_after_another() -> None:
    subject = pulling()
    effects = subject.receive(1, page("a", *ENTRIES[:2], next="b"))
    assert requests(effects) == ["b"]
    assert stored(effects) == list(ENTRIES[:2])
    assert requests(subject.receive(1, page("a", *ENTRIES[2:], after="b", next=None))) == []
    assert list(subject.node.entries()) == list(ENTRIES)


def test_a2_a_page_is_applied_before_the_next_is_asked_for() -> None:
    subject = pulling(limits=Limits(slice_entries=2))
    effects = subject.receive(1, page("a", *ENTRIES, next="e"))
    assert requests(effects) == ["e"]
    assert len(stored(effects)) == 5


@pytest.mark.parametrize("following", ["b", "a", "", 5])
def test_a2_pages_that_do_not_move_on_end_the_pull(following: object) -> None:
    subject = pulling()
    assert requests(subject.receive(1, page("a", *ENTRIES[:2], next="b"))) == ["b"]
    answer = page("a", *ENTRIES[:2], after="b", next=following)
    assert requests(subject.receive(1, answer)) == []


def test_a2_a_page_of_an_earlier_session_is_taken_and_not_followed() -> None:
    subject = pulling()
    late = page("a", ENTRIES[4], after="c", next="e")
    effects = subject.receive(1, late)
    assert (stored(effects), requests(effects)) == ([ENTRIES[4]], [])
    assert requests(subject.receive(1, page("a", *ENTRIES[:2], next="b"))) == ["b"]


def test_a2_a_peer_that_falls_silent_is_given_up() -> None:
    subject = pulling()
    subject.joined(2, "b")
    subject.receive(2, told("b", root(80)))
    effects = subject.wait(4.0)
    assert requests(effects, 2) == []
    effects = subject.wait(2.0)
    assert requests(effects, 2) == [None]
    assert subject.refused["pull-timeout"] == 1


def test_a2_each_page_gives_a_peer_more_time() -> None:
    subject = pulling()
    for after, key in ((None, "a"), ("a", "b"), ("b", "c")):
        subject.wait(4.0)
        answer = page("a", Entry(key, 1, b"1"), after=after, next=key)
        assert requests(subject.receive(1, answer)) == [key]
    assert subject.refused["pull-timeout"] == 0


def test_a2_a_peer_is_pulled_from_after_another_unless_that_was_enough() -> None:
    subject = pulling()
    for link, peer, theirs in ((2, "b", root_of(*ENTRIES)), (3, "c", root(70))):
        subject.joined(link, peer)
        assert requests(subject.receive(link, told(peer, theirs)), link) == []
    effects = subject.receive(1, page("a", *ENTRIES, next=None))
    assert requests(effects, 2) == []
    assert requests(effects, 3) == [None]


def test_a2_the_pull_goes_on_elsewhere_when_its_link_closes() -> None:
    subject = pulling()
    subject.joined(2, "b")
    subject.receive(2, told("b", root(80)))
    assert requests(subject.lose(1), 2) == [None]


def test_a2_a_page_that_nobody_asked_for_is_taken_and_no_more() -> None:
    subject = pulling()
    subject.joined(2, "b")
    effects = subject.receive(2, page("b", ENTRIES[0], next="a"))
    assert stored(effects) == [ENTRIES[0]]
    assert requests(effects, 1) == requests(effects, 2) == []


def test_s2_what_was_pulled_is_pushed_on_except_to_who_holds_the_same_set() -> None:
    subject = pulling()
    for link, peer, theirs in ((2, "b", root(90)), (3, "c", root(0, 0))):
        subject.joined(link, peer)
        subject.receive(link, heartbeat(peer, root=theirs))
    subject.wait(0.1)
    effects = subject.receive(1, page("a", ENTRIES[0], next=None, root=root(90)))
    effects += subject.wait(0.1)
    assert pushed(effects, 1) == pushed(effects, 2) == []
    assert pushed(effects, 3) == ["a"]


# Serving


def serving(**changes: Any) -> Subject:
    subject = Subject(**changes)
    subject.hold(*ENTRIES, Entry("gone", 1, None))
    subject.joined(1, "a")
    return subject


def served(subject: Subject, after: str | None) -> tuple[list[str], str | None]:
    asked = exchange("a", "page") if after is None else exchange("a", "page", after=after)
    [frame] = sent(subject.receive(1, asked), 1)
    assert frame["ttl"] == 0
    return [entry["key"] for entry in frame["data"]["entries"]], frame["data"]["next"]


def test_a3_pages_cover_the_state_and_nothing_is_kept_between_them() -> None:
    subject = serving(limits=Limits(slice_entries=2))
    assert served(subject, None) == (["a", "b"], "b")
    assert served(subject, "d") == (["e", "gone"], None)
    assert served(subject, "b") == (["c", "d"], "d")
    assert served(subject, "bb") == (["c", "d"], "d")
    assert served(subject, "zzz") == ([], None)
    assert subject.node.stats.pages_served == 5


def test_a3_a_page_names_the_root_it_belongs_to() -> None:
    subject = serving()
    [frame] = sent(subject.receive(1, exchange("a", "page")), 1)
    assert frame["data"]["root"] == root_of(*ENTRIES, Entry("gone", 1, None))


def test_s5_a_link_that_does_not_drain_is_served_no_page() -> None:
    subject = serving()
    subject.handle(LinkBlocked(LinkId(1)))
    assert sent(subject.receive(1, exchange("a", "page"))) == []
    assert subject.refused["answer-blocked"] == 1


def test_an_exchange_of_a_later_version_is_ignored() -> None:
    subject = serving()
    assert sent(subject.receive(1, exchange("a", "tomorrow"))) == []
    assert subject.refused["exchange"] == 1


def test_a1_two_nodes_that_differ_end_equal() -> None:
    ours, theirs = Subject(), Subject(node_id="a", seed=2)
    ours.hold(*ENTRIES[:3])
    theirs.hold(*ENTRIES[2:], Entry("a", 2, None))
    ours.accept(1)
    waiting = [(ours, frame) for frame in sent(theirs.reach(1, "ws://me.example/ws"))]
    for _ in range(50):
        if not waiting:
            break
        receiver, frame = waiting.pop(0)
        other = theirs if receiver is ours else ours
        waiting += [(other, answer) for answer in sent(receiver.receive(1, frame), 1)]
    assert waiting == []
    assert list(ours.node.entries()) == list(theirs.node.entries())
    assert len(list(ours.node.entries())) == len(ENTRIES)


def test_a1_a_large_state_is_hashed_in_slices() -> None:
    subject = Subject()
    many = [Entry(f"{number:05}", 1, b"1") for number in range(5_000)]
    subject.hold(*many)
    effects = subject.joined(1, "a")
    [answer] = [frame for frame in sent(effects, 1) if frame["type"] == "join"]
    assert answer["data"]["root"]["n"] == 5_000
    assert Root(5_000, int(answer["data"]["root"]["sum"], 16)) == Root(
        5_000, sum(entry.hash for entry in many)
    )


def test_a2_a_state_without_end_makes_room_for_others() -> None:
    subject = pulling(pull_longest=3.0)
    subject.joined(2, "b")
    subject.receive(2, told("b", root(90)))
    assert requests(subject.receive(1, page("a", Entry("a", 1, b"1"), next="a"))) == ["a"]
    subject.wait(3.0)
    effects = subject.receive(1, page("a", Entry("b", 1, b"1"), after="a", next="b"))
    assert (requests(effects), requests(effects, 2)) == ([], [None])
