"""Repair from beginning to end: two nodes that differ end equal, for what the differences cost."""

from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest

from gossip.core import digests
from gossip.core.effects import More
from gossip.core.entries import Entry
from gossip.core.events import FrameReceived, LinkBlocked, LinkId, LinkWritable, Resumed
from gossip.core.packing import CELL, ITEM, pack, unpack
from gossip.core.sketch import Sketch
from gossip.core.summary import element_of
from tests.support.core import Subject, kinds, sent, stored
from tests.support.frames import WALL, Frame, exchange, heartbeat, join, root, sync, wire
from tests.support.pair import LINK, Pair

COMMON = [Entry(f"key {number:05}", 1, b"1") for number in range(3_000)]


def entries(keys: Iterable[int], version: int) -> list[Entry]:
    return [Entry(f"key {number:05}", version, b"1") for number in keys]


# Differences


def test_a1_equals_exchange_roots_and_nothing_more() -> None:
    pair = Pair(*COMMON[:10])
    pair.frames.clear()
    pair.round()
    exchanges = [frame for frame in pair.frames if frame["type"] == "sync"]
    assert [frame["data"]["x"] for frame in exchanges] == ["root", "root"]


def test_a2_only_the_differences_travel_each_once() -> None:
    pair = Pair(*COMMON)
    ours = entries([*range(10), 4_000], version=2)
    theirs = entries([*range(10, 20), 5_000, 5_001], version=2)
    pair.differ(ours, theirs)
    pair.round()
    assert pair.equal
    assert sorted(pair.travelled) == sorted((e.key, e.version) for e in [*ours, *theirs])


def test_a2_of_two_versions_of_a_key_only_the_newer_travels() -> None:
    pair = Pair()
    ours = [*entries(range(5), version=7), *entries(range(5, 10), version=3)]
    theirs = [*entries(range(5), version=3), *entries(range(5, 10), version=7)]
    pair.differ(ours, theirs)
    pair.round()
    assert pair.equal
    assert {version for _, version in pair.travelled} == {7}
    assert len(pair.travelled) == 10


@pytest.mark.parametrize("swapped", [False, True])
def test_e3_a_tie_is_settled_by_the_order_of_entries(swapped: bool) -> None:
    pair = Pair()
    sides = [[Entry("key", 5, b"1")], [Entry("key", 5, b"2")]]
    pair.differ(*(reversed(sides) if swapped else sides))
    pair.round(pair.ours)
    assert pair.equal


def test_a2_a_deleted_key_stays_deleted() -> None:
    pair = Pair(Entry("key", 5, b"1"))
    pair.differ([Entry("key", 6, None)], [])
    pair.round()
    assert pair.theirs.value("key") is None
    assert pair.travelled == [("key", 6)]


def test_a2_more_differences_than_fit_the_first_cells_take_more_cells() -> None:
    pair = Pair(*COMMON)
    pair.differ(entries(range(150), version=2), entries(range(150, 300), version=2))
    pair.round()
    assert pair.equal
    assert len(pair.travelled) == 300
    sizes = [data["size"] for data in pair.exchanged("sketch") if "size" in data]
    assert sizes
    assert sizes == sorted(sizes)


def test_a2_as_many_cells_come_first_as_the_counts_want() -> None:
    pair = Pair(*COMMON)
    pair.differ(entries(range(4_000, 4_100), version=1), [])
    pair.round(pair.ours)
    assert pair.equal
    [first, *_] = pair.exchanged("sketch")
    assert len(unpack(first["cells"], CELL)) == 150


def test_a2_more_than_fit_the_largest_sketch_are_found_range_by_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Every range takes several slices.
    monkeypatch.setattr(digests, "_SKETCH_SLICE", 50)
    pair = Pair(*COMMON)
    pair.differ(entries(range(1_500), version=2), entries(range(1_500, 3_000), version=2))
    pair.round()
    assert pair.equal
    assert len(pair.travelled) == 3_000
    ranges = {data.get("range", "") for data in pair.exchanged("sketch")}
    assert ranges == {"", *"0123456789abcdef"}


