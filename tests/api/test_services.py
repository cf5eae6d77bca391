"""What programs may ask of the node in their process, from coroutines and from threads."""

import asyncio
import math
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from gossip import services
from gossip.core.entries import Entry
from gossip.core.errors import EntryFault, WriteRefused, WriteUnanswered
from gossip.runtime.ports import STEP
from gossip.services import (
    ChangeKind,
    ForgetRefused,
    NoEngine,
    Unavailable,
    UnknownKey,
    UnknownMember,
    asking,
)
from tests.support.fake_port import NOW, FakePort
from tests.support.runtime import until


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


# Reading


async def test_get_finds_what_has_a_value(port: FakePort) -> None:
    entry = Entry("k", 5, b"null")
    port.hold(entry, Entry("gone", 5, None))
    assert await services.aget("k") == await asyncio.to_thread(services.get, "k") == entry
    assert await services.aget("gone") is None
    assert await services.aget("never") is None


async def test_e6_what_has_expired_is_gone(port: FakePort) -> None:
    port.hold(Entry("past", 5, b"1", 1), Entry("future", 5, b"1", 2**53 - 1))
    assert await services.aget("past") is None
    assert await services.aget("future") is not None
    assert [entry.key async for entry in services.aentries()] == ["future"]
    with pytest.raises(UnknownKey):
        await services.adelete("past")


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, services.LONGEST_TTL + 1])
async def test_e6_a_ttl_out_of_bounds_is_refused(port: FakePort, ttl: float) -> None:
    with pytest.raises(EntryFault, match="ttl"):
        await services.aset("k", 1, ttl=ttl)
    assert await port.held() == []


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({}, ["a", "b", "ba", "c"]),
        ({"prefix": "b"}, ["b", "ba"]),
        ({"after": "a", "limit": 2}, ["b", "ba"]),
        ({"prefix": "x"}, []),
    ],
)
async def test_entries_are_ordered_and_without_tombstones(
    port: FakePort, asked: dict[str, Any], keys: list[str]
) -> None:
    port.hold(*(Entry(key, 1, b"1") for key in ["b", "a", "ba", "c"]), Entry("bb", 1, None))
    assert [entry.key async for entry in services.aentries(**asked)] == keys

    def in_a_thread() -> list[str]:
        return [entry.key for entry in services.entries(**asked)]

    async def in_another_loop() -> list[str]:
        return [entry.key async for entry in services.aentries(**asked)]

    assert await asyncio.to_thread(in_a_thread) == keys
    assert await asyncio.to_thread(asyncio.run, in_another_loop()) == keys


async def test_entries_come_in_steps(port: FakePort) -> None:
    port.hold(*(Entry(f"k{number:04}", 1, b"1") for number in range(2 * STEP + 1)))
    sizes = [STEP, STEP, 1]
    assert [len(entries) async for entries in services.aslices()] == sizes
    assert await asyncio.to_thread(lambda: [len(step) for step in services.slices()]) == sizes
    some = services.aslices(after="k0998", limit=STEP + 1)
    assert [entry.key async for step in some for entry in step] == ["k0999", "k1000"]
    limited = services.aslices(limit=STEP + 2)
    assert [len(entries) async for entries in limited] == [STEP, 2]


async def test_the_snapshot_is_taken_at_the_call(port: FakePort) -> None:
    steps = services.aslices(tombstones=True)
    port.hold(Entry("k", 1, None))
    assert [step async for step in steps] == []
    assert [step async for step in services.aslices(tombstones=True)] == [[Entry("k", 1, None)]]


async def test_a_thread_reads_on_from_the_snapshot_of_its_call(port: FakePort) -> None:
    port.hold(Entry("a", 1, b"1"))
    steps = await asyncio.to_thread(services.slices)
    port.hold(Entry("b", 1, b"1"))
    assert await asyncio.to_thread(list, steps) == [[Entry("a", 1, b"1")]]


async def test_members_by_status(port: FakePort) -> None:
    port.know("0xb", "suspected")
    port.know("0xa")
    assert [view.record.node_id for view in await services.amembers()] == ["0xa", "0xb"]
    assert [view.record.node_id for view in await services.amembers("suspected")] == ["0xb"]


