import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from structlog.testing import capture_logs

from gossip.core.effects import (
    CloseLink,
    Commit,
    Dial,
    Effect,
    Fetch,
    ForgetEntry,
    ForgetPeer,
    More,
    Notice,
    NoticeKind,
    Pause,
    Reply,
    Send,
    SetTimer,
    StoreEntry,
    StorePeer,
)
from gossip.core.entries import Entry
from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.core.events import (
    CommitFailed,
    Committed,
    DialFailed,
    Event,
    Fetched,
    FrameReceived,
    LinkBlocked,
    LinkClosed,
    LinkId,
    LinkOpened,
    LinkWritable,
    RequestId,
    Resumed,
    Started,
    StopRequested,
    TimerFired,
    WriteRequested,
)
from gossip.core.members import PeerRecord
from gossip.runtime.driver import SLICE_EVENTS, Driver
from gossip.runtime.outbound import HIGH_WATER
from gossip.runtime.ports import DialRefused, Hub, TakenOver
from gossip.runtime.watch import ChangeKind, Interest, Watch
from tests.support.runtime import (
    MemoryJournal,
    MemoryWire,
    ScriptedNode,
    no_fetcher,
    until,
    writing,
)

ENTRY = Entry("k", 1, b"1")
STARTED = Started(1, 0)


async def no_dialer(dial: Dial, hub: Hub) -> None:
    raise DialRefused("nothing listens", refused=True)


def make(node: ScriptedNode, journal: MemoryJournal | None = None, **bounds: int) -> Driver:
    journal = MemoryJournal() if journal is None else journal
    return Driver(node, dialer=no_dialer, fetcher=no_fetcher, journal=journal, **bounds)


@asynccontextmanager
async def running(driver: Driver) -> AsyncIterator[None]:
    """Run the driver while the body lasts, then stop it in order."""
    task = asyncio.create_task(driver.run())
    try:
        yield
    finally:
        driver.leave()
        await asyncio.wait((task,), timeout=5)
        await driver.close()
    task.result()


def once(effects: list[Effect]) -> Callable[[Event], list[Effect]]:
    """The script of a node that wants these things done when it starts."""
    return lambda event: effects if isinstance(event, Started) else []


async def test_the_node_sees_what_a_link_brings() -> None:
    node = ScriptedNode()
    driver = make(node)
    async with running(driver):
        link = driver.opened(MemoryWire(), dialed="ws://a.example/ws", remote_is_loopback=True)
        link.received("one")
        link.received(b"two")
        link.closed(1001)
        await until(lambda: len(node.events) == 4)
    number = LinkId(1)
    assert node.events == [
        LinkOpened(number, "ws://a.example/ws", remote_is_loopback=True),
        FrameReceived(number, "one"),
        FrameReceived(number, b"two"),
        LinkClosed(number, 1001),
        StopRequested(),
    ]


async def test_time_never_steps_back_between_events() -> None:
    node = ScriptedNode()
    driver = make(node)
    async with running(driver):
        link = driver.opened(MemoryWire())
        for _ in range(100):
            link.received("x")
        await until(lambda: len(node.frames) == 100)
    assert node.instants == sorted(node.instants)


async def test_frames_go_to_their_links_in_the_order_of_the_effects() -> None:
    first, second = LinkId(1), LinkId(2)

    def script(event: Event) -> list[Effect]:
        if not isinstance(event, FrameReceived):
            return []
        return [
            Send((first, second), b"both"),
            Send((second, LinkId(99)), "zweite €".encode()),
            CloseLink(second, 4409, "duplicate"),
            Send((first, second), b"last"),
        ]

    driver = make(ScriptedNode(script))
    wires = [MemoryWire(), MemoryWire()]
    async with running(driver):
        links = [driver.opened(wire) for wire in wires]
        links[0].received("go")
        await until(lambda: wires[1].closed_with and len(wires[0].sent) == 2)
    assert wires[0].sent == ["both", "last"]
    assert wires[1].sent == ["both", "zweite €"]
    assert wires[1].closed_with == (4409, "duplicate")


async def test_a_slow_wire_does_not_delay_the_others() -> None:
    def echo(event: Event) -> list[Effect]:
        return [Send((LinkId(1), LinkId(2)), b"x")] if isinstance(event, FrameReceived) else []

    driver = make(ScriptedNode(echo))
    slow, quick = MemoryWire(stuck=True), MemoryWire()
    async with running(driver):
        driver.opened(slow)
        link = driver.opened(quick)
        for _ in range(100):
            link.received("x")
        await until(lambda: len(quick.sent) == 100)
        assert slow.sent == []
        slow.reads.set()