def test_a2_elements_that_coincide_are_told_apart_by_the_entries_themselves() -> None:
    # The lower halves of their hashes are the same: found by trying versions.
    pair = Pair(*COMMON[:5])
    pair.differ([Entry("key", 129_337, b"1")], [Entry("key", 136_594, b"1")])
    for _ in range(3):
        pair.round()
    assert pair.equal


def test_a2_cells_are_sent_from_the_first_when_the_set_changed_between() -> None:
    pair = Pair(*COMMON)
    subject = pair.ours
    asked = exchange("0xpeer", "sketch", range="", first=32, size=64, root=root(1, 1))
    [answer] = sent(subject.receive(LINK, asked), LINK)
    assert "first" not in answer["data"]
    assert len(answer["data"]["cells"]) > 64 * 11
    asked["data"]["root"] = answer["data"]["root"]
    [answer] = sent(subject.receive(LINK, asked | {"messageId": "other"}), LINK)
    assert answer["data"]["first"] == 32


# Snapshots


def test_a2_who_has_far_less_pulls_page_by_page() -> None:
    pair = Pair()
    pair.differ([], COMMON[:1_200])
    pair.round()
    assert pair.equal
    assert pair.exchanged("sketch") == []
    assert len(pair.travelled) == 1_200


def test_a2_who_has_far_more_lets_the_other_pull() -> None:
    pair = Pair()
    pair.differ(COMMON[:1_200], [])
    pair.round(pair.theirs)
    assert pair.equal
    assert pair.exchanged("sketch") == []
    assert [data for data in pair.exchanged("root") if "answer" in data]


# Peers that misbehave, and links that do


def comparing() -> Subject:
    """A node that has a session with `a` on link 1, and asked for the first cells."""
    subject = Subject()
    subject.hold(*COMMON[:10])
    subject.reach(1, "ws://a.example/ws")
    assert kinds(subject.receive(1, join("a", root=root(9))), 1) == ["sketch"]
    return subject


def cells_frame(cells: Iterable[int], **fields: Any) -> Frame:
    """Cells from `a`."""
    said = {"range": "", "first": 0, "cells": pack(cells, CELL), "root": root(9)}
    return exchange("a", "sketch", **(said | fields))


def wanted_frame(*entries: Entry, done: int) -> Frame:
    return exchange("a", "want", entries=[wire(entry) for entry in entries], done=done)


def wanting() -> tuple[Subject, list[Entry]]:
    """A node that found that it lacks three entries of `a`."""
    subject, lacking = comparing(), COMMON[20:23]
    sketch = Sketch(64)
    sketch.toggle(map(element_of, [*COMMON[:10], *lacking]))
    assert kinds(subject.receive(1, cells_frame(sketch.cells)), 1) == ["want"]
    return subject, lacking


def test_a2_a_peer_that_falls_silent_is_given_up() -> None:
    subject = comparing()
    subject.wait(6.0)
    assert subject.refused["pull-timeout"] == 1
    # The next interval has another try.
    assert kinds(subject.receive(1, heartbeat("a", root=root(9))), 1) == ["sketch"]


def test_a2_cells_that_nobody_asked_for_are_no_part_of_the_session() -> None:
    subject = comparing()
    for odd in ({"range": "a"}, {"first": 7}):
        assert sent(subject.receive(1, cells_frame([0] * 24, **odd))) == []
    assert subject.refused["pull-endless"] == 0


@pytest.mark.parametrize("count", [0, 4_096])
def test_r2_no_cells_or_too_many_end_the_session(count: int) -> None:
    subject = comparing()
    assert kinds(subject.receive(1, cells_frame([1] * 24)), 1) == ["sketch"]
    assert sent(subject.receive(1, cells_frame([0] * count, first=24))) == []
    assert subject.refused["pull-endless"] == 1


def test_r2_cells_of_another_set_are_not_mixed_with_those_before() -> None:
    subject = comparing()
    subject.receive(1, cells_frame([1] * 24))
    assert sent(subject.receive(1, cells_frame([1] * 24, first=24, root=root(8)))) == []
    assert subject.refused["answer-late"] == 1