async def test_what_a_coroutine_reads_a_thread_and_another_loop_read_too(port: FakePort) -> None:
    port.know("0xa")
    port.waiting_for_their_time = [Entry("k", 2**53 - 1, b"1")]
    both: list[tuple[Callable[[], Coroutine[Any, Any, object]], Callable[[], object]]] = [
        (services.amembers, services.members),
        (services.aoverview, services.overview),
        (services.ahealth, services.health),
        (services.avitals, services.vitals),
        (services.aaside, services.aside),
    ]
    for coroutine, call in both:
        told = await coroutine()
        assert told
        assert await asyncio.to_thread(call) == told
        assert await asyncio.to_thread(asyncio.run, coroutine()) == told


async def test_waiting_in_the_loop_of_the_node_would_wait_for_itself(port: FakePort) -> None:
    port.hold(Entry("k", 1, b"1"))
    calls: dict[str, Callable[[], object]] = {
        "aget": lambda: services.get("k"),
        "aset": lambda: services.set("k", 1),
        "adelete": lambda: services.delete("k"),
        "aentries": services.entries,
        "aslices": services.slices,
        "amembers": services.members,
        "aoverview": services.overview,
        "ahealth": services.health,
        "avitals": services.vitals,
        "aaside": services.aside,
        "adrop_aside": lambda: services.drop_aside("k"),
        "aforget": lambda: services.forget("0xa"),
    }
    for instead, call in calls.items():
        assert callable(getattr(services, instead))
        with pytest.raises(RuntimeError, match=rf"await {instead}\(\) instead"):
            call()
    assert await port.get("k") == Entry("k", 1, b"1")


def test_without_a_node_the_choices_are_named() -> None:
    for call in (services.overview, services.members, services.slices, services.health):
        with pytest.raises(NoEngine, match=r"URL.*Redis.*embed"):
            call()
    with pytest.raises(NoEngine):
        services.set("k", 1)
    with pytest.raises(NoEngine):
        asyncio.run(services.aget("k"))
    assert services.ready().ready is False


async def test_a_node_that_cannot_be_asked_says_so_everywhere(port: FakePort) -> None:
    port.unavailable = Unavailable("the view does not answer")
    for read in (services.amembers, services.aoverview, services.ahealth, services.aaside):
        with pytest.raises(Unavailable, match="the view does not answer"):
            await read()
    with pytest.raises(Unavailable, match="the view does not answer"):
        await asyncio.to_thread(services.get, "k")
    with pytest.raises(Unavailable, match="the view does not answer"):
        await asyncio.to_thread(lambda: list(services.slices()))


async def test_reading_from_elsewhere_has_an_end(
    port: FakePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "TIMEOUT", 0.01)
    outcomes: list[BaseException] = []

    def read() -> None:
        with pytest.raises(Unavailable) as late:
            services.get("k")
        outcomes.append(late.value)
        with pytest.raises(Unavailable) as late:
            asyncio.run(services.aget("k"))
        outcomes.append(late.value)

    reading = threading.Thread(target=read)
    reading.start()
    # The loop is busy all the while.
    reading.join()
    assert [str(late) for late in outcomes] == ["the node did not answer within 0.01 s"] * 2


# Writing


async def test_set_from_a_thread(port: FakePort) -> None:
    entry = await asyncio.to_thread(services.set, "k", {"a": [1, 2.0, None, True, "é"]})
    assert entry.version == NOW
    assert await port.get("k") == entry
    assert entry.value == '{"a":[1,2,null,true,"é"]}'.encode()


async def test_delete_from_a_thread(port: FakePort) -> None:
    port.hold(Entry("k", 5, b"1"))
    tombstone = await asyncio.to_thread(services.delete, "k")
    assert tombstone.deleted


async def test_aset_in_the_loop_of_the_node(port: FakePort) -> None:
    entry = await services.aset("k", msgspec.Raw(b' {"a" : 1.0} '))
    assert entry.value == b'{"a":1}'
    assert (await services.adelete("k")).deleted


async def test_aset_in_another_loop(port: FakePort) -> None:
    entry = await asyncio.to_thread(asyncio.run, services.aset("k", 1))
    assert await port.get("k") == entry


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        {"a": [-math.inf]},
        {1: 2},
        {None: 2},
        {"a": {("b",): 1}},
        b"bytes",
        {1, 2},
        object(),
        "\ud800",
        {"\udfff": 1},
        10**400,
        msgspec.Raw(b"NaN"),
        msgspec.Raw(b""),
        nested(33),
    ],
)
async def test_what_json_cannot_say(port: FakePort, value: object) -> None:
    with pytest.raises(EntryFault):
        await services.aset("k", value)
    assert await port.get("k") is None


