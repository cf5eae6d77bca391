"""Entries from peers, and pushing on (E3–E5, S1, S2, S4, S5, W4)."""

from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.entries import Entry
from gossip.core.events import LinkBlocked, LinkId, LinkWritable
from tests.support.core import ME, Subject, closed, pushed, sent, stored
from tests.support.frames import WALL, heartbeat, join, message, sync, wire


def mesh(size: int = 2, **changes: Any) -> Subject:
    """A node linked to extended peers n1, n2 … on links 1, 2 …"""
    subject = Subject(**changes)
    for number in range(1, size + 1):
        subject.joined(number, f"n{number}")
    subject.wait(0.1)
    return subject


def entry(key: str = "k", version: int = 1, value: bytes | None = b"1") -> Entry:
    return Entry(key, version, value)


def hops(effects: Any, link: int) -> list[object]:
    """The `hops` of each array on this link; "fresh" where the sender did not say."""
    arrays = [frame for frame in sent(effects, link) if isinstance(frame["data"], list)]
    return [frame.get("hops", "fresh") for frame in arrays]


# What peers send


def test_what_was_new_is_merged_written_behind_and_counted() -> None:
    subject = mesh()
    effects = subject.receive(1, sync("n1", entry("k", 2), entry("l", 1, None)))
    assert stored(effects) == [entry("k", 2), entry("l", 1, None)]
    assert stored(subject.receive(1, sync("n1", entry("k", 1), entry("l", 1, None)))) == []
    assert (subject.node.stats.entries_applied, subject.node.stats.entries_stale) == (2, 2)
    assert subject.node.overview(subject.now).version == 2


@pytest.mark.parametrize("deleted", [{}, {"deleted": True}, {"deleted": False}])
def test_e5_an_entry_without_value_deletes(deleted: dict[str, bool]) -> None:
    subject = mesh()
    subject.hold(entry(version=1))
    subject.receive(1, message("gossip", "n1", {"key": "k", "version": 2} | deleted))
    held = subject.node.get("k")
    assert held is not None
    assert held.deleted


def test_e5_our_tombstones_say_so() -> None:
    subject = mesh()
    [array] = sent(subject.write("k", None), 1)
    assert array["data"] == [
        {"key": "k", "version": subject.wall, "timestamp": subject.wall}
        | {"origin": ME, "deleted": True}
    ]


def test_e3_ties_end_the_same_in_any_order() -> None:
    ties = [entry(value=value) for value in (b"1", b"2", b"3", None)]
    ends = []
    for order in (ties, ties[::-1]):
        subject = mesh()
        for each in order:
            subject.receive(1, sync("n1", each))
        ends.append(subject.node.get("k"))
    assert ends == [entry(value=None)] * 2


# From the future


def future(milliseconds: int, key: str = "k", value: bytes | None = b"9") -> Entry:
    return entry(key, WALL + milliseconds, value)


def test_e4_a_version_from_the_future_waits_for_its_time() -> None:
    subject = mesh(max_clock_skew=5.0)
    effects = subject.receive(1, sync("n1", future(5_100), future(5_101, "later")))
    assert [each.key for each in stored(effects)] == ["k"]
    assert pushed(effects, 2) == ["k"]
    assert [each.key for each in subject.node.set_aside()] == ["later"]
    assert subject.node.get("later") is None
    assert subject.refused["aside"] == 1
    effects = subject.wait(2.0)
    assert [each.key for each in stored(effects)] == ["later"]
    assert pushed(effects, 2) == ["later"]
    assert subject.node.set_aside() == []


@pytest.mark.parametrize("value", [b"2", None])
def test_e4_what_was_written_meanwhile_is_published_again(value: bytes | None) -> None:
    subject = mesh(max_clock_skew=5.0)
    subject.receive(1, sync("n1", future(9_000)))
    subject.write("k", value)
    effects = subject.wait(6.0)
    assert subject.node.get("k") == entry(version=WALL + 9_001, value=value)
    assert stored(effects) == [future(9_000), entry(version=WALL + 9_001, value=value)]
    assert pushed(effects, 2)[-1] == "k"


def test_e4_it_is_the_same_entry_wherever_that_is_done() -> None:
    subject, other = mesh(max_clock_skew=5.0), mesh(max_clock_skew=5.0, node_id="0xother")
    for node in (subject, other):
        node.receive(1, sync("n1", future(9_000)))
        node.receive(2, sync("n2", entry(version=WALL, value=b"2")))
        node.wait(6.0)
    assert subject.node.get("k") == other.node.get("k") == entry("k", WALL + 9_001, b"2")