def test_r2_cells_that_never_tell_are_not_asked_for_without_end() -> None:
    subject = comparing()
    rng = Random(1)
    frames = sent(subject.receive(1, cells_frame([1] * 24)), 1)
    asked = 0
    while frames:
        [request] = frames
        data, asked = request["data"], asked + 1
        noise = [rng.getrandbits(88) for _ in range(data.get("first", 0), data["size"])]
        answer = cells_frame(noise, range=data.get("range", ""), first=data.get("first", 0))
        frames = sent(subject.receive(1, answer), 1)
        assert asked < 100
    assert subject.refused["pull-endless"] == 1


def test_a2_what_a_frame_did_not_hold_is_asked_for_again() -> None:
    subject, lacking = wanting()
    [request] = sent(subject.receive(1, wanted_frame(lacking[0], done=1)), 1)
    assert len(unpack(request["data"]["items"], ITEM)) == 2
    assert "want" not in kinds(subject.receive(1, wanted_frame(*lacking[1:], done=2)), 1)
    assert all(subject.value(entry.key) == entry.value for entry in lacking)


def test_a2_an_answer_that_does_not_move_on_ends_the_session() -> None:
    subject, _ = wanting()
    assert sent(subject.receive(1, wanted_frame(done=0)), 1) == []
    assert subject.refused["pull-endless"] == 1


def test_a2_entries_that_nobody_asked_for_are_taken_and_no_more() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.receive(1, wanted_frame(COMMON[0], done=1))
    assert stored(effects) == [COMMON[0]]
    assert sent(effects, 1) == []


def test_s5_what_the_peer_lacks_waits_for_a_blocked_link() -> None:
    pair = Pair(*COMMON[:10])
    pair.differ(COMMON[10:15], [])
    [request] = sent(pair.ours.wait(5.0), LINK)
    answers = sent(pair.theirs.receive(LINK, request), LINK)
    pair.ours.step(LinkBlocked(LinkId(LINK)))
    assert [kinds(pair.ours.receive(LINK, answer)) for answer in answers] == [[]]
    pair.deliver(pair.ours.handle(LinkWritable(LinkId(LINK))), pair.ours)
    assert pair.equal


def test_a2_a_session_goes_on_elsewhere_when_its_link_closes() -> None:
    subject = comparing()
    subject.reach(2, "ws://b.example/ws")
    assert "sketch" not in kinds(subject.receive(2, join("b", root=root(8))), 2)
    assert "sketch" in kinds(subject.lose(1), 2)


# Asking


def asked(x: str, **fields: Any) -> Frame:
    return exchange("a", x, **fields)


@pytest.mark.parametrize(
    "request_",
    [
        asked("sketch", range="", first=0, size=32),
        asked("want", items=pack([5], ITEM)),
        asked("page"),
    ],
)
def test_s5_a_link_that_does_not_drain_is_answered_nothing(request_: Frame) -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.handle(LinkBlocked(LinkId(1)))
    assert sent(subject.receive(1, request_)) == []
    assert subject.refused["answer-blocked"] == 1


def test_a3_a_want_names_elements_that_are_gone_or_too_old() -> None:
    subject = Subject()
    subject.hold(*COMMON[:3])
    subject.joined(1, "a", root=root(1))
    items = [element_of(COMMON[0]) << 56, 5 << 56, element_of(COMMON[1]) << 56 | 2]
    [answer] = sent(subject.receive(1, asked("want", items=pack(items, ITEM))), 1)
    assert [entry["key"] for entry in answer["data"]["entries"]] == [COMMON[0].key]
    assert answer["data"]["done"] == 3


def test_a3_more_cells_than_there_are_cannot_be_had() -> None:
    subject = Subject()
    subject.hold(*COMMON[:10])
    subject.joined(1, "a", root=root(1))
    request = asked("sketch", range="", first=0, size=10_000)
    [answer] = sent(subject.receive(1, request), 1)
    assert len(unpack(answer["data"]["cells"], CELL)) == 4_096


def test_s5_requests_for_sketches_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_SKETCH_SLICE", 2)
    subject = Subject()
    subject.hold(*COMMON[:300])
    subject.joined(1, "a", root=root(1))
    for number in range(20):
        request = asked("sketch", range=f"{number % 16:x}", first=0, size=24)
        subject.step(FrameReceived(LinkId(1), msgspec.json.encode(request)))
    assert subject.refused["sketch-busy"] == 16


