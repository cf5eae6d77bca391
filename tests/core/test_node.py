"""The door: life, slices, and what a node shows of itself."""

from random import Random
from typing import Any

import msgspec
import pytest

from gossip.core.config import Limits
from gossip.core.effects import Reply
from gossip.core.entries import Entry
from gossip.core.events import (
    Event,
    FrameReceived,
    Instant,
    LinkId,
    LinkOpened,
    RequestId,
    Started,
    StopRequested,
    TimerFired,
    WriteRequested,
)
from gossip.core.node import Node
from tests.support.core import (
    Subject,
    closed,
    commits,
    config,
    dials,
    kinds,
    pushed,
    replies,
    sent,
)
from tests.support.frames import WALL, heartbeat, join, sync


def mesh(**changes: Any) -> Subject:
    """A node with two extended peers, a on link 1 and b on link 2."""
    subject = Subject(**changes)
    subject.joined(1, "a")
    subject.joined(2, "b")
    return subject


# Life


def test_m7_a_node_that_starts_dials_whom_the_operator_named() -> None:
    subject = Subject(started=False, bootstrap=("ws://a.example/ws", "ws://b.example/ws"))
    effects = subject.handle(Started(incarnation=WALL, clock_floor=0))
    assert sorted(dials(effects)) == ["ws://a.example/ws", "ws://b.example/ws"]
    assert {"round", "heartbeat", "tick"} <= subject.timers.keys()


def test_a_timer_that_was_replaced_is_ignored() -> None:
    subject = mesh()
    replaced = subject.timers["round"]
    subject.wait(6.0)
    assert subject.handle(TimerFired("round", replaced.generation)) == []
    assert subject.handle(TimerFired("no such timer", 1)) == []


def test_our_own_bug_raises() -> None:
    with pytest.raises(TypeError, match="no such event"):
        Subject().handle(Event())


def test_w5_a_planned_stop_is_announced_behind_what_was_written() -> None:
    subject = mesh()
    subject.write("before", b"1")
    subject.write("k", b"1")
    effects = subject.handle(StopRequested())
    assert pushed(effects, 1) == ["k"]
    assert kinds(effects, 1) == kinds(effects, 2) == ["sync", "leave"]
    leave = sent(effects, 1)[-1]
    assert (leave["ttl"], leave["data"]) == (5, {"reason": "shutdown"})
    assert closed(effects) == {1: 1000, 2: 1000}


def test_who_writes_to_a_node_that_stops_is_told_so() -> None:
    subject = mesh()
    waiting, _ = subject.begin("k", b"1")
    subject.handle(StopRequested())
    assert subject.receive(1, join("a")) == []
    assert subject.wait(60.0) == []
    late, effects = subject.begin("late", b"1")
    assert [(reply.request, reply.refused) for reply in replies(effects)] == [(late, "stopping")]
    answered = subject.commit(waiting)
    assert [reply.request for reply in replies(answered)] == [waiting]
    assert sent(answered) == []
    assert subject.value("k") == b"1"


def test_the_same_seed_gives_the_same_trace() -> None:
    def trace() -> list[object]:
        subject = Subject(bootstrap=("ws://a.example/ws",))
        return [subject.step(LinkOpened(LinkId(1), "ws://a.example/ws")), subject.wait(30.0)]

    assert trace() == trace()
    other = Node(config(), Random(2)).handle(LinkOpened(LinkId(1), "x"), Instant(0.0, WALL))
    assert other != trace()[0]


# Slices


def test_s5_a_long_frame_is_applied_in_slices_and_nobody_waits_for_it() -> None:
    subject = mesh(limits=Limits(slice_entries=2))
    long = sync("a", *(Entry(f"long {number}", 1, b"1") for number in range(5)))
    subject.step(FrameReceived(LinkId(1), msgspec.json.encode(long)))
    assert len(list(subject.node.entries())) == 2
    subject.receive(2, sync("b", Entry("short", 1, b"1")))
    assert subject.value("short") == b"1"
    assert len(list(subject.node.entries())) == 6


# Reading


def test_the_picture_that_a_node_gives_of_itself() -> None:
    subject = mesh()
    subject.write("k", b"1")
    subject.write("gone", None)
    subject.receive(1, sync("a", Entry("l", 1, b"1")))
    overview = subject.node.overview(subject.now)
    assert (overview.version, overview.live, overview.total, overview.links) == (3, 2, 3, 2)
    assert (overview.me.node_id, overview.me.incarnation) == ("0xme", WALL)
    assert overview.last_updated == subject.wall
    assert overview.reasons == ()
    assert overview.stats.writes == 2
    assert [view.record.node_id for view in subject.node.members()] == ["a", "b"]
    assert subject.node.listed == 2
    assert (subject.node.status_of("a"), subject.node.status_of("c")) == ("active", None)


def test_e4_clocks_that_disagree_are_told_and_stop_local_writes() -> None:
    subject = mesh(max_clock_skew=300.0)
    for link, sender in ((1, "a"), (2, "b")):
        subject.receive(link, heartbeat(sender, timestamp=subject.wall + 5_000))
    [reason] = subject.node.overview(subject.now).reasons
    assert reason == "clock: peers are +5.0 s from ours in the median"
    assert commits(subject.begin("k", b"1")[1])
    for link, sender in ((1, "a"), (2, "b")):
        subject.receive(link, heartbeat(sender, timestamp=subject.wall - 301_000))
    [reason] = subject.node.overview(subject.now).reasons
    assert "local writes are refused" in reason
    effects = subject.step(WriteRequested(RequestId(99), "k", b"1"))
    assert [effect.refused for effect in effects if isinstance(effect, Reply)] == ["clock"]