def test_e4_what_was_there_before_is_overwritten() -> None:
    subject = mesh(max_clock_skew=5.0)
    subject.write("k", b"2")
    subject.receive(1, sync("n1", future(9_000)))
    subject.wait(6.0)
    assert subject.node.get("k") == future(9_000)


def test_e4_what_is_set_aside_has_bounds() -> None:
    subject = mesh(3, max_clock_skew=5.0, limits=Limits(aside=5, aside_per_link=3))
    for link in (1, 2):
        many = [future(90_000, f"{link} {number}") for number in range(4)]
        subject.receive(link, sync(f"n{link}", *many))
    assert len(subject.node.set_aside()) == 5
    assert subject.refused["aside-link-full"] == 1
    assert subject.refused["aside-full"] == 2


# Pushing on


def test_s1_in_a_full_mesh_a_write_goes_once_to_every_link() -> None:
    subject = mesh(3)
    effects = subject.write("k", b"1")
    for link in (1, 2, 3):
        assert pushed(effects, link) == ["k"]
        assert hops(effects, link) == [0]


def test_s1_writes_of_the_same_moment_travel_together() -> None:
    subject = mesh(1)
    assert pushed(subject.write("first", b"1")) == ["first"]
    for key in ("a", "b", "a", "c"):
        assert pushed(subject.write(key, b"2")) == []
    effects = subject.wait(0.003)
    assert len(sent(effects)) == 1
    assert pushed(effects) == ["b", "a", "c"]


def test_s1_without_a_link_to_each_member_writes_carry_hops() -> None:
    subject = mesh(3)
    subject.lose(3)
    effects = subject.write("k", b"1")
    assert hops(effects, 1) == [5]
    subject.joined(4, "n3")
    subject.wait(0.1)
    assert hops(subject.write("l", b"1"), 1) == [0]


def test_s1_who_left_needs_no_hops() -> None:
    subject = mesh(2)
    subject.receive(2, message("leave", "n2", {"reason": "x"}, 5))
    subject.lose(2)
    assert hops(subject.write("k", b"1"), 1) == [0]


def test_s2_what_came_with_hops_is_passed_on_with_one_less_and_not_back() -> None:
    subject = mesh(3)
    effects = subject.receive(1, sync("n1", entry(), hops=3))
    assert pushed(effects, 1) == []
    assert hops(effects, 2) == hops(effects, 3) == [2]


def test_s2_what_has_no_hops_left_is_kept() -> None:
    subject = mesh(3)
    assert pushed(subject.receive(1, sync("n1", entry(), hops=0))) == []


@pytest.mark.parametrize(("told", "passed_on"), [(34, 33), (35, 33), (255, 33)])
def test_r4_hops_are_clamped(told: int, passed_on: int) -> None:
    subject = mesh(2)
    assert hops(subject.receive(1, sync("n1", entry(), hops=told)), 2) == [passed_on]


@pytest.mark.parametrize("told", [None, 256, -1, True, "3", 1.5])
def test_s2_what_came_without_hops_starts_afresh(told: object) -> None:
    subject = mesh(3)
    effects = subject.receive(1, sync("n1", entry(), hops=told))
    assert pushed(effects, 1) == []
    assert hops(effects, 2) == hops(effects, 3) == [0]


def test_s2_only_what_was_new_is_passed_on() -> None:
    subject = mesh(2)
    subject.hold(entry("known", 2))
    effects = subject.receive(1, sync("n1", entry("known", 1), entry("known", 2), entry("new")))
    assert pushed(effects, 2) == ["new"]
    assert pushed(subject.receive(2, sync("n2", entry("new"), hops=3)), 1) == []


def test_s2_forwarding_goes_to_fanout_links_only() -> None:
    subject = mesh(6, fanout=2)
    effects = subject.receive(1, sync("n1", entry(), hops=3))
    assert sum(bool(pushed(effects, link)) for link in range(1, 7)) == 2


def test_s2_plain_peers_are_sent_what_starts_here() -> None:
    subject = mesh(1)
    subject.plain(2, "p")
    subject.plain(3, "q")
    subject.wait(0.1)
    assert pushed(subject.receive(1, sync("n1", entry("relayed"), hops=3))) == []
    subject.wait(0.1)
    effects = subject.receive(2, message("gossip", "p", wire(entry("theirs")), 5))
    assert pushed(effects, 2) == []
    assert pushed(effects, 1) == pushed(effects, 3) == ["theirs"]
    assert hops(effects, 1) == [0]


# Links that do not drain


