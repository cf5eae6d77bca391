import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from gossip.sim.conditions import Conditions
from gossip.sim.network import End, Network
from gossip.sim.scheduler import Scheduler

TEN = [b"%d" % number for number in range(10)]


@dataclass
class Program:
    """An owner of connections that writes down what it is told."""

    name: str
    alive: bool = True
    held: list[End] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    codes: list[int | None] = field(default_factory=list)
    failures: list[bool] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def opened(self, end: End, dialed: str | None) -> None:
        self.held.append(end)
        self.told.append("opened")

    def dial_failed(self, url: str, refused: bool) -> None:
        self.failures.append(refused)

    def received(self, end: End, frame: bytes) -> None:
        self.frames.append(frame)
        self.told.append("received")

    def closed(self, end: End, code: int | None) -> None:
        self.held.remove(end)
        self.codes.append(code)

    def ends(self) -> Iterable[End]:
        return self.held


class Wires:
    """Two programs, `a` and `b`, on two hosts that know each other's URLs."""

    def __init__(self, conditions: Conditions | None = None) -> None:
        self.scheduler = Scheduler()
        self.network = Network(self.scheduler, random.Random(1), conditions or Conditions())
        self.a, self.b = Program("a"), Program("b")
        for program in (self.a, self.b):
            self.network.register(f"ws://{program.name}/ws", program.name)
            self.network.listen(program)

    def run(self, seconds: float = 1.0) -> None:
        self.scheduler.run_until(self.scheduler.now + seconds)

    def connect(self) -> tuple[End, End]:
        self.network.dial(self.a, "ws://b/ws")
        self.run()
        return self.a.held[-1], self.b.held[-1]

    def send(self, end: End, frames: list[bytes]) -> None:
        for frame in frames:
            self.network.send(end, frame)


def test_a_dial_opens_both_ends() -> None:
    wires = Wires()
    near, far = wires.connect()
    assert (near.peer, far.peer) == (far, near)
    assert (near.dialed, far.dialed) == (True, False)


def test_a_host_without_a_listener_refuses() -> None:
    wires = Wires()
    wires.network.vanish(wires.b, dark=False)
    wires.network.dial(wires.a, "ws://b/ws")
    wires.run()
    assert wires.a.failures == [True]


def test_an_unknown_name_is_no_refusal() -> None:
    wires = Wires()
    wires.network.dial(wires.a, "ws://nobody/ws")
    wires.run()
    assert wires.a.failures == [False]


def test_a_dark_host_and_one_behind_a_partition_time_out() -> None:
    dark, cut = Wires(), Wires()
    dark.network.vanish(dark.b, dark=True)
    cut.network.partition(["a"], ["b"], reset=False)
    for wires in (dark, cut):
        wires.network.dial(wires.a, "ws://b/ws")
        wires.run(4.99)
        assert wires.a.failures == []
        wires.run(0.02)
        assert wires.a.failures == [False]


def test_a_program_may_dial_itself() -> None:
    wires = Wires()
    wires.network.dial(wires.a, "ws://a/ws")
    wires.run()
    assert wires.a.told == ["opened", "opened"]


@pytest.mark.parametrize("sender", ["near", "far"])
def test_frames_keep_their_order_despite_jitter(sender: str) -> None:
    wires = Wires(Conditions(jitter=0.5))
    near, far = wires.connect()
    wires.send(near if sender == "near" else far, TEN)
    wires.run(2)
    assert (wires.b if sender == "near" else wires.a).frames == TEN


def test_frames_travel_for_at_least_the_latency() -> None:
    wires = Wires(Conditions(latency=0.1, jitter=0.0))
    near, _ = wires.connect()
    wires.send(near, TEN)
    wires.run(0.099)
    assert wires.b.frames == []
    wires.run(0.002)
    assert wires.b.frames == TEN


def test_where_what_is_lost_is_sent_again_connections_open_late_and_some_dials_time_out() -> None:
    conditions = Conditions(latency=0.05, jitter=0.0, loss=0.2, resend=0.2)
    wires, dials = Wires(conditions), 1_000
    for _ in range(dials):
        wires.network.dial(wires.a, "ws://b/ws")
    opened = []
    for _ in range(52):
        wires.run(0.1)
        opened.append(len(wires.a.held))
    # Four packets pass at once in 41 of 100 cases: two of TCP, sent again after 1 s, two of HTTP.
    assert 0.35 < opened[1] / dials < 0.47
    # Those of TCP pass in 64 of 100, and those of HTTP within most of a second.
    assert 0.58 < opened[9] / dials < 0.68
    assert 0.01 < len(wires.a.failures) / dials < 0.04
    assert len(wires.a.failures) + opened[-1] == dials
    assert not any(wires.a.failures)


