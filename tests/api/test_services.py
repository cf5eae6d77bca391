"""What programs may ask of the node in their process, from coroutines and from threads."""

import asyncio
import math
from typing import Any

import msgspec
import pytest

from gossip import services
from gossip.core.entries import Entry
from gossip.core.errors import EntryFault, WriteRefused, WriteUnanswered
from gossip.services import ChangeKind, NoEngine, UnknownKey
from tests.support.fake_port import NOW, FakePort
from tests.support.runtime import until


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


# Reading


async def test_get_finds_what_has_a_value(port: FakePort) -> None:
    port.hold(Entry("k", 5, b"null"), Entry("gone", 5, None))
    assert services.get("k") == await services.aget("k") == Entry("k", 5, b"null")
    assert services.get("gone") is None
    assert services.get("never") is None


async def test_e6_what_has_expired_is_gone(port: FakePort) -> None:
    port.hold(Entry("past", 5, b"1", 1), Entry("future", 5, b"1", 2**53 - 1))
    assert services.get("past") is None
    assert services.get("future") is not None
    assert [entry.key for entry in services.entries()] == ["future"]
    with pytest.raises(UnknownKey):
        await services.adelete("past")


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, services.LONGEST_TTL + 1])
async def test_e6_a_ttl_out_of_bounds_is_refused(port: FakePort, ttl: float) -> None:
    with pytest.raises(EntryFault, match="ttl"):
        await services.aset("k", 1, ttl=ttl)
    assert list(port.entries()) == []


async def test_entries_are_ordered_and_without_tombstones(port: FakePort) -> None:
    port.hold(*(Entry(key, 1, b"1") for key in ["b", "a", "ba", "c"]), Entry("bb", 1, None))
    assert [entry.key for entry in services.entries()] == ["a", "b", "ba", "c"]
    assert [entry.key for entry in services.entries(prefix="b")] == ["b", "ba"]
    assert [entry.key for entry in services.entries(after="a", limit=2)] == ["b", "ba"]


async def test_a_step_looks_at_a_bounded_number_of_entries(port: FakePort) -> None:
    port.hold(*(Entry(f"k{number:04}", 1, b"1") for number in range(2 * services.SLICE + 1)))
    sizes = [len(entries) for entries in services.slices()]
    assert sizes == [services.SLICE, services.SLICE, 1]
    assert [len(entries) for entries in services.slices(after="k0998")] == [0, 1, 1]


async def test_steps_end_behind_the_prefix(port: FakePort) -> None:
    port.hold(Entry("a", 1, b"1"), *(Entry(f"k{number}", 1, b"1") for number in range(5_000)))
    assert [len(entries) for entries in services.slices(prefix="a")] == [1]


async def test_the_snapshot_is_taken_at_the_call(port: FakePort) -> None:
    steps = services.slices(tombstones=True)
    port.hold(Entry("k", 1, b"1"))
    assert list(steps) == []


async def test_members_by_status(port: FakePort) -> None:
    port.know("0xb", "suspected")
    port.know("0xa")
    assert [view.record.node_id for view in services.members()] == ["0xa", "0xb"]
    assert [view.record.node_id for view in services.members("suspected")] == ["0xb"]


def test_without_a_node_the_choices_are_named() -> None:
    for call in (services.overview, services.members, services.slices, services.health):
        with pytest.raises(NoEngine, match=r"URL.*Redis.*embed"):
            call()
    with pytest.raises(NoEngine):
        services.set("k", 1)
    assert services.ready().ready is False


# Writing


async def test_set_from_a_thread(port: FakePort) -> None:
    entry = await asyncio.to_thread(services.set, "k", {"a": [1, 2.0, None, True, "é"]})
    assert entry.version == NOW
    assert port.get("k") == entry
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
    assert port.get("k") == entry


async def test_set_in_the_loop_of_the_node_would_wait_for_itself(port: FakePort) -> None:
    with pytest.raises(RuntimeError, match="aset"):
        services.set("k", 1)
    assert port.get("k") is None


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
    assert port.get("k") is None


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
    monkeypatch.setattr(services, "WRITE_TIMEOUT", 0.01)
    port.gate.clear()
    with pytest.raises(WriteUnanswered, match="may still happen"):
        await services.aset("k", 1)
    with pytest.raises(WriteUnanswered):
        await asyncio.to_thread(services.set, "k", 1)
    with pytest.raises(WriteUnanswered):
        await asyncio.to_thread(asyncio.run, services.aset("k", 1))


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