def test_s5_a_blocked_link_gets_no_data_until_it_drains() -> None:
    subject = mesh(2)
    subject.handle(LinkBlocked(LinkId(1)))
    effects = subject.write("k", b"1") + subject.wait(0.1)
    effects += subject.write("l", b"1") + subject.write("k", b"2") + subject.wait(0.1)
    assert pushed(effects, 1) == []
    assert pushed(effects, 2) == ["k", "l", "k"]
    effects = subject.handle(LinkWritable(LinkId(1)))
    assert pushed(effects, 1) == ["l", "k"]
    [array] = sent(effects, 1)
    assert [each["value"] for each in array["data"]] == [1, 2]


@pytest.mark.parametrize("limits", [{"outbox_entries": 2}, {"outbox_bytes": 6}])
def test_s5_who_leaves_too_much_waiting_is_closed(limits: dict[str, int]) -> None:
    subject = mesh(2, limits=Limits(**limits))
    subject.handle(LinkBlocked(LinkId(1)))
    effects = subject.write("k1", b"1") + subject.write("k2", b"1") + subject.wait(0.1)
    assert closed(effects) == {}
    assert closed(subject.write("k3", b"1") + subject.wait(0.1)) == {1: 4413}
    assert pushed(subject.write("k4", b"1") + subject.wait(0.1), 2) == ["k4"]


def test_s5_who_stays_blocked_is_closed() -> None:
    subject = mesh(2, limits=Limits(blocked_for=5.0))
    subject.handle(LinkBlocked(LinkId(1)))
    assert closed(subject.wait(4.0)) == {}
    assert closed(subject.wait(2.0)) == {1: 4413}


# Plain peers


def test_w4_a_plain_peer_that_joins_is_sent_the_whole_state_in_pages() -> None:
    subject = Subject(limits=Limits(slice_entries=4))
    subject.hold(*(entry(f"{number:02}") for number in range(10)), entry("gone", 1, None))
    effects = subject.plain(1, "p")
    assert pushed(effects, 1) == [*(f"{number:02}" for number in range(10)), "gone"]
    assert len([frame for frame in sent(effects, 1) if frame["type"] == "sync"]) == 3
    assert hops(effects, 1) == ["fresh"] * 3


def test_s5_the_whole_state_waits_for_a_link_to_drain() -> None:
    subject = Subject(limits=Limits(slice_entries=4))
    subject.hold(*(entry(f"{number:02}") for number in range(10)))
    subject.accept(1)
    subject.handle(LinkBlocked(LinkId(1)))
    assert pushed(subject.receive(1, join("p", capabilities=[])), 1) == []
    effects = subject.handle(LinkWritable(LinkId(1)))
    assert pushed(effects, 1) == [f"{number:02}" for number in range(10)]


def test_s4_the_rounds_of_a_plain_peer_cover_everything_in_turn() -> None:
    subject = Subject()
    keys = [f"{number:02}" for number in range(50)]
    subject.hold(*map(entry, keys))
    # What it is sent as it joins comes first.
    assert pushed(subject.plain(1, "p"), 1) == keys
    seen: list[str] = []
    for _ in range(4):
        subject.receive(1, heartbeat("p", ttl=1))
        seen += pushed(subject.wait(5.0), 1)
    assert seen == keys + keys[:20]


@pytest.mark.parametrize(("size", "sent_each"), [(8_000, 3), (9_000, 2), (100_000, 1)])
def test_s4_a_round_of_a_plain_peer_is_bounded_in_bytes(size: int, sent_each: int) -> None:
    subject = Subject()
    value = b'"' + b"x" * size + b'"'
    subject.hold(*(Entry(f"{number}", 1, value) for number in range(5)))
    subject.plain(1, "p")
    assert len(pushed(subject.wait(5.0), 1)) == sent_each


def test_w1_every_page_is_under_the_limit() -> None:
    limits = Limits()
    subject = Subject(limits=limits, node_id="\x01" * limits.node_id)
    name = "\x01" * limits.node_id
    largest = b'"' + b"x" * (limits.value - 2) + b'"'
    for filler in range(108_000, 120_000, 500):
        first = Entry(f"{filler:06}", 1, b'"' + b"x" * filler + b'"')
        subject.hold(first, Entry(f"{filler:06}" + "\x01" * 506, 1, largest, origin=name))
    subject.joined(1, "a")
    after: str | None = None
    pages = 0
    while True:
        fields = {"x": "page"} if after is None else {"x": "page", "after": after}
        [page] = sent(subject.receive(1, message("sync", "a", fields)), 1)
        pages += 1
        after = page["data"]["next"]
        if after is None:
            break
    assert pages >= 24