async def test_a_flooding_link_leaves_the_others_their_turns() -> None:
    node = ScriptedNode()
    driver = make(node)
    flood, modest = driver.opened(MemoryWire()), driver.opened(MemoryWire())
    for _ in range(1_000):
        flood.received("flood")
    modest.received("modest")
    async with running(driver):
        await until(lambda: "modest" in node.frames)
    assert node.frames.index("modest") <= 1


async def test_a_flood_leaves_the_event_loop_its_turns() -> None:
    node = ScriptedNode()
    driver = make(node)
    link = driver.opened(MemoryWire())
    for _ in range(1_500):
        link.received("x")
    seen = [0]
    async with running(driver):
        while len(node.frames) < 1_500:
            await asyncio.sleep(0)
            seen.append(len(node.events))
    assert max(after - before for before, after in itertools.pairwise(seen)) <= SLICE_EVENTS


async def test_a_link_that_does_not_drain_is_blocked_and_writable_again() -> None:
    def script(event: Event) -> list[Effect]:
        frame = b"x" * (HIGH_WATER + 1)
        return [Send((LinkId(1),), frame)] if isinstance(event, LinkOpened) else []

    node = ScriptedNode(script)
    driver = make(node)
    wire = MemoryWire(stuck=True)
    async with running(driver):
        driver.opened(wire)
        await until(lambda: LinkBlocked(LinkId(1)) in node.events)
        wire.reads.set()
        await until(lambda: LinkWritable(LinkId(1)) in node.events)


async def test_work_left_over_goes_on_behind_the_others() -> None:
    left = 3

    def script(event: Event) -> list[Effect]:
        nonlocal left
        if isinstance(event, Resumed):
            left -= 1
        big = isinstance(event, FrameReceived) and event.data == "big"
        return [More()] if big or (isinstance(event, Resumed) and left) else []

    node = ScriptedNode(script)
    driver = make(node)
    heavy, light = driver.opened(MemoryWire()), driver.opened(MemoryWire())
    for frame in ("big", "next"):
        heavy.received(frame)
    light.received("light")
    async with running(driver):
        await until(lambda: "next" in node.frames)
    kinds = [event.data if isinstance(event, FrameReceived) else event for event in node.events[2:]]
    assert kinds[:6] == ["big", "light", Resumed(), Resumed(), Resumed(), "next"]


async def test_work_for_others_holds_no_link() -> None:
    # The frame's own work is done with one turn; after that the node is busy for somebody else.
    def script(event: Event) -> list[Effect]:
        if isinstance(event, FrameReceived) and event.data == "big":
            return [More()]
        return [More(hold=False)] if isinstance(event, Resumed) else []

    node = ScriptedNode(script)
    driver = make(node)
    link = driver.opened(MemoryWire())
    for frame in ("big", "next"):
        link.received(frame)
    async with running(driver):
        await until(lambda: "next" in node.frames)
    kinds = [event.data if isinstance(event, FrameReceived) else event for event in node.events[1:]]
    assert kinds[:3] == ["big", Resumed(), "next"]


async def test_a_link_over_its_rate_is_paused_alone() -> None:
    node = ScriptedNode()
    driver = make(node)
    until_then = 0.0

    def script(event: Event) -> list[Effect]:
        nonlocal until_then
        if isinstance(event, FrameReceived) and event.data == "too fast":
            until_then = node.instants[-1].monotonic + 0.02
            return [Pause(event.link, until_then)]
        return []

    node.script = script
    fast, other = driver.opened(MemoryWire()), driver.opened(MemoryWire())
    for frame in ("too fast", "later"):
        fast.received(frame)
    other.received("meanwhile")
    async with running(driver):
        await until(lambda: len(node.frames) == 3)
    assert node.frames == ["too fast", "meanwhile", "later"]
    assert node.instants[-2].monotonic >= until_then


async def test_timers_fire_with_their_generation() -> None:
    node = ScriptedNode(once([SetTimer("round", 1, 0.0), SetTimer("round", 2, 0.0)]))
    driver = make(node)
    driver.start(STARTED)
    async with running(driver):
        await until(lambda: len(node.events) == 2)
    assert node.events[1] == TimerFired("round", 2)


async def test_what_is_to_be_kept_reaches_the_journal_in_order() -> None:
    peer = PeerRecord(node_id="p")
    effects = [
        StoreEntry(ENTRY),
        ForgetEntry(ENTRY),
        StorePeer(peer),
        ForgetPeer("q"),
        Commit(RequestId(9), ENTRY, 5),
    ]
    journal = MemoryJournal()
    node = ScriptedNode(once(list[Effect](effects)))
    driver = make(node, journal)
    driver.start(STARTED)
    async with running(driver):
        await until(lambda: Committed((RequestId(9),)) in node.events)
    assert journal.calls == [ENTRY, ("forget", ENTRY), peer, "q", ENTRY]
    assert journal.closed


