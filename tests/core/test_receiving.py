"""What happens to a frame before anybody believes it (R1, R2, R6)."""

from typing import Any

import msgspec
import pytest

from gossip.core.config import Limits
from gossip.core.effects import Pause
from gossip.core.entries import Entry
from gossip.core.events import FrameStopped, LinkId
from tests.support.core import Subject, closed, notices, pushed, sent, stored
from tests.support.frames import Frame, exchange, heartbeat, join, message, names, root, sync


def mesh(**changes: Any) -> Subject:
    """A node with two extended peers, a on link 1 and b on link 2."""
    subject = Subject(**changes)
    subject.joined(1, "a")
    subject.joined(2, "b")
    return subject


# Order of checks


def test_r1_a_frame_over_size_is_a_fault_that_nobody_parses() -> None:
    subject = Subject(limits=Limits(frame_accepted=2_000, frame_accepted_plain=4_000))
    subject.accept(1)
    fits = join("a") | {"filler": "x" * 1_500}
    subject.receive(1, fits)
    assert subject.statuses() == {"a": "active"}
    subject.receive(1, heartbeat("a") | {"filler": "x" * 2_000})
    assert subject.refused["size"] == 1


@pytest.mark.parametrize(("characters", "refused"), [(1_900, 0), (2_001, 1)])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_w1_size_is_counted_in_bytes(characters: int, refused: int, ascii_only: bool) -> None:
    subject = Subject(limits=Limits(frame_accepted=2_000))
    subject.accept(1)
    wide = 0 if ascii_only else characters // 4
    subject.receive(1, "\U0001f600" * wide + "x" * (characters - 4 * wide))
    assert subject.refused["size"] == refused


def test_w1_a_plain_peer_may_send_its_whole_state() -> None:
    subject = Subject(limits=Limits(frame_accepted=2_000, frame_accepted_plain=4_000))
    subject.plain(1, "p")
    subject.reach(2, "ws://q.example/ws")
    for link in (1, 2):
        subject.receive(link, heartbeat("p", ttl=1) | {"filler": "x" * 3_000})
        assert subject.refused["size"] == 0
        subject.receive(link, heartbeat("p", ttl=1) | {"filler": "x" * 4_000})
        assert subject.refused.pop("size") == 1


def test_w1_json_in_a_binary_frame_is_accepted() -> None:
    subject = Subject()
    subject.accept(1)
    subject.receive(1, msgspec.json.encode(join("a")).decode())
    subject.accept(2)
    subject.receive(2, msgspec.json.encode(join("b")))
    assert subject.statuses() == {"a": "active", "b": "active"}


def test_r1_our_own_ids_count_as_seen() -> None:
    subject = mesh()
    [frame] = [frame for frame in sent(subject.write("k", b"1")) if frame["type"] == "sync"]
    assert subject.receive(1, frame) == []
    assert subject.node.stats.duplicates == 1


SPEAKS_FOR_ITSELF: list[Frame] = [
    join("x"),
    heartbeat("x"),
    names("x", ["y"]),
    exchange("x", "root", root=root(1)),
    exchange("x", "page"),
    exchange("x", "page", entries=[]),
    exchange("x", "members", peers=[]),
    exchange("x", "of a later version"),
]


@pytest.mark.parametrize("frame", SPEAKS_FOR_ITSELF, ids=lambda frame: str(frame["data"])[:24])
def test_r1_an_extended_peer_speaks_for_itself(frame: Frame) -> None:
    subject = mesh()
    assert subject.receive(1, frame) == []
    assert subject.refused["from"] == 1
    assert subject.receive(1, frame | {"from": "a"}) is not None
    assert subject.refused["from"] == 1


def test_r1_an_extended_peer_passes_on_what_others_said() -> None:
    subject = mesh()
    for frame in (
        sync("x", Entry("k", 1, b"1")),
        message("gossip", "x", {"key": "l", "version": 1, "value": 1}, 5),
        message("leave", "x", {"reason": "x"}, 3),
        join("x", ttl=3),
        heartbeat("x", ttl=1),
    ):
        subject.receive(1, frame)
    assert subject.refused["from"] == 0
    assert [entry.key for entry in subject.node.entries()] == ["k", "l"]
    assert subject.statuses() == {"a": "active", "b": "active"}


