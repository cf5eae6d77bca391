import random
from collections.abc import Iterator

import pytest

from gossip.core import effects, events
from gossip.core.config import Config
from gossip.core.entries import Entry
from gossip.core.events import LinkId
from gossip.core.members import PeerRecord
from gossip.core.stats import MemberView, Overview
from gossip.sim.conditions import Conditions
from gossip.sim.host import EPOCH, Host
from gossip.sim.ledger import InvariantBroken
from gossip.sim.world import World


class Script:
    """A node that answers each type of event with what it was told, and keeps what it is given."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.given: list[events.Event] = []
        self.instants: list[events.Instant] = []
        self.answers: dict[type[events.Event], list[effects.Effect]] = {}
        self.held: dict[str, Entry] = {}

    def handle(self, event: events.Event, now: events.Instant) -> list[effects.Effect]:
        self.given.append(event)
        self.instants.append(now)
        if isinstance(event, events.Restored):
            self.held = {entry.key: entry for entry in event.entries}
        return self.answers.get(type(event), [])

    def get(self, key: str) -> Entry | None:
        return self.held.get(key)

    def entries(self) -> Iterator[Entry]:
        return iter(self.held.values())

    def members(self) -> list[MemberView]:
        return []

    @property
    def listed(self) -> int:
        return 0

    def status_of(self, node_id: str) -> str | None:
        return None

    def overview(self, now: events.Instant) -> Overview:
        raise NotImplementedError


class Stage:
    """Two hosts with scripted nodes, one script for each life."""

    def __init__(self) -> None:
        self.world = World(1, Conditions())
        self.scripts: list[Script] = []
        self.a, self.b = self.host("a"), self.host("b")

    def host(self, name: str) -> Host:
        config = Config(
            node_id=name,
            public_key="",
            gossip_endpoint=f"ws://{name}/ws",
            api_endpoint=f"http://{name}",
        )
        return Host(name, config, self.world, self.make)

    def make(self, config: Config, rng: random.Random) -> Script:
        self.scripts.append(Script(rng))
        return self.scripts[-1]

    def start(self, host: Host) -> Script:
        host.start()
        return self.scripts[-1]

    def connect(self) -> tuple[Script, Script]:
        b, a = self.start(self.b), self.start(self.a)
        self.make_it(a, events.Resumed(), effects.Dial("ws://b/ws", loopback_allowed=False))
        self.run()
        return a, b

    def make_it(self, script: Script, on: events.Event, *wanted: effects.Effect) -> None:
        """Let a running node be given an event and want these effects."""
        script.answers[type(on)] = list(wanted)
        host = self.a if self.a.process and self.a.node is script else self.b
        assert host.process is not None
        host.process.feed(on)
        del script.answers[type(on)]

    def run(self, seconds: float = 1.0) -> None:
        self.world.scheduler.run_until(self.world.scheduler.now + seconds)


def timer(generation: int, at: float) -> effects.SetTimer:
    return effects.SetTimer("round", generation, at)


def given(script: Script, kind: type[events.Event]) -> list[events.Event]:
    return [event for event in script.given if type(event) is kind]


def test_a_life_begins_with_what_the_disk_holds() -> None:
    stage = Stage()
    stage.a.disk.upsert(Entry("key", 1, b"1"))
    stage.a.disk.peers["b"] = PeerRecord(node_id="b")
    stage.a.disk.clock_floor = 5
    script = stage.start(stage.a)
    assert script.given == [
        events.Restored((Entry("key", 1, b"1"),)),
        events.Started(EPOCH, 5, (PeerRecord(node_id="b"),)),
    ]


def test_every_life_has_a_greater_incarnation_and_its_own_randomness() -> None:
    stage = Stage()
    scripts = []
    for _ in range(2):
        scripts.append(stage.start(stage.a))
        stage.a.kill(dark=False)
    first, second = (given(script, events.Started)[0] for script in scripts)
    assert isinstance(first, events.Started)
    assert isinstance(second, events.Started)
    assert second.incarnation > first.incarnation
    assert scripts[0].rng.random() != scripts[1].rng.random()


def test_a_host_that_forgets_its_disk_is_found_out() -> None:
    stage = Stage()
    stage.a.disk.upsert(Entry("key", 1, b"1"))

    class Forgetful(Script):
        def get(self, key: str) -> Entry | None:
            return None

    stage.a = Host("a", stage.a.config, stage.world, lambda _, rng: Forgetful(rng))
    stage.a.disk.upsert(Entry("key", 1, b"1"))
    with pytest.raises(InvariantBroken, match="restarted without"):
        stage.a.start()


def test_a_host_has_its_own_wall_clock() -> None:
    stage = Stage()
    stage.a.skew = 250
    stage.run(2.0)
    assert stage.a.clock() == (2.0, EPOCH + 2250)


def test_a_running_host_cannot_be_started() -> None:
    stage = Stage()
    stage.start(stage.a)
    with pytest.raises(RuntimeError, match="already running"):
        stage.a.start()


def test_a_timer_fires_when_due_unless_it_was_replaced() -> None:
    stage = Stage()
    script = stage.start(stage.a)
    stage.make_it(script, events.Resumed(), timer(1, at=1.0), timer(2, at=2.0))
    stage.run(3.0)
    assert given(script, events.TimerFired) == [events.TimerFired("round", 2)]
    assert script.instants[-1].monotonic == 2.0


def test_more_is_answered_once_after_the_others_had_a_turn() -> None:
    stage = Stage()
    script = stage.start(stage.a)
    stage.make_it(script, events.StopRequested(), effects.More(), effects.More())
    assert given(script, events.Resumed) == []
    stage.run()
    assert len(given(script, events.Resumed)) == 1


def test_no_frame_comes_while_a_node_has_work_left_over() -> None:
    stage = Stage()
    a, b = stage.connect()
    b.answers[events.FrameReceived] = [effects.More()]
    sends = [effects.Send((LinkId(1),), frame) for frame in (b"1", b"2", b"3")]
    stage.make_it(a, events.Resumed(), *sends)
    stage.run()
    expected: list[events.Event] = []
    for frame in (b"1", b"2", b"3"):
        expected += [events.FrameReceived(LinkId(1), frame), events.Resumed()]
    assert b.given[-6:] == expected


def test_no_frame_comes_on_a_paused_link_before_its_time() -> None:
    stage = Stage()
    a, b = stage.connect()
    stage.make_it(b, events.Resumed(), effects.Pause(LinkId(1), until=5.0))
    sends = [effects.Send((LinkId(1),), frame) for frame in (b"1", b"2")]
    stage.make_it(a, events.Resumed(), *sends)
    stage.run(3.9)
    assert given(b, events.FrameReceived) == []
    stage.run(0.2)
    assert [event.data for event in b.given if isinstance(event, events.FrameReceived)] == [
        b"1",
        b"2",
    ]


def test_frames_and_closes_travel_between_nodes() -> None:
    stage = Stage()
    a, b = stage.connect()
    send = effects.Send((LinkId(1),), b"hello")
    stage.make_it(a, events.Resumed(), send, effects.CloseLink(LinkId(1), 4409, "duplicate"))
    stage.run()
    assert b.given[-2:] == [
        events.FrameReceived(LinkId(1), b"hello"),
        events.LinkClosed(LinkId(1), 4409),
    ]
    assert a.given[-1] == events.LinkClosed(LinkId(1), 4409)


def test_links_are_numbered_upwards() -> None:
    stage = Stage()
    a, _ = stage.connect()
    stage.make_it(a, events.Resumed(), effects.Dial("ws://b/ws", loopback_allowed=False))
    stage.run()
    dialed = "ws://b/ws"
    assert given(a, events.LinkOpened) == [
        events.LinkOpened(LinkId(1), dialed),
        events.LinkOpened(LinkId(2), dialed),
    ]


def test_a_write_is_asked_committed_and_answered() -> None:
    stage = Stage()
    script = stage.start(stage.a)
    entry = Entry("key", 1, b"1")
    request = events.RequestId(1)
    script.answers[events.WriteRequested] = [effects.Commit(request, entry, clock_floor=9)]
    script.answers[events.Committed] = [effects.Reply(request, entry)]
    assert stage.a.write("key", b"1") == request
    script.held["key"] = entry
    stage.run()
    assert script.given[-1] == events.Committed((request,))
    assert stage.world.ledger.acknowledged == {"key": entry}


def test_a_dead_node_is_given_nothing_and_asked_nothing() -> None:
    stage = Stage()
    a, b = stage.connect()
    stage.make_it(a, events.Resumed(), timer(1, at=3.0), effects.More())
    stage.make_it(b, events.Resumed(), effects.Send((LinkId(1),), b"too late"))
    stage.a.kill(dark=False)
    last = len(a.given)
    stage.run(5.0)
    assert len(a.given) == last
    assert stage.a.write("key", b"1") is None


def test_a_stopping_process_ends_when_its_links_are_closed() -> None:
    stage = Stage()
    a, b = stage.connect()
    a.answers[events.StopRequested] = [effects.CloseLink(LinkId(1), 1000, "goodbye")]
    stage.a.stop()
    assert not stage.a.up
    stage.run()
    assert stage.a.process is not None
    assert not stage.a.process.alive
    assert b.given[-1] == events.LinkClosed(LinkId(1), 1000)


def test_a_stopping_process_with_an_open_link_ends_in_time() -> None:
    stage = Stage()
    _, b = stage.connect()
    stage.a.stop()
    stage.run(4.9)
    assert given(b, events.LinkClosed) == []
    stage.run(0.2)
    assert given(b, events.LinkClosed) == [events.LinkClosed(LinkId(1), None)]


def test_stopping_writes_what_was_learned_to_the_disk() -> None:
    stage = Stage()
    script = stage.start(stage.a)
    script.answers[events.StopRequested] = [
        effects.StoreEntry(Entry("key", 1, b"1")),
        effects.StorePeer(PeerRecord(node_id="b")),
    ]
    stage.a.stop()
    assert (list(stage.a.disk.entries), list(stage.a.disk.peers)) == (["key"], ["b"])


def test_a_fetch_is_answered_later_by_nothing() -> None:
    stage = Stage()
    script = stage.start(stage.a)
    url = "http://b/gossip/state"
    stage.make_it(script, events.Resumed(), effects.Fetch(url, loopback_allowed=False, most=1))
    assert given(script, events.Fetched) == []
    stage.run()
    assert given(script, events.Fetched) == [events.Fetched(url, None, 0.0)]


def test_a_fetch_of_a_life_that_ended_is_answered_to_nobody() -> None:
    stage = Stage()
    script = stage.start(stage.a)
    fetch = effects.Fetch("http://b/gossip/state", loopback_allowed=False, most=1)
    stage.make_it(script, events.Resumed(), fetch)
    stage.a.kill(dark=False)
    stage.run()
    assert given(script, events.Fetched) == []
