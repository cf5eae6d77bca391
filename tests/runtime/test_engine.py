import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from gossip.core.config import Config
from gossip.core.effects import Dial, Effect, Send
from gossip.core.entries import Entry
from gossip.core.errors import ConfigurationError, WriteRefused, WriteUnanswered
from gossip.core.events import (
    CommitFailed,
    Event,
    FrameReceived,
    LinkId,
    RequestId,
    Restored,
    Started,
    StopRequested,
    WriteRequested,
)
from gossip.core.members import PeerRecord
from gossip.runtime.engine import DIAL_AFTER, Engine, Parts
from gossip.runtime.ports import EpochOver, Hub
from gossip.runtime.serving import running
from tests.support.runtime import (
    MemoryJournal,
    MemoryWire,
    Script,
    ScriptedNode,
    no_fetcher,
    until,
    writing,
)

PEER = PeerRecord(node_id="p")
SLICES = ((Entry("a", 1, b"1"), Entry("b", 1, b"2")), (Entry("c", 1, b"3"),))


class MemoryPast:
    """Two slices of entries and a peer; notes what is asked of it, and by which threads."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.asked: list[str] = []

    def entries(self) -> Iterator[tuple[Entry, ...]]:
        for entries in SLICES:
            self._note("entries")
            yield entries

    def peers(self) -> tuple[PeerRecord, ...]:
        self._note("peers")
        return (PEER,)

    def begin_life(self, wall: int) -> tuple[int, int]:
        self._note("life")
        return 7, 5

    def _note(self, asked: str) -> None:
        self.threads.add(threading.get_ident())
        self.asked.append(asked)


class UnreadablePast(MemoryPast):
    """A damaged database."""

    def peers(self) -> tuple[PeerRecord, ...]:
        raise ConfigurationError("the database is damaged")


async def nobody(dial: Dial, hub: Hub) -> None:
    await asyncio.Event().wait()


class World:
    """An engine and everything around it, with one line for each thing that stopped."""

    def __init__(self, script: Script = writing) -> None:
        self.ended: list[str] = []
        self.node = ScriptedNode(script)
        self.journal = MemoryJournal()
        self.past = MemoryPast()
        self.parts = Parts(
            config=Config(node_id="me", public_key="", gossip_endpoint=None, api_endpoint=""),
            node=self.node,
            past=self.past,
            journal=self.journal,
            dialer=nobody,
            fetcher=no_fetcher,
            release=lambda: self.ended.append("lock"),
        )
        self.engine = Engine(self.parts)

    async def start(self) -> None:
        await self.engine.prepare()
        await self.engine.begin()


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.engine.finish()
    assert running() is None


async def test_the_state_is_loaded_before_the_node_starts(world: World) -> None:
    await world.engine.prepare()
    assert world.node.events == [Restored(SLICES[0]), Restored(SLICES[1])]
    assert running() is None
    assert not world.engine.ready
    await world.engine.begin()
    assert world.node.events[2:] == [Started(7, 5, (PEER,))]
    assert running() is world.engine
    assert world.engine.ready


async def test_the_store_is_read_by_one_thread_and_never_by_the_loop(world: World) -> None:
    await world.engine.prepare()
    assert len(world.past.threads) == 1
    assert threading.get_ident() not in world.past.threads


async def test_the_node_is_taken_over_before_anything_is_read(world: World) -> None:
    await world.engine.prepare()
    assert world.past.asked == ["life", "entries", "entries", "peers"]


async def test_a_writer_before_the_start_is_refused(world: World) -> None:
    await world.engine.prepare()
    with pytest.raises(WriteRefused) as refusal:
        await world.engine.port.write("k", b"1")
    assert refusal.value.reason == "stopping"


@pytest.mark.parametrize(("error", "reasons"), [("disk full", ("journal: disk full",)), (None, ())])
async def test_a_failing_store_is_not_ready_and_is_named(
    world: World, error: str | None, reasons: tuple[str, ...]
) -> None:
    await world.start()
    world.journal.error = error
    assert world.engine.port.ready == (error is None)
    assert (await world.engine.port.overview()).reasons == reasons


async def test_reasons_that_others_add_are_in_the_overview(world: World) -> None:
    await world.start()
    world.engine.add_reason("unprotected server")
    world.engine.add_reason("unprotected server")
    assert (await world.engine.port.overview()).reasons == ("unprotected server",)


async def test_a_second_engine_in_a_process_does_not_begin(world: World) -> None:
    await world.start()
    second = World()
    await second.engine.prepare()
    with pytest.raises(RuntimeError, match="already"):
        await second.engine.begin()
    await second.engine.finish()
    assert running() is world.engine


async def test_everything_stops_in_order() -> None:
    def script(event: Event) -> list[Effect]:
        if isinstance(event, StopRequested):
            return [Send((LinkId(1),), b"leave")]
        return writing(event)

    world = World(script)
    ended = world.ended

    class Wire(MemoryWire):
        async def send(self, frame: str) -> None:
            ended.append(frame)

        async def close(self, code: int, reason: str) -> None:
            ended.append("link")

    class Journal(MemoryJournal):
        async def close(self) -> None:
            ended.append("journal")

    world.journal = Journal()
    world.engine = Engine(replace(world.parts, journal=world.journal))
    await world.start()
    world.engine.hub.opened(Wire())
    world.journal.held = True
    write = asyncio.create_task(world.engine.port.write("k", b"1"))
    write.add_done_callback(lambda _: ended.append("write"))
    await until(lambda: world.journal.waiting)
    finishing = asyncio.create_task(world.engine.finish())
    await asyncio.sleep(0)
    assert not world.engine.port.ready
    world.journal.release()
    await finishing
    assert ended == ["write", "leave", "link", "journal", "lock"]
    assert running() is None


async def test_finish_may_be_called_from_any_state_and_again() -> None:
    for steps in range(3):
        world = World()
        if steps > 0:
            await world.engine.prepare()
        if steps > 1:
            await world.engine.begin()
        await asyncio.gather(world.engine.finish(), world.engine.finish())
        await world.engine.finish()
        assert world.ended == ["lock"]
        assert world.journal.closed == (steps > 0)


async def test_who_gives_up_waiting_for_the_end_does_not_stop_it(world: World) -> None:
    await world.start()
    world.journal.held = True
    write = asyncio.create_task(world.engine.port.write("k", b"1"))
    await until(lambda: world.journal.waiting)
    impatient = asyncio.create_task(world.engine.finish())
    await asyncio.sleep(0)
    impatient.cancel()
    await until(lambda: world.ended)
    await asyncio.wait((write,))
    assert isinstance(write.exception(), WriteUnanswered)


async def test_a_store_that_cannot_be_read_stops_the_start() -> None:
    world = World()
    engine = Engine(replace(world.parts, past=UnreadablePast()))
    with pytest.raises(ConfigurationError, match="damaged"):
        await engine.prepare()
    await engine.finish()
    assert world.ended == ["lock"]


async def test_a_node_that_fails_is_told_and_everything_is_let_go() -> None:
    def explode(event: Event) -> list[Effect]:
        if isinstance(event, FrameReceived):
            raise ZeroDivisionError
        return []

    world = World(explode)
    await world.start()
    wire = MemoryWire()
    link = world.engine.hub.opened(wire)
    write = asyncio.create_task(world.engine.port.write("k", b"1"))
    await until(lambda: any(isinstance(event, WriteRequested) for event in world.node.events))
    with capture_logs() as logs:
        link.received("boom")
        await asyncio.wait_for(world.engine.wait_failed(), 5)
        assert not world.engine.ready
        await world.engine.finish()
    assert isinstance(world.engine.error, ZeroDivisionError)
    assert [line["event"] for line in logs] == ["node_failed"]
    assert isinstance(write.exception(), WriteRefused)
    assert wire.closed_with is not None
    assert world.journal.closed
    assert world.ended == ["lock"]
    assert StopRequested() not in world.node.events


async def test_a_journal_that_ends_by_a_bug_ends_the_node() -> None:
    world = World()
    await world.start()
    with capture_logs() as logs:
        world.journal.fail(ZeroDivisionError())
        await asyncio.wait_for(world.engine.wait_failed(), 5)
        assert not world.engine.ready
        await world.engine.finish()
    assert isinstance(world.engine.error, ZeroDivisionError)
    assert [line["event"] for line in logs] == ["node_failed"]
    assert StopRequested() in world.node.events
    assert world.ended == ["lock"]


async def test_who_is_taken_over_ends_without_leaving_and_says_so_in_one_line() -> None:
    world = World()
    await world.start()
    wire = MemoryWire()
    world.engine.hub.opened(wire)
    world.journal.held = True
    write = asyncio.create_task(world.engine.port.write("k", b"1"))
    await until(lambda: world.journal.waiting)
    over = EpochOver(1, 2)
    with capture_logs() as logs:
        world.journal.refuse(str(over))
        world.journal.fail(over)
        with pytest.raises(EpochOver):
            await asyncio.wait_for(world.engine.wait_failed(), 5)
        assert not world.engine.ready
        await world.engine.finish()
    assert world.engine.error is over
    assert logs == [{"event": "taken_over", "log_level": "error", "detail": str(over)}]
    assert world.node.events[-1] == CommitFailed((RequestId(1),), str(over))
    assert StopRequested() not in world.node.events
    assert wire.closed_with is not None
    assert world.journal.closed
    assert world.ended == ["lock"]
    assert running() is None
    write.cancel()


async def test_who_is_taken_over_while_it_stops_does_not_leave() -> None:
    world = World()
    await world.start()
    world.journal.held = True
    write = asyncio.create_task(world.engine.port.write("k", b"1"))
    await until(lambda: world.journal.waiting)
    finishing = asyncio.create_task(world.engine.finish())
    await asyncio.sleep(0)
    world.journal.fail(EpochOver(1, 2))
    await finishing
    assert StopRequested() not in world.node.events
    assert isinstance(write.exception(), WriteUnanswered)


async def test_who_is_taken_over_handles_nothing_more(world: World) -> None:
    await world.start()
    link = world.engine.hub.opened(MemoryWire())
    world.journal.held = True
    write = asyncio.create_task(world.engine.port.write("k", b"1"))
    await until(lambda: world.journal.waiting)
    world.journal.fail(EpochOver(1, 2))
    with pytest.raises(EpochOver):
        await asyncio.wait_for(world.engine.wait_failed(), 5)
    await asyncio.sleep(0)
    link.received("late")
    await world.engine.finish()
    assert world.node.frames == []
    assert isinstance(write.exception(), WriteUnanswered)


class Sharing:
    """What other processes have of an engine."""

    late = False

    def __init__(self) -> None:
        self.resigned: list[tuple[int, str] | None] = []
        """How the link was closed when the engine resigned."""
        self.entries: list[Entry] = []
        self.keys: list[str] = []
        self.checking: Callable[[], Awaitable[None]] | None = None

    def entry(self, entry: Entry) -> None:
        self.entries.append(entry)

    def forgotten(self, key: str) -> None:
        self.keys.append(key)

    async def check(self) -> None:
        if self.checking is not None:
            await self.checking()


async def start_shared(world: World, wire: MemoryWire) -> Sharing:
    sharing = Sharing()
    await world.engine.prepare()
    world.engine.share(sharing, sharing, lambda: sharing.resigned.append(wire.closed_with))
    await world.engine.begin()
    return sharing


async def test_who_shares_a_node_is_told_of_links_before_it_dials(world: World) -> None:
    await start_shared(world, MemoryWire())
    assert world.node.events[-1] == Started(7, 5, (PEER,), dial_after=DIAL_AFTER)


async def test_who_hands_over_does_not_leave_and_resigns_before_links_close(world: World) -> None:
    wire, late = MemoryWire(), MemoryWire()
    sharing = await start_shared(world, wire)
    world.engine.hub.opened(wire)
    world.journal.held = True
    write = asyncio.create_task(world.engine.port.write("k", b"1"))
    await until(lambda: world.journal.waiting)
    finishing = asyncio.create_task(world.engine.finish(leave=False))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    world.engine.hub.opened(late)
    world.journal.release()
    await finishing
    assert (await write).key == "k"
    assert StopRequested() not in world.node.events
    assert sharing.resigned == [None]
    assert wire.closed_with is not None
    # Another process goes on with it.
    assert late.closed_with is None


async def test_who_leaves_a_shared_node_does_not_resign(world: World) -> None:
    sharing = await start_shared(world, MemoryWire())
    await world.engine.finish()
    assert StopRequested() in world.node.events
    assert sharing.resigned == []


async def test_who_is_taken_over_resigns(world: World) -> None:
    sharing = await start_shared(world, MemoryWire())
    world.journal.fail(EpochOver(1, 2))
    with pytest.raises(EpochOver):
        await asyncio.wait_for(world.engine.wait_failed(), 5)
    await world.engine.finish()
    assert sharing.resigned == [None]


async def test_an_engine_that_is_not_prepared_is_not_shared(world: World) -> None:
    with pytest.raises(RuntimeError, match="not prepared"):
        world.engine.share(Sharing(), Sharing(), lambda: None)


async def test_a_start_that_is_broken_off_does_not_wait_for_the_store() -> None:
    answers, asked = threading.Event(), threading.Event()

    class SlowPast(MemoryPast):
        def begin_life(self, wall: int) -> tuple[int, int]:
            asked.set()
            answers.wait(20)
            return super().begin_life(wall)

    world = World()
    engine = Engine(replace(world.parts, past=SlowPast()))
    preparing = asyncio.create_task(engine.prepare())
    try:
        await asyncio.to_thread(asked.wait, 5)
        preparing.cancel()
        # In the loop: were it blocked, nobody would ever let the store answer.
        await asyncio.wait((preparing,))
        assert not answers.is_set()
        await engine.finish()
        assert world.ended == ["lock"]
    finally:
        answers.set()


async def test_who_is_not_sure_that_the_node_is_still_ours_stops_without_leaving(
    world: World,
) -> None:
    sharing = await start_shared(world, MemoryWire())
    checked = asyncio.Event()

    async def check() -> None:
        checked.set()
        await asyncio.Event().wait()

    sharing.late, sharing.checking = True, check
    world.engine.hub.opened(MemoryWire())
    await checked.wait()
    await asyncio.wait_for(world.engine.finish(), 4)
    assert StopRequested() not in world.node.events
    assert world.journal.closed
