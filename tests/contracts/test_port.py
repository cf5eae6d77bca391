"""What every `NodePort` promises to services."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from random import Random

import pytest
import pytest_asyncio

from gossip.core.config import Config
from gossip.core.effects import Dial
from gossip.core.entries import Entry
from gossip.core.errors import WriteRefused
from gossip.core.node import Node
from gossip.relay.edge import Edge
from gossip.relay.layer import Layer
from gossip.relay.outage import Outage
from gossip.relay.shared_port import SharedPort
from gossip.relay.web_side import WebSide
from gossip.relay.worker import Worker
from gossip.runtime.engine import Engine, Parts
from gossip.runtime.ports import STEP, DialRefused, Hub, NodePort
from gossip.runtime.watch import ChangeKind, Interest, WatchRefused
from gossip.stores.lease import Lease
from gossip.stores.redis_client import open_redis
from gossip.stores.view import SharedView, ViewReader
from tests.support.fake_port import FakePort
from tests.support.layer import MemoryLayer
from tests.support.runtime import EmptyPast, MemoryJournal, no_fetcher, until
from tests.support.valkey import Valkey


class Subject:
    """A port, and hands on its store."""

    def __init__(
        self,
        port: NodePort,
        hold: Callable[[], None],
        waiting: Callable[[], object],
        release: Callable[[], None],
        add_reason: Callable[[str], None],
    ) -> None:
        self.port = port
        self.hold = hold
        """From now on writes wait for their commit."""
        self.waiting = waiting
        """Whether one waits."""
        self.release = release
        """Commit them."""
        self.add_reason = add_reason
        """Something is wrong with the process that is asked."""


@asynccontextmanager
async def in_process(
    prepared: Callable[[Engine, Node], Awaitable[None]] | None = None,
) -> AsyncIterator[Subject]:
    """The real node behind its engine, with a store in memory."""

    async def nobody(dial: Dial, hub: Hub) -> None:
        raise DialRefused("nothing listens")

    config = Config(node_id="me", public_key="", gossip_endpoint=None, api_endpoint="")
    journal = MemoryJournal()
    node = Node(config, Random(1))
    engine = Engine(
        Parts(
            config=config,
            node=node,
            past=EmptyPast(),
            journal=journal,
            dialer=nobody,
            fetcher=no_fetcher,
            release=lambda: None,
        )
    )
    await engine.prepare()
    if prepared is not None:
        await prepared(engine, node)
    await engine.begin()

    def hold() -> None:
        journal.held = True

    def release() -> None:
        journal.held = False
        journal.release()

    yield Subject(engine.port, hold, lambda: journal.waiting, release, engine.add_reason)
    release()
    await engine.finish()


@asynccontextmanager
async def shared(server: Valkey) -> AsyncIterator[Subject]:
    """The same node, asked by a web process: by way of a layer in memory and a view in Redis."""
    layer = Layer(MemoryLayer())
    server.flush()
    async with AsyncExitStack() as held:
        redis = await held.enter_async_context(open_redis(server.url))
        lease = Lease(redis, "p", "worker", node_id="me")
        assert await lease.acquire()
        workers: list[Worker] = []

        async def share(engine: Engine, node: Node) -> None:
            worker = Worker(
                engine,
                node,
                1,
                layer=layer,
                view=SharedView(redis, "p", 1),
                lease=lease,
                outage=Outage("lease"),
                epoch_holds=always,
            )
            await worker.prepare()
            workers.append(worker)

        made = await held.enter_async_context(in_process(share))
        web = WebSide(layer, Edge(100, 60.0))
        tasks = [asyncio.create_task(each) for each in (workers[0].run(), web.run())]
        conditions: list[str] = []
        port = SharedPort(ViewReader(redis, "p"), web, conditions)
        await until(lambda: port.ready)
        yield Subject(port, made.hold, made.waiting, made.release, conditions.append)
        made.release()
        await workers[0].stop()
        await web.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def always() -> bool:
    return True


@asynccontextmanager
async def fake() -> AsyncIterator[Subject]:
    port = FakePort()

    def add_reason(reason: str) -> None:
        port.tell(reasons=(reason,))

    yield Subject(port, port.gate.clear, lambda: port.waiting, port.gate.set, add_reason)


@pytest_asyncio.fixture(params=["in_process", "shared", "fake"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    make: AbstractAsyncContextManager[Subject]
    match request.param:
        case "in_process":
            make = in_process()
        case "shared":
            make = shared(request.getfixturevalue("server"))
        case _:
            make = fake()
    async with make as made:
        yield made


@pytest.fixture
def port(subject: Subject) -> NodePort:
    return subject.port


async def held(port: NodePort, prefix: str = "", after: str = "") -> list[Entry]:
    return [entry async for step in port.entries(prefix, after) for entry in step]


async def test_a_key_never_written_is_unknown(port: NodePort) -> None:
    assert await port.get("k") is None
    assert await held(port) == []


async def test_a_running_node_is_ready_in_its_loop(port: NodePort) -> None:
    assert port.ready
    assert port.stale_for < 1
    assert port.loop is asyncio.get_running_loop()


async def test_what_is_wrong_with_the_process_is_in_the_overview(subject: Subject) -> None:
    assert (await subject.port.overview()).reasons == ()
    subject.add_reason("an unprotected server")
    assert (await subject.port.overview()).reasons == ("an unprotected server",)


async def test_a_write_is_read_as_soon_as_it_returns(port: NodePort) -> None:
    entry = await port.write("k", b'{"a":1}')
    assert entry.key == "k"
    assert entry.value == b'{"a":1}'
    assert await port.get("k") == entry
    assert await held(port) == [entry]


async def test_versions_of_a_key_grow(port: NodePort) -> None:
    versions = [(await port.write("k", b"1")).version for _ in range(3)]
    assert versions == sorted(set(versions))


async def test_a_delete_leaves_a_tombstone(port: NodePort) -> None:
    await port.write("k", b"1")
    tombstone = await port.write("k", None)
    assert tombstone.deleted
    assert await port.get("k") == tombstone
    assert await held(port) == [tombstone]
    now = await port.overview()
    assert (now.live, now.total) == (0, 1)


async def test_entries_are_ordered_by_key(port: NodePort) -> None:
    for key in ("b", "ä", "a", "A", "ab"):
        await port.write(key, b"1")
    assert [entry.key for entry in await held(port)] == ["A", "a", "ab", "b", "ä"]


@pytest.mark.parametrize(
    ("prefix", "after", "found"),
    [
        ("a", "", ["a", "a/1", "a/2", "ab"]),
        ("a/", "", ["a/1", "a/2"]),
        ("a/", "a/1", ["a/2"]),
        ("a/", "Z", ["a/1", "a/2"]),
        ("a/", "b", []),
        ("", "a/2", ["ab", "b"]),
        ("", "a/15", ["a/2", "ab", "b"]),
        ("c", "", []),
    ],
)
async def test_entries_of_a_prefix_and_behind_a_key(
    port: NodePort, prefix: str, after: str, found: list[str]
) -> None:
    for key in ("a", "a/1", "a/2", "ab", "b"):
        await port.write(key, b"1")
    assert [entry.key for entry in await held(port, prefix, after)] == found


@pytest.mark.parametrize("prefix", ["", "b", "b1", "b399"])
@pytest.mark.parametrize("after", ["", "a399", "b", "b0999", "b398", "c"])
async def test_entries_of_a_prefix_wherever_a_step_ends(
    port: NodePort, prefix: str, after: str
) -> None:
    keys = [f"{letter}{number:03}" for letter in "abc" for number in range(400)]
    await asyncio.gather(*(port.write(key, b"1") for key in keys))
    wanted = [key for key in keys if key.startswith(prefix) and key > after]
    assert [entry.key for entry in await held(port, prefix, after)] == wanted


async def test_entries_come_in_steps_in_which_what_is_held_all_along_is_seen_once(
    port: NodePort,
) -> None:
    keys = [f"k{number:04}" for number in range(2 * STEP + 1)]
    await asyncio.gather(*(port.write(key, b"1") for key in keys))
    reading = port.entries(after="k0000")
    seen = await anext(reading)
    changed = await port.write(keys[-1], b"2")
    await asyncio.gather(*(port.write(f"{key}+", b"1") for key in keys))
    async for step in reading:
        assert 0 < len(step) <= STEP
        seen += step
    assert [entry.key for entry in seen if not entry.key.endswith("+")] == keys[1:]
    assert seen == sorted(seen, key=lambda entry: entry.key)
    assert changed in await held(port)


async def test_others_have_their_turn_between_two_steps(port: NodePort) -> None:
    await asyncio.gather(*(port.write(f"k{number}", b"1") for number in range(2 * STEP)))
    reading, turn = port.entries(), asyncio.Event()
    await anext(reading)
    port.loop.call_soon(turn.set)
    await anext(reading)
    assert turn.is_set()


async def test_a_write_is_in_no_read_before_it_is_durable(subject: Subject, port: NodePort) -> None:
    old = await port.write("k", b"1")
    subject.hold()
    writing = asyncio.create_task(port.write("k", b"2"))
    await until(subject.waiting)
    assert await port.get("k") == old
    assert await held(port) == [old]
    subject.release()
    written = await writing
    assert await port.get("k") == written


async def test_a_cancelled_writer_breaks_nothing(subject: Subject, port: NodePort) -> None:
    subject.hold()
    impatient = asyncio.create_task(port.write("k", b"1"))
    await until(subject.waiting)
    impatient.cancel()
    await asyncio.wait((impatient,))
    subject.release()
    assert await port.get("k2") is None
    assert (await port.write("k2", b"2")).value == b"2"


async def test_concurrent_writes_are_all_answered(port: NodePort) -> None:
    entries = await asyncio.gather(*(port.write(f"k{number}", b"1") for number in range(200)))
    assert [entry.key for entry in entries] == [f"k{number}" for number in range(200)]
    assert len(await held(port)) == 200


async def test_what_is_known_here_is_known_in_any_thread(port: NodePort) -> None:
    def look() -> tuple[bool, bool, int]:
        return port.ready, port.stale_for < 1, port.watch_counts.watching

    assert await asyncio.to_thread(look) == (True, True, 0)


async def test_a_thread_writes_through_the_loop_of_the_port(port: NodePort) -> None:
    def write() -> int:
        return asyncio.run_coroutine_threadsafe(port.write("k", b"1"), port.loop).result(5).version

    version = await asyncio.to_thread(write)
    entry = await port.get("k")
    assert entry is not None
    assert entry.version == version


async def test_a_watcher_hears_of_a_write_that_it_can_read(port: NodePort) -> None:
    watch = await port.watch(Interest(), None, port.loop)
    written = [await port.write("k", b"1"), await port.write("k", None)]
    changes = [await anext(watch) for _ in range(2)]
    assert [change.entry for change in changes] == written
    assert [change.kind for change in changes] == [ChangeKind.DATA_SET, ChangeKind.DATA_DELETED]
    assert await port.get("k") == written[1]
    assert port.watch_counts.watching == 1
    watch.close()
    assert port.watch_counts.watching == 0


async def test_a_write_is_not_told_before_it_is_durable(subject: Subject, port: NodePort) -> None:
    watch = await port.watch(Interest(), None, port.loop)
    subject.hold()
    writing = asyncio.create_task(port.write("k", b"1"))
    await until(subject.waiting)
    hearing = asyncio.create_task(watch.batch())
    await asyncio.sleep(0)
    assert not hearing.done()
    subject.release()
    written = await writing
    assert [change.entry for change in await hearing] == [written]
    watch.close()


async def test_in_process_the_entries_are_of_the_keys_at_the_call() -> None:
    async with in_process() as made:
        await made.port.write("a", b"1")
        reading = made.port.entries()
        await made.port.write("b", b"1")
        assert [[entry.key for entry in step] async for step in reading] == [["a"]]
        assert made.port.stale_for == 0


async def test_a_stopped_node_ends_its_watches_and_takes_no_more() -> None:
    async with in_process() as made:
        watch = await made.port.watch(Interest(), None, made.port.loop)
        await made.port.write("k", b"1")
    assert [change.subject async for change in watch] == ["k"]
    with pytest.raises(WatchRefused):
        await made.port.watch(Interest(), None, made.port.loop)


async def test_a_stopped_node_refuses_writes_and_is_not_ready() -> None:
    async with in_process() as made:
        port = made.port
    assert not port.ready
    with pytest.raises(WriteRefused) as refusal:
        await port.write("k", b"1")
    assert refusal.value.reason == "stopping"


async def test_vitals_tell_of_the_store_and_the_queues(subject: Subject) -> None:
    port = subject.port
    idle = await port.vitals()
    assert (idle.backlog, idle.journal_failing, idle.writes_waiting) == (0, False, 0)
    assert idle.events_waiting == idle.outbound_waiting == 0


async def test_a_version_of_the_future_that_is_not_there_may_be_dropped(port: NodePort) -> None:
    await port.drop_aside("k")
    assert await port.aside() == []


async def test_a_member_that_is_not_there_may_be_forgotten(port: NodePort) -> None:
    await port.forget("nobody")
    assert await port.members() == []
    assert await port.aside() == []