async def test_a_rolled_back_commit_is_told() -> None:
    journal = MemoryJournal()
    journal.held = True
    node = ScriptedNode(once([Commit(RequestId(9), ENTRY, 5)]))
    driver = make(node, journal)
    driver.start(STARTED)
    async with running(driver):
        journal.refuse("disk full")
        await until(lambda: CommitFailed((RequestId(9),), "disk full") in node.events)


async def test_a_full_backlog_pauses_frames_and_nothing_else() -> None:
    journal = MemoryJournal()
    journal.backlog = 10

    def script(event: Event) -> list[Effect]:
        timer = SetTimer("round", 1, math.inf if isinstance(event, FrameReceived) else 0.0)
        return [timer] if isinstance(event, Started) else writing(event)

    node = ScriptedNode(script)
    driver = make(node, journal, backlog_bound=10)
    driver.start(STARTED)
    async with running(driver):
        await until(lambda: TimerFired("round", 1) in node.events)
        link = driver.opened(MemoryWire())
        link.received("x")
        await asyncio.wait_for(driver.write("k", b"1"), 5)
        assert node.frames == []
        journal.backlog = 9
        journal.room.set()
        await until(lambda: node.frames == ["x"])


async def test_one_below_the_bound_of_the_backlog_pauses_nothing() -> None:
    journal = MemoryJournal()
    journal.backlog = 9
    node = ScriptedNode()
    driver = make(node, journal, backlog_bound=10)
    async with running(driver):
        link = driver.opened(MemoryWire())
        for count in (1, 2):
            link.received("x")
            await until(partial(lambda wanted: len(node.frames) == wanted, count))


async def test_a_write_returns_what_the_node_replies() -> None:
    async with running(driver := make(ScriptedNode(writing))):
        assert await driver.write("k", b"1") == ENTRY


async def test_a_refused_write_raises_the_reason() -> None:
    def refuse(event: Event) -> list[Effect]:
        if isinstance(event, WriteRequested):
            return [Reply(event.request, None, "clock", "an hour ahead")]
        return []

    async with running(driver := make(ScriptedNode(refuse))):
        with pytest.raises(WriteRefused, match="an hour ahead") as refusal:
            await driver.write("k", b"1")
    assert refusal.value.reason == "clock"


async def test_one_write_past_the_bound_is_refused() -> None:
    journal = MemoryJournal()
    journal.held = True
    driver = make(ScriptedNode(writing), journal, pending_writes=3)
    async with running(driver):
        waiting = [asyncio.create_task(driver.write("k", b"1")) for _ in range(3)]
        await until(lambda: len(journal.waiting) == 3)
        with pytest.raises(WriteRefused) as refusal:
            await driver.write("k", b"1")
        assert refusal.value.reason == "overloaded"
        journal.release()
        await asyncio.gather(*waiting)
        journal.held = False
        await driver.write("k", b"1")


async def test_a_cancelled_writer_breaks_nothing() -> None:
    journal = MemoryJournal()
    journal.held = True
    async with running(driver := make(ScriptedNode(writing), journal)):
        impatient = asyncio.create_task(driver.write("k", b"1"))
        await until(lambda: journal.waiting)
        impatient.cancel()
        await asyncio.wait((impatient,))
        journal.release()
        journal.held = False
        assert await driver.write("k", b"1") == ENTRY


async def test_a_stop_waits_for_the_writes_under_way_and_takes_no_more() -> None:
    journal = MemoryJournal()
    journal.held = True
    async with running(driver := make(ScriptedNode(writing), journal)):
        write = asyncio.create_task(driver.write("k", b"1"))
        await until(lambda: journal.waiting)
        settled = asyncio.create_task(driver.settle())
        await asyncio.sleep(0)
        with pytest.raises(WriteRefused) as refusal:
            await driver.write("k", b"1")
        assert refusal.value.reason == "stopping"
        journal.release()
        await settled
        assert write.result() == ENTRY


async def test_a_write_that_the_journal_has_is_not_refused_at_the_end() -> None:
    journal = MemoryJournal()
    journal.held = True
    async with running(driver := make(ScriptedNode(writing), journal)):
        write = asyncio.create_task(driver.write("k", b"1"))
        await until(lambda: journal.waiting)
    with pytest.raises(WriteUnanswered, match="may still happen"):
        await write