def test_every_frame_is_lost_at_full_loss() -> None:
    wires = Wires(Conditions(loss=1.0))
    near, _ = wires.connect()
    wires.send(near, TEN)
    wires.run()
    assert wires.b.frames == []
    assert wires.network.traffic.lost == 10


def test_who_asks_is_told_of_each_frame_that_reaches_an_open_end() -> None:
    wires = Wires()
    near, far = wires.connect()
    told: list[tuple[End, bytes]] = []
    wires.network.arrived = lambda end, frame: told.append((end, frame))
    wires.send(near, [b"1"])
    wires.run()
    assert told == [(far, b"1")]
    wires.send(near, [b"2"])
    wires.network.vanish(wires.b, dark=False)
    wires.run()
    assert told == [(far, b"1")]


def test_every_frame_comes_twice_at_full_duplication() -> None:
    wires = Wires(Conditions(duplication=1.0))
    near, _ = wires.connect()
    wires.send(near, TEN)
    wires.run()
    assert wires.b.frames == [frame for frame in TEN for _ in range(2)]


def test_reordered_frames_all_come_in_another_order() -> None:
    wires = Wires(Conditions(reordering=0.5))
    near, _ = wires.connect()
    wires.send(near, TEN)
    wires.run()
    assert wires.b.frames != TEN
    assert sorted(wires.b.frames) == TEN


def test_no_frame_arrives_before_the_dialer_knows_of_the_connection() -> None:
    wires = Wires(Conditions(latency=0.1, jitter=0.0, reordering=1.0, reordering_delay=0.0))
    wires.network.dial(wires.a, "ws://b/ws")
    while not wires.b.held:
        wires.run(0.01)
    wires.send(wires.b.held[0], TEN)
    wires.run()
    assert wires.a.told == ["opened", *["received"] * 10]


def test_a_close_arrives_behind_what_was_sent_and_ends_both_ends() -> None:
    wires = Wires(Conditions(jitter=0.5))
    near, _ = wires.connect()
    wires.send(near, TEN)
    wires.network.close(near, 4409)
    wires.send(near, [b"too late"])
    wires.run(3)
    assert wires.b.frames == TEN
    assert wires.a.codes == wires.b.codes == [4409]


def test_a_close_that_nobody_answers_is_over_in_time() -> None:
    wires = Wires()
    near, far = wires.connect()
    wires.network.partition(["a"], ["b"], reset=False)
    wires.network.close(near, 1000)
    wires.run(1.99)
    assert wires.a.codes == []
    wires.run(0.02)
    assert wires.a.codes == [1000]
    assert far.open


def test_a_killed_process_resets_its_connections() -> None:
    wires = Wires()
    near, _ = wires.connect()
    wires.network.vanish(wires.b, dark=False)
    wires.run()
    assert wires.a.codes == [None]
    wires.send(near, TEN)
    wires.run()
    assert (wires.b.codes, wires.b.frames) == ([], [])


def test_a_dark_host_leaves_half_open_connections() -> None:
    wires = Wires()
    near, _ = wires.connect()
    wires.network.vanish(wires.b, dark=True)
    wires.send(near, TEN)
    wires.run(60)
    assert near.open


def test_a_host_that_is_back_answers_old_connections_with_a_reset() -> None:
    wires = Wires()
    near, _ = wires.connect()
    wires.network.vanish(wires.b, dark=True)
    wires.network.listen(Program("b"))
    wires.send(near, [b"hello?"])
    wires.run()
    assert wires.a.codes == [None]


def test_a_dialer_that_died_meanwhile_resets_what_it_asked_for() -> None:
    wires = Wires()
    wires.network.dial(wires.a, "ws://b/ws")
    wires.network.vanish(wires.a, dark=False)
    wires.run()
    assert wires.a.told == []
    assert wires.b.codes == [None]


def test_a_partition_swallows_frames_until_it_heals() -> None:
    wires = Wires()
    near, far = wires.connect()
    wires.network.partition(["a"], ["b"], reset=False)
    wires.send(near, [b"lost"])
    wires.send(far, [b"lost"])
    wires.run()
    wires.network.heal()
    wires.send(near, [b"found"])
    wires.run()
    assert wires.a.frames == []
    assert wires.b.frames == [b"found"]


def test_a_partition_may_reset_what_crosses_it() -> None:
    wires = Wires()
    wires.connect()
    wires.network.partition(["a"], ["b"], reset=True)
    wires.run()
    assert wires.a.codes == wires.b.codes == [None]