# Faults


def test_r2_frame_faults_close_a_link_at_their_bound() -> None:
    subject = mesh(limits=Limits(faults=3))
    for _ in range(2):
        assert closed(subject.receive(1, b"{")) == {}
    effects = subject.receive(1, b"{")
    assert closed(effects) == {1: 4400}
    assert notices(effects) == [("link_faulted", "a")]
    assert subject.receive(1, join("a")) == []
    assert subject.refused["json"] == 3


def test_r2_a_bad_envelope_is_a_fault_of_an_extended_peer_only() -> None:
    subject = mesh(limits=Limits(faults=3))
    subject.plain(3, "p")
    subject.accept(4)
    bad: tuple[object, ...] = (
        message("no such type", "a", {}),
        {"type": "join"},
        [],
        join("x", gossipEndpoint=5),
    )
    for _ in range(5):
        for frame in bad:
            for link in (3, 4):
                assert closed(subject.receive(link, msgspec.json.encode(frame))) == {}
    assert closed(subject.receive(1, msgspec.json.encode(bad[0]))) == {}
    assert closed(subject.receive(1, msgspec.json.encode(bad[1]))) == {}
    assert closed(subject.receive(1, msgspec.json.encode(bad[2]))) == {1: 4400}


@pytest.mark.parametrize("relayed", [join("x"), join("0xme"), heartbeat("x"), names("x", ["y"])])
def test_r2_an_honest_relay_is_not_cut_off(relayed: Frame) -> None:
    subject = Subject(limits=Limits(faults=3))
    subject.plain(1, "p")
    for number in range(10):
        assert closed(subject.receive(1, relayed | {"messageId": str(number)})) == {}
    assert subject.statuses() == {"p": "active"}


def test_r2_a_bad_entry_is_dropped_alone() -> None:
    subject = mesh(limits=Limits(faults=2))
    frame = sync("a", Entry("before", 1, b"1"), Entry("after", 1, b"1"))
    too_deep: list[Any] = []
    for _ in range(40):
        too_deep = [too_deep]
    frame["data"][1:1] = [
        5,
        {},
        {"key": "k", "version": True, "value": 1},
        {"key": "k", "version": 2**53, "value": 1},
        {"key": "k", "version": 1, "value": "x" * 200_000},
        {"key": "k", "version": 1, "value": too_deep},
        {"key": "x" * 600, "version": 1, "value": 1},
        {"key": "k", "version": 1, "value": 1, "deleted": True},
    ]
    assert closed(subject.receive(1, frame)) == {}
    assert [entry.key for entry in subject.node.entries()] == ["after", "before"]
    reasons = ("entry", "version", "value-size", "depth", "key", "deleted-value")
    assert [subject.refused[reason] for reason in reasons] == [2, 2, 1, 1, 1, 1]


def test_r2_over_its_rate_a_link_is_paused_before_it_is_faulted() -> None:
    subject = mesh(limits=Limits(frames_per_second=2, faults=1))
    subject.wait(1.0)
    for _ in range(2):
        assert subject.receive(1, heartbeat("a")) == []
    for second in range(10):
        effects = subject.receive(1, heartbeat("a"))
        assert [effect for effect in effects if isinstance(effect, Pause)]
        assert closed(effects) == {}, second
        subject.monotonic += 1.0
        subject.receive(1, heartbeat("a"))
        subject.receive(1, heartbeat("a"))
    assert closed(subject.receive(1, heartbeat("a"))) == {1: 4429}


# Links that have not joined


def test_r6_who_has_not_joined_may_bring_entries_and_gets_nothing() -> None:
    subject = mesh()
    subject.accept(3)
    effects = subject.receive(3, sync("x", Entry("k", 1, b"1")))
    effects += subject.receive(3, message("gossip", "x", {"key": "l", "version": 1, "value": 1}))
    effects += subject.write("m", b"1") + subject.wait(12.0)
    assert [entry.key for entry in stored(effects)] == ["k", "l"]
    assert sent(effects, 3) == []
    assert pushed(effects, 1) == ["k", "l", "m"]
    assert subject.statuses().keys() == {"a", "b"}