async def test_an_endless_value(port: FakePort) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(EntryFault) as fault:
        await services.aset("k", endless)
    assert fault.value.reason == "depth"


async def test_the_deepest_value(port: FakePort) -> None:
    assert (await services.aset("k", nested(32))).value == b"[" * 32 + b"]" * 32


async def test_the_largest_value(port: FakePort) -> None:
    await services.aset("k", "a" * 131_070)
    with pytest.raises(EntryFault) as fault:
        await services.aset("k", "a" * 131_071)
    assert fault.value.reason == "value-size"


@pytest.mark.parametrize("key", ["", "a" * 513, "é" * 257, "\ud800"])
async def test_what_cannot_be_a_key(port: FakePort, key: str) -> None:
    with pytest.raises(EntryFault) as fault:
        await services.aset(key, 1)
    assert fault.value.reason == "key"


async def test_deleting_what_is_not_there(port: FakePort) -> None:
    port.hold(Entry("gone", 5, None))
    for key in ("gone", "never"):
        with pytest.raises(KeyError) as unknown:
            await services.adelete(key)
        assert isinstance(unknown.value, UnknownKey)
        assert str(unknown.value) == f"Key '{key}' not found"


async def test_a_refusal_reaches_the_writer(port: FakePort) -> None:
    port.refusal = WriteRefused("clock", "off by an hour")
    with pytest.raises(WriteRefused, match="off by an hour"):
        await services.aset("k", 1)
    with pytest.raises(WriteRefused, match="off by an hour"):
        await asyncio.to_thread(services.set, "k", 1)


async def test_waiting_has_an_end(port: FakePort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "TIMEOUT", 0.01)
    port.gate.clear()
    with pytest.raises(WriteUnanswered, match="may still happen"):
        await services.aset("k", 1)
    with pytest.raises(WriteUnanswered):
        await asyncio.to_thread(services.set, "k", 1)
    with pytest.raises(WriteUnanswered):
        await asyncio.to_thread(asyncio.run, services.aset("k", 1))


async def test_a_member_is_forgotten_unless_it_is_here(port: FakePort) -> None:
    port.know("0xa", "inactive")
    port.know("0xb", "active")
    await services.aforget("0xa")
    assert [view.record.node_id for view in await services.amembers()] == ["0xb"]
    with pytest.raises(UnknownMember, match="0xa"):
        await asyncio.to_thread(services.forget, "0xa")
    with pytest.raises(ForgetRefused, match="is connected"):
        await services.aforget("0xb")


async def test_a_version_of_the_future_is_dropped_from_a_thread(port: FakePort) -> None:
    waiting = Entry("k", 2**53 - 1, b"1")
    port.waiting_for_their_time = [waiting]
    assert await asyncio.to_thread(services.drop_aside, "k") == waiting
    with pytest.raises(UnknownKey):
        await services.adrop_aside("k")


# Watching


async def test_a_watch_hears_what_happens_while_it_lasts(port: FakePort) -> None:
    async with services.watch(prefix="a") as changes:
        port.hold(Entry("b", 1, b"1"), Entry("ab", 1, b"2"))
        change = await anext(changes)
        assert (change.kind, change.subject) == (ChangeKind.DATA_SET, "ab")
        assert change.entry == Entry("ab", 1, b"2")
        assert services.watch_counts().watching == 1
    assert services.watch_counts().watching == 0


async def test_a_watch_may_be_about_some_kinds_and_resume(port: FakePort) -> None:
    async with services.watch(kinds={ChangeKind.DATA_DELETED}) as changes:
        port.hold(Entry("a", 1, b"1"), Entry("a", 2, None))
        last = await anext(changes)
        assert last.kind is ChangeKind.DATA_DELETED
    port.hold(Entry("b", 1, b"1"))
    async with services.watch(after=last.id) as changes:
        assert changes.resumed
        assert (await anext(changes)).subject == "b"


async def test_a_watch_in_another_event_loop(port: FakePort) -> None:
    async def watch() -> list[str]:
        async with services.watch() as changes:
            return [(await anext(changes)).subject for _ in range(2)]

    watching = asyncio.create_task(asyncio.to_thread(asyncio.run, watch()))
    await until(lambda: port.feed.watched)
    port.hold(Entry("a", 1, b"1"), Entry("b", 1, b"1"))
    assert await watching == ["a", "b"]
    await until(lambda: port.watch_counts.watching == 0)


async def test_a_watch_needs_a_node() -> None:
    with pytest.raises(NoEngine):
        async with services.watch():
            pass