async def test_a_write_that_is_never_answered_is_refused_at_the_end() -> None:
    async with running(driver := make(ScriptedNode())):
        write = asyncio.create_task(driver.write("k", b"1"))
        await driver.settle()
    with pytest.raises(WriteRefused) as refusal:
        await write
    assert refusal.value.reason == "stopping"


async def test_a_fetch_is_answered() -> None:
    async def fetcher(fetch: Fetch) -> bytes:
        return b"{}"

    url = "http://a.example/gossip/state"
    node = ScriptedNode(once([Fetch(url, loopback_allowed=False, most=2)]))
    driver = Driver(node, dialer=no_dialer, fetcher=fetcher, journal=MemoryJournal())
    async with running(driver):
        driver.start(STARTED)
        await until(lambda: len(node.events) == 2)
    answer = node.events[1]
    assert isinstance(answer, Fetched)
    assert (answer.url, answer.body) == (url, b"{}")


async def test_closing_ends_fetches_under_way() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def fetcher(fetch: Fetch) -> bytes:
        begun.set()
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    fetch = Fetch("http://a.example/gossip/state", loopback_allowed=False, most=2)
    node = ScriptedNode(once([fetch]))
    driver = Driver(node, dialer=no_dialer, fetcher=fetcher, journal=MemoryJournal())
    async with running(driver):
        driver.start(STARTED)
        await asyncio.wait_for(begun.wait(), 5)
    assert ended.is_set()
    assert not any(isinstance(event, Fetched) for event in node.events)


async def test_a_dial_that_fails_is_told() -> None:
    node = ScriptedNode(once([Dial("ws://a.example/ws", loopback_allowed=False)]))
    driver = make(node)
    driver.start(STARTED)
    async with running(driver):
        await until(lambda: DialFailed("ws://a.example/ws", refused=True) in node.events)


async def test_a_stop_sends_what_the_node_says_last_and_closes_its_links() -> None:
    def script(event: Event) -> list[Effect]:
        return [Send((LinkId(1),), b"leave")] if isinstance(event, StopRequested) else []

    wire, late = MemoryWire(), MemoryWire()
    async with running(driver := make(ScriptedNode(script))):
        driver.opened(wire)
    assert wire.sent == ["leave"]
    assert wire.closed_with == (1000, "stopping")
    link = driver.opened(late)
    link.received("nobody listens")
    await until(lambda: late.closed_with == (1000, "stopping"))


async def test_a_node_that_raises_ends_the_run() -> None:
    def explode(event: Event) -> list[Effect]:
        if isinstance(event, FrameReceived):
            raise ZeroDivisionError
        return []

    node = ScriptedNode(explode)
    driver = make(node)
    wire = MemoryWire()
    link = driver.opened(wire)
    link.received("boom")
    link.received("never handled")
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(driver.run(), 5)
    await driver.close()
    assert node.frames == ["boom"]
    assert wire.closed_with is not None


@pytest.mark.parametrize("effect", Effect.__subclasses__())
def test_every_effect_is_carried_out(effect: type[Effect]) -> None:
    assert effect in make(ScriptedNode())._carry_out


async def test_a_notice_is_one_line_in_the_log() -> None:
    notices: list[Effect] = [
        Notice(NoticeKind.PEER_JOINED, "0xpeer"),
        Notice(NoticeKind.LINK_FAULTED, "0xpeer", "rate"),
    ]
    with capture_logs() as logs:
        make(ScriptedNode(once(notices))).start(STARTED)
    assert logs == [
        {"event": "peer_joined", "log_level": "info", "subject": "0xpeer", "detail": ""},
        {"event": "link_faulted", "log_level": "warning", "subject": "0xpeer", "detail": "rate"},
    ]


def watching(driver: Driver) -> Watch:
    return driver.feed.watch(Interest(), None, asyncio.get_running_loop())


async def test_watchers_hear_of_entries_and_members() -> None:
    tombstone = Entry("k", 2, None)
    effects: list[Effect] = [
        StoreEntry(ENTRY),
        Notice(NoticeKind.PEER_JOINED, "0xpeer", "ws://peer/ws"),
        Notice(NoticeKind.OWN_URL, "ws://me/ws"),
        StoreEntry(tombstone),
    ]
    driver = make(ScriptedNode(once(effects)))
    watch = watching(driver)
    driver.start(STARTED)
    changes = await watch.batch()
    assert [(change.kind, change.subject) for change in changes] == [
        (ChangeKind.DATA_SET, "k"),
        (ChangeKind.PEER_JOINED, "0xpeer"),
        (ChangeKind.DATA_DELETED, "k"),
    ]
    assert [change.entry for change in changes] == [ENTRY, None, tombstone]