def test_s5_a_node_at_work_for_one_peer_serves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "_SKETCH_SLICE", 2)
    subject = Subject()
    subject.hold(*COMMON[:300])
    subject.joined(1, "a", root=root(1))
    request = asked("sketch", range="0", first=0, size=24)
    [more] = subject.step(FrameReceived(LinkId(1), msgspec.json.encode(request)))
    assert more == More(hold=False)
    making = subject.node._repair._digests._range
    assert making is not None
    # Frames cost no slice of that work, however many come.
    elements = len(making._left)
    for number in range(10):
        frame = msgspec.json.encode(sync("a", COMMON[number]))
        subject.step(FrameReceived(LinkId(1), frame))
    assert len(making._left) == elements
    subject.step(Resumed())
    assert len(making._left) == elements - 2


def test_a3_no_answer_is_longer_than_a_frame() -> None:
    subject = Subject()
    large = [Entry(f"{number}", 1, b'"%b"' % (b"x" * 100_000)) for number in range(5)]
    subject.hold(*large)
    subject.joined(1, "a", root=root(1))
    items = [element_of(entry) << 56 for entry in large]
    [answer] = sent(subject.receive(1, asked("want", items=pack(items, ITEM))), 1)
    assert 1 <= answer["data"]["done"] < 5
    assert answer["data"]["done"] == len(answer["data"]["entries"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"range": "", "first": 0},
        {"range": "x", "first": 0, "size": 9},
        {"range": "00000", "first": 0, "size": 9},
        {"range": 5, "first": 0, "size": 9},
        {"range": "", "first": 9, "size": 9},
        {"range": "", "first": -1, "size": 9},
        {"range": "", "first": 0, "size": 2.5},
        {"range": "", "first": 0, "cells": "*", "root": root(1)},
        {"range": "", "first": 0, "cells": "AAAA", "root": root(1)},
        {"range": "", "first": 0, "cells": pack([1] * 4_097, CELL), "root": root(1)},
    ],
)
def test_r2_a_malformed_sketch_is_a_fault(fields: Frame) -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert sent(subject.receive(1, asked("sketch", **fields))) == []
    assert subject.refused["data"] == 1


@pytest.mark.parametrize("items", [None, 5, "*", "AAAA", pack([1] * 501, ITEM)])
def test_r2_a_malformed_want_is_a_fault(items: object) -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert sent(subject.receive(1, asked("want", items=items))) == []
    assert subject.refused["data"] == 1


# What is held back


def holding() -> Pair:
    """`ours` sets aside what `theirs` holds: its clock is a year behind."""
    pair = Pair(*COMMON[:10])
    pair.differ([], [Entry("future", WALL + 365 * 86_400_000, b"1")])
    pair.round(pair.ours)
    return pair


def test_a1_what_a_peer_set_aside_is_not_offered_again_and_again() -> None:
    pair = holding()
    assert not pair.equal
    assert pair.travelled == [("future", WALL + 365 * 86_400_000)]
    pair.frames.clear()
    for _ in range(3):
        pair.round()
    assert {data["x"] for data in exchanges(pair)} == {"root"}


def test_a1_what_was_not_taken_is_not_asked_for_while_others_write() -> None:
    pair = holding()
    pair.frames.clear()
    for number in range(20, 30):
        pair.differ([COMMON[number]], [])
        for _ in range(2):
            pair.round()
    assert pair.theirs.value(COMMON[29].key) == b"1"
    assert "future" not in [key for key, _ in pair.travelled]


def test_a1_other_differences_are_found_meanwhile() -> None:
    pair = holding()
    pair.differ(COMMON[20:22], COMMON[22:24])
    pair.round()
    pair.round()
    assert all(pair.ours.value(e.key) == pair.theirs.value(e.key) for e in COMMON[20:24])


def test_a1_what_was_held_back_is_offered_again_later_and_later() -> None:
    pair = holding()
    offered = []
    for minute in range(40):
        pair.frames.clear()
        for _ in range(12):
            pair.round()
        if pair.travelled:
            offered.append(minute)
    first, second = offered
    assert first in {9, 10}
    assert second - first in {20, 21}


def exchanges(pair: Pair) -> list[Frame]:
    return [frame["data"] for frame in pair.frames if frame["type"] == "sync"]