@pytest.mark.parametrize("x", ["root", "page"])
def test_r6_exchanges_are_for_extended_members(x: str) -> None:
    subject = Subject()
    subject.hold(Entry("k", 1, b"1"))
    subject.accept(1)
    subject.plain(2, "p")
    for link, sender in ((1, "x"), (2, "p")):
        assert sent(subject.receive(link, exchange(sender, x, root=root(5)))) == []
    assert subject.refused["not-joined"] == 2


def test_links_beyond_the_bound_cost_the_oldest_that_has_not_joined() -> None:
    subject = Subject(limits=Limits(links=2))
    subject.joined(1, "a")
    assert closed(subject.accept(2)) == {}
    assert closed(subject.accept(3)) == {2: 4429}
    subject.lose(2)
    subject.receive(3, join("b"))
    assert closed(subject.accept(4)) == {4: 4429}
    subject.lose(4)
    assert closed(subject.reach(5, "ws://c.example:3001/ws")) == {}


def test_l3_garbage_keeps_no_link_alive() -> None:
    subject = Subject()
    subject.accept(1)
    effects = []
    for _ in range(6):
        subject.receive(1, "no json")
        effects += subject.wait(6.0)
    assert closed(effects) == {1: 4408}


def test_m2_a_duplicate_id_hides_no_life() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "evil")
    for _ in range(8):
        beat = heartbeat("a", timestamp=subject.wall)
        subject.receive(2, message("leave", "stranger", {}) | {"messageId": beat["messageId"]})
        subject.receive(1, beat)
        subject.wait(5.0)
    assert subject.statuses()["a"] == "active"


# Frames that somebody else looked at


def twins(**changes: Any) -> tuple[Subject, Subject]:
    """Two nodes to which the same happened: extended peers on links 1 and 2, a plain one on 3."""
    both = mesh(**changes), mesh(**changes)
    for subject in both:
        subject.plain(3, "p")
    return both


def stop(subject: Subject, link: int, data: bytes, fault: str | None, envelope: bool) -> object:
    return subject.handle(FrameStopped(LinkId(link), len(data), fault, envelope))


@pytest.mark.parametrize("link", [1, 3])
@pytest.mark.parametrize(
    ("data", "fault", "envelope"),
    [
        (b"{", "json", False),
        (b"[]", "envelope", True),
        (msgspec.json.encode(message("no such type", "a", {})), "type", True),
    ],
)
def test_r2_a_frame_that_was_stopped_counts_as_if_it_had_come(
    link: int, data: bytes, fault: str, envelope: bool
) -> None:
    came, stopped = twins(limits=Limits(faults=3))
    for _ in range(4):
        assert stop(stopped, link, data, fault, envelope) == came.receive(link, data)
        assert stopped.node.stats == came.node.stats
    assert stopped.open == came.open


def test_r3_a_repetition_that_was_stopped_counts_as_one_that_came() -> None:
    came, stopped = twins(limits=Limits(frames_per_second=2))
    update = message("gossip", "x", {"key": "k", "version": 1, "value": 1})
    data = msgspec.json.encode(update)
    for subject in (came, stopped):
        subject.receive(1, data)
    for _ in range(5):
        # Both keep their link alive, and are over its rate at the same frame.
        assert stop(stopped, 2, data, None, False) == came.receive(2, data)
        assert stopped.wait(5.0) == came.wait(5.0)
    assert stopped.node.stats.duplicates == 5
    assert stopped.node.stats == came.node.stats
    assert stopped.statuses() == came.statuses()


def test_a_stopped_frame_of_a_closed_link_is_ignored() -> None:
    subject = mesh()
    subject.lose(1)
    assert stop(subject, 1, b"{", "json", False) == []
    assert subject.refused["json"] == 0