async def test_a_write_that_something_newer_overtook_is_not_told() -> None:
    """Two writes of one key in one commit: the node holds the second when both are answered."""
    node = ScriptedNode()
    driver = make(node)
    entries = [Entry("k", version, b"1") for version in (1, 3)]
    node.held["k"] = entries[1]

    def script(event: Event) -> list[Effect]:
        match event:
            case WriteRequested(request=request):
                return [Commit(request, entries[request - 1], 0)]
            case Committed(requests=requests):
                return [Reply(request, entries[request - 1]) for request in requests]
        return []

    node.script = script
    watch = watching(driver)
    async with running(driver):
        await asyncio.gather(driver.write("k", b"1"), driver.write("k", b"1"))
    assert [change.entry for change in await watch.batch()] == [entries[1]]


async def test_a_refused_write_is_not_told() -> None:
    def script(event: Event) -> list[Effect]:
        if isinstance(event, WriteRequested):
            return [Reply(event.request, None, "clock", "an hour ahead"), StoreEntry(ENTRY)]
        return []

    driver = make(ScriptedNode(script))
    watch = watching(driver)
    async with running(driver):
        with pytest.raises(WriteRefused):
            await driver.write("k", b"1")
    assert [change.entry for change in await watch.batch()] == [ENTRY]


class Mirror:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Entry | str] = []

    def entry(self, entry: Entry) -> None:
        self.told.append(entry)

    def forgotten(self, key: str) -> None:
        self.told.append(key)


async def test_a_mirror_is_told_what_keys_hold_and_no_longer_hold() -> None:
    tombstone = Entry("old", 1, None)
    node = ScriptedNode(once([StoreEntry(ENTRY), ForgetEntry(tombstone)]))
    driver, mirror = make(node), Mirror()
    driver.mirror = mirror
    driver.start(STARTED)
    assert mirror.told == [ENTRY, "old"]
    await driver.close()


@pytest.mark.parametrize("holds", [True, False])
async def test_a_mirror_is_told_of_a_write_before_it_is_answered_unless_a_later_one_holds(
    *, holds: bool
) -> None:
    node = ScriptedNode()

    def script(event: Event) -> list[Effect]:
        if isinstance(event, WriteRequested):
            node.held["k"] = ENTRY if holds else Entry("k", 2, b"2")
            return [Reply(event.request, ENTRY)]
        return []

    node.script = script
    driver, mirror = make(node), Mirror()
    driver.mirror = mirror
    async with running(driver):
        assert await driver.write("k", b"1") is ENTRY
        assert mirror.told == ([ENTRY] if holds else [])


class Guard:
    """Is late when a test says so, and has to be let go on."""

    def __init__(self) -> None:
        self.late = False
        self.checks = 0
        self.sure = asyncio.Event()
        self.over: TakenOver | None = None

    async def check(self) -> None:
        self.checks += 1
        await self.sure.wait()
        self.late = False
        if self.over is not None:
            raise self.over


async def test_nothing_is_handled_before_a_late_guard_is_sure() -> None:
    node = ScriptedNode()
    driver, guard = make(node), Guard()
    driver.guard = guard
    async with running(driver):
        link = driver.opened(MemoryWire())
        await until(lambda: node.events)
        assert guard.checks == 0
        guard.late = True
        link.received("a")
        await until(lambda: guard.checks)
        for _ in range(10):
            await asyncio.sleep(0)
        assert node.frames == []
        guard.sure.set()
        await until(lambda: node.frames == ["a"])
        link.received("b")
        await until(lambda: node.frames == ["a", "b"])
        assert guard.checks == 1


async def test_a_guard_that_says_it_is_over_ends_the_run() -> None:
    node = ScriptedNode()
    driver, guard = make(node), Guard()
    driver.guard = guard
    guard.late, guard.over = True, TakenOver("another runs the node")
    guard.sure.set()
    task = asyncio.create_task(driver.run())
    driver.opened(MemoryWire()).received("a")
    with pytest.raises(TakenOver):
        await asyncio.wait_for(task, 5)
    assert node.events == []
    await driver.close()


async def test_who_stays_elsewhere_leaves_links_that_open_while_it_stops_alone() -> None:
    driver = make(ScriptedNode())
    driver.stay()
    wire = MemoryWire()
    async with running(driver):
        await driver.settle()
        link = driver.opened(wire)
        assert link.received("a")
    assert wire.closed_with is None
