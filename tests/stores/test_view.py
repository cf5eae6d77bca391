"""The shared view on a real Redis: what its worker writes, and what readers see of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress

import pytest
from redis.asyncio import Redis

from gossip.core.entries import Entry
from gossip.runtime.ports import EpochOver
from gossip.stores.lease import Lease
from gossip.stores.redis_client import open_redis
from gossip.stores.view import Numbers, SharedView, ViewLost, ViewReader, ViewUnavailable
from gossip.stores.view_reader import LOOKUPS, PAGE
from tests.support.valkey import Valkey

ENTRIES, ORDER, EPOCH = "{p}:entries", "{p}:order", "{p}:epoch"
Call = Callable[[], Awaitable[object]]
GENEROUS = 20
"""Seconds for what is over in two."""


@pytest.fixture
def view(redis: Redis) -> SharedView:
    return SharedView(redis, "p", 5)


@pytest.fixture
def reader(redis: Redis) -> ViewReader:
    return ViewReader(redis, "p")


def entry(key: str, version: int = 1, value: bytes | None = b"1") -> Entry:
    return Entry(key, version, value, None, 1_700_000_000_000 + version, "0x1")


def numbers(version: int = 1) -> Numbers:
    return Numbers(version, 1_700_000_000_000 + version, version, 2 * version)


async def pages(reader: ViewReader, prefix: str = "", after: str = "") -> list[list[Entry]]:
    return [page async for page in reader.entries(prefix, after)]


async def contents(reader: ViewReader, prefix: str = "", after: str = "") -> list[Entry]:
    return [entry for page in await pages(reader, prefix, after) for entry in page]


async def keys(reader: ViewReader, prefix: str = "", after: str = "") -> list[str]:
    return [entry.key for entry in await contents(reader, prefix, after)]


async def test_what_was_filled_is_read(view: SharedView, reader: ViewReader) -> None:
    entries = (
        Entry("a", 2**53 - 1, b'{"x":"\xc3\xa4"}', 1_700_000_000_001, 1_700_000_000_000, "0x1"),
        Entry("b", 1, None),
        Entry("c", 3, b"null", origin="someone"),
    )
    await view.fill([entries[:2], entries[2:]], numbers(7))
    for wanted in entries:
        found = await reader.get(wanted.key)
        assert found == wanted
        assert found is not None
        assert (found.timestamp, found.origin) == (wanted.timestamp, wanted.origin)
    assert await contents(reader) == list(entries)
    assert await reader.numbers() == numbers(7)


async def test_readers_hash_nothing(view: SharedView, reader: ViewReader) -> None:
    await view.fill([(entry("a"),)], numbers())
    found = await reader.get("a")
    assert found is not None
    assert (found._hash, found._value_hash) == (entry("a").hash, entry("a").value_hash)


async def test_a_key_that_is_not_there(view: SharedView, reader: ViewReader) -> None:
    await view.fill([(entry("a"),)], numbers())
    assert await reader.get("b") is None
    assert await reader.get("") is None


async def test_a_node_without_entries_has_a_view(view: SharedView, reader: ViewReader) -> None:
    await view.fill([], numbers(0))
    assert await contents(reader) == []
    assert await reader.get("a") is None
    assert await reader.numbers() == numbers(0)
    await view.apply([entry("a")], [], numbers())
    assert await keys(reader) == ["a"]
    await view.fill([], numbers(0))
    assert await contents(reader) == []


async def test_slices_may_come_by_and_by(view: SharedView, reader: ViewReader) -> None:
    async def slices() -> AsyncIterator[Sequence[Entry]]:
        for key in "abc":
            await asyncio.sleep(0)
            yield (entry(key),)

    await view.fill(slices(), numbers())
    assert await keys(reader) == ["a", "b", "c"]


async def test_changes_are_applied(view: SharedView, reader: ViewReader) -> None:
    await view.fill([[entry(key) for key in "abcd"]], numbers(4))
    await view.apply([entry("b", 2, None), entry("e")], ["c", "unknown"], numbers(6))
    assert await contents(reader) == [
        *(entry("a"), entry("b", 2, None), entry("d"), entry("e")),
    ]
    assert await reader.get("b") == entry("b", 2, None)
    assert await reader.get("c") is None
    assert await reader.numbers() == numbers(6)


async def test_more_than_one_call_takes(view: SharedView, reader: ViewReader) -> None:
    many = [entry(f"{number:05}") for number in range(2_345)]
    await view.fill([many], numbers())
    assert await contents(reader) == many
    changed = [entry(each.key, 2) for each in many]
    await view.apply(changed, [], numbers())
    assert await contents(reader) == changed
    await view.apply([], [each.key for each in many[1:]], numbers())
    assert await contents(reader) == changed[:1]


async def test_the_largest_values(view: SharedView, reader: ViewReader) -> None:
    large = b'"' + b"x" * 131_000 + b'"'
    entries = [entry(f"{number:03}", 1, large) for number in range(100)]
    await view.fill([entries], numbers())
    await view.apply(entries, [], numbers())
    found = await pages(reader)
    assert [each for page in found for each in page] == entries
    assert {len(page) for page in found} == {9, 1}
    assert await asyncio.gather(*(reader.get(each.key) for each in entries)) == entries


async def test_keys_come_in_the_order_of_code_points(view: SharedView, reader: ViewReader) -> None:
    some = ["B", "a", "a\x00", "aa", "b", "z", "ä", "\u07ff", "\ufffd", "😀", "\U0010ffff"]
    await view.fill([[entry(key) for key in reversed(some)]], numbers())
    assert await keys(reader) == sorted(some) == some
    for prefix in ("a", "ä", "😀", "c"):
        assert await keys(reader, prefix) == [key for key in some if key.startswith(prefix)]
    assert await keys(reader, after="b") == some[5:]
    assert await keys(reader, "a", after="a\x00") == ["aa"]
    assert await keys(reader, "a", after="B") == ["a", "a\x00", "aa"]
    assert await keys(reader, "a", after="b") == []


async def test_pages_are_bounded(view: SharedView, reader: ViewReader) -> None:
    await view.fill([[entry(f"{number:05}") for number in range(PAGE + 1)]], numbers())
    assert [len(page) for page in await pages(reader)] == [PAGE, 1]
    await view.apply([], ["00000"], numbers())
    assert [len(page) for page in await pages(reader)] == [PAGE]


async def test_what_changes_between_two_pages_leaves_nothing_else_out(
    view: SharedView, reader: ViewReader
) -> None:
    many = [f"{number:05}" for number in range(2 * PAGE)]
    await view.fill([[entry(key) for key in many]], numbers())
    seen: list[str] = []
    async for page in reader.entries():
        seen += [each.key for each in page]
        # Where the next page begins, behind it and before it.
        await view.apply(
            [entry(seen[-1] + "+"), entry("99999")], [many[0], seen[-1], many[PAGE]], numbers()
        )
    gone = {many[PAGE]}
    added = {many[PAGE - 1] + "+", many[-1] + "+", "99999"}
    assert seen == sorted(set(many) - gone | added)


async def test_before_the_first_fill_there_is_no_view(view: SharedView, reader: ViewReader) -> None:
    for read in reads(reader):
        with pytest.raises(ViewUnavailable, match="a worker must fill it"):
            await read()
    assert await reader.report() is None
    with pytest.raises(ViewLost):
        await view.apply([entry("a")], [], numbers())


def reads(reader: ViewReader) -> tuple[Call, ...]:
    return (lambda: reader.get("a"), reader.numbers, lambda: contents(reader))


async def flushed(redis: Redis) -> None:
    await redis.flushall()


async def flushed_and_leased(redis: Redis) -> None:
    await redis.flushall()
    assert await Lease(redis, "p", "me", node_id="0x1").renew(b"", 5)


async def without_entries(redis: Redis) -> None:
    await redis.delete(ENTRIES)


async def without_order(redis: Redis) -> None:
    await redis.delete(ORDER)


async def without_epoch(redis: Redis) -> None:
    await redis.delete(EPOCH)


async def with_the_epoch_of_an_older_copy(redis: Redis) -> None:
    await redis.set(EPOCH, 4)


@pytest.mark.parametrize(
    "lose",
    [
        *(flushed, flushed_and_leased, without_entries, without_order, without_epoch),
        with_the_epoch_of_an_older_copy,
    ],
)
@pytest.mark.parametrize("changes", [[entry("b")], []], ids=["busy", "idle"])
async def test_a_lost_view_is_noticed_and_filled_again(
    redis: Redis,
    view: SharedView,
    reader: ViewReader,
    lose: Callable[[Redis], Awaitable[None]],
    changes: list[Entry],
) -> None:
    await view.fill([(entry("a"),)], numbers())
    await lose(redis)
    with pytest.raises(ViewLost):
        await view.apply(changes, [], numbers())
    await view.fill([(entry("a"), entry("b"))], numbers(2))
    await view.apply([entry("c")], [], numbers(3))
    assert await keys(reader) == ["a", "b", "c"]
    assert await reader.numbers() == numbers(3)


@pytest.mark.parametrize("refilled", [False, True])
async def test_an_old_copy_of_the_view_is_noticed(
    redis: Redis, view: SharedView, reader: ViewReader, refilled: bool
) -> None:
    """As after a failover to a replica that had not seen the last writes."""
    await view.fill([(entry("a"),)], numbers())
    copies = [(key, await redis.dump(key) or b"") for key in (ENTRIES, ORDER)]
    if refilled:
        await view.fill([(entry("a", 2),)], numbers(2))
    else:
        await view.apply([entry("a", 2)], [], numbers(2))
    for key, copy in copies:
        await redis.restore(key, 0, copy, replace=True)
    assert await reader.get("a") == entry("a", 1)
    with pytest.raises(ViewLost):
        await view.apply([entry("b")], [], numbers(3))


async def test_pages_of_half_a_view_are_none(
    redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"),)], numbers())
    await redis.delete(ORDER)
    with pytest.raises(ViewUnavailable):
        await contents(reader)


async def test_a_worker_whose_epoch_is_over_writes_nothing(
    redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"),)], numbers())
    await SharedView(redis, "p", 6).fill([(entry("a", 2),)], numbers(2))
    writes: tuple[Call, ...] = (
        lambda: view.apply([entry("a", 3)], ["a"], numbers(3)),
        lambda: view.apply([], [], numbers(3)),
        lambda: view.fill([(entry("a", 3),)], numbers(3)),
        lambda: view.fill([], numbers(3)),
    )
    for write in writes:
        with pytest.raises(EpochOver) as caught:
            await write()
        assert (caught.value.ours, caught.value.theirs) == (5, 6)
    assert await contents(reader) == [entry("a", 2)]
    assert await reader.numbers() == numbers(2)
    assert sorted(await redis.keys("*")) == [ENTRIES.encode(), EPOCH.encode(), ORDER.encode()]


async def test_it_is_over_as_soon_as_another_renews_the_lease(
    redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"),)], numbers())
    assert await Lease(redis, "p", "other", node_id="0x1").renew(b"", 6)
    with pytest.raises(EpochOver):
        await view.apply([entry("a", 2)], [], numbers())
    assert await reader.get("a") == entry("a")


@pytest.mark.parametrize("before", [0, 1])
async def test_it_is_over_in_the_middle_of_a_fill(
    redis: Redis, view: SharedView, reader: ViewReader, before: int
) -> None:
    successor = SharedView(redis, "p", 6)

    async def slices() -> AsyncIterator[Sequence[Entry]]:
        for _ in range(before):
            yield (entry("a"),)
        await successor.fill([(entry("b"),)], numbers())
        yield (entry("c"),)

    with pytest.raises(EpochOver):
        await view.fill(slices(), numbers())
    assert await keys(reader) == ["b"]


async def test_a_successor_applies_nothing_to_the_view_before_its_own(
    redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"),)], numbers())
    successor = SharedView(redis, "p", 6)
    with pytest.raises(ViewLost):
        await successor.apply([entry("a", 2)], [], numbers())
    assert await Lease(redis, "p", "other", node_id="0x1").renew(b"", 6)
    with pytest.raises(ViewLost):
        await successor.apply([entry("a", 2)], [], numbers())
    assert await reader.get("a") == entry("a")


async def test_readers_have_all_of_the_old_view_or_all_of_the_new_one(
    redis: Redis, server: Valkey, view: SharedView
) -> None:
    some = [f"{number:03}" for number in range(PAGE - 1)]
    await view.fill([[entry(key, 1) for key in some]], numbers(1))
    filling = asyncio.create_task(fill_often(view, some))
    seen: set[int] = set()
    async with open_redis(server.url) as own:
        reader = ViewReader(own, "p")
        while not filling.done():
            (page,) = await pages(reader)
            (version,) = {each.version for each in page}
            assert [each.key for each in page] == (some if version % 2 else some[1:])
            found = await asyncio.gather(*(reader.get(key) for key in some[1 : LOOKUPS + 1]))
            assert len({each.version for each in found if each is not None}) == 1
            seen.add(version)
    await filling
    assert len(seen) > 1
    assert await redis.ttl(ENTRIES) == -1
    assert await redis.ttl(ORDER) == -1


async def fill_often(view: SharedView, some: list[str]) -> None:
    """Every second version lacks the first key."""
    for version in range(2, 22):
        entries = [entry(key, version) for key in (some if version % 2 else some[1:])]
        await view.fill([entries[:250], entries[250:]], numbers(version))


async def test_a_fill_that_is_broken_off_leaves_the_old_view(
    redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    def broken() -> Iterator[Sequence[Entry]]:
        yield (entry("b"),)
        raise InterruptedError

    await view.fill([(entry("a"),)], numbers())
    with pytest.raises(InterruptedError):
        await view.fill(broken(), numbers())
    assert await keys(reader) == ["a"]
    left = [key for key in await redis.keys("*") if b"filling" in key]
    assert len(left) == 2
    for key in left:
        assert 0 < await redis.ttl(key) <= 60
    await view.apply([entry("a", 2)], [], numbers())
    await view.fill([(entry("c"),)], numbers())
    assert await keys(reader) == ["c"]
    assert not [key for key in await redis.keys("*") if b"filling" in key]


@pytest.mark.parametrize("lost", ["all", "what was built"])
async def test_a_fill_from_which_redis_lost_something_is_none(
    redis: Redis, view: SharedView, reader: ViewReader, lost: str
) -> None:
    async def slices() -> AsyncIterator[Sequence[Entry]]:
        yield (entry("a"),)
        found = await redis.keys("*")
        await redis.delete(*(found if lost == "all" else (k for k in found if b"filling" in k)))
        yield (entry("b"),)

    with pytest.raises(ViewLost):
        await view.fill(slices(), numbers())
    with pytest.raises(ViewUnavailable):
        await reader.get("a")
    await view.fill([(entry("a"), entry("b"))], numbers())
    assert await keys(reader) == ["a", "b"]


async def test_even_a_fill_with_nothing_needs_its_epoch(
    redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    async def slices() -> AsyncIterator[Sequence[Entry]]:
        await redis.flushall()
        yield ()

    with pytest.raises(ViewLost):
        await view.fill(slices(), numbers())
    with pytest.raises(ViewUnavailable):
        await reader.numbers()


async def test_a_call_that_comes_late_changes_nothing(
    redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"),)], numbers())
    await view.apply([entry("a", 2)], [], numbers(2))
    # Its first calls have the numbers that these had.
    late = SharedView(redis, "p", 5)
    with pytest.raises(ViewLost):
        await late.apply([entry("a", 1)], [], numbers(1))
    with pytest.raises(ViewLost):
        await late.fill([(entry("a", 1),)], numbers(1))
    assert await contents(reader) == [entry("a", 2)]
    assert await reader.numbers() == numbers(2)


async def test_while_redis_hangs_every_call_ends_and_then_all_goes_on(
    server: Valkey, redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"),)], numbers())
    calls: tuple[Call, ...] = (
        *(*reads(reader), reader.report),
        lambda: view.apply([entry("a", 2), entry("b")], [], numbers(2)),
    )
    with server.paused():
        async with asyncio.timeout(GENEROUS):
            outcomes = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
            with pytest.raises(ViewUnavailable):
                await view.fill([(entry("c"),)], numbers())
    assert [type(outcome) for outcome in outcomes] == [ViewUnavailable] * len(calls)
    # What was given up may have been carried out meanwhile: it is applied again, and more.
    await view.apply([entry("a", 3), entry("b")], [], numbers(3))
    assert await contents(reader) == [entry("a", 3), entry("b")]
    assert await reader.numbers() == numbers(3)


async def test_a_redis_that_restarts_empty_is_filled_again(
    server: Valkey, view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"),)], numbers())
    server.kill()
    for read in reads(reader):
        with pytest.raises(ViewUnavailable):
            await read()
    with pytest.raises(ViewUnavailable):
        await view.apply([entry("b")], [], numbers())
    server.start()
    for read in reads(reader):
        with pytest.raises(ViewUnavailable, match="a worker must fill it"):
            await read()
    with pytest.raises(ViewLost):
        await view.apply([entry("b")], [], numbers())
    await view.fill([(entry("a"), entry("b"))], numbers())
    assert await keys(reader) == ["a", "b"]


async def test_a_redis_without_room_says_so(
    server: Valkey, redis: Redis, view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"),)], numbers())
    await redis.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(ViewUnavailable, match="maxmemory"):
            await view.apply([entry("b")], [], numbers())
        assert await keys(reader) == ["a"]
    finally:
        await redis.config_set("maxmemory", "0")
    await view.apply([entry("b")], [], numbers())
    assert await keys(reader) == ["a", "b"]


async def test_many_ask_at_once(view: SharedView, reader: ViewReader, redis: Redis) -> None:
    some = [entry(f"{number:04}") for number in range(10 * LOOKUPS)]
    await view.fill([some], numbers())
    before = (await redis.info("commandstats"))["cmdstat_hmget"]["calls"]
    asked = [each.key for each in some] + ["none"] * 3 + [some[0].key] * 3
    found = await asyncio.gather(*(reader.get(key) for key in asked))
    assert found == [*some, None, None, None, some[0], some[0], some[0]]
    after = (await redis.info("commandstats"))["cmdstat_hmget"]["calls"]
    assert after - before == 11


async def test_who_gives_up_does_not_spoil_it_for_others(
    view: SharedView, reader: ViewReader
) -> None:
    await view.fill([(entry("a"), entry("b"))], numbers())
    impatient, patient = (asyncio.create_task(reader.get(key)) for key in "ab")
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == entry("b")
    with suppress(asyncio.CancelledError):
        await impatient
    assert impatient.cancelled()
    assert await reader.get("a") == entry("a")


async def test_a_report_has_an_age(redis: Redis, reader: ViewReader) -> None:
    lease = Lease(redis, "p", "me", node_id="0x1")
    await lease.renew(b"\xffreport", 1)
    found = await reader.report()
    assert found is not None
    assert found[0] == b"\xffreport"
    assert 0 <= found[1] < GENEROUS
    await redis.hincrby("{p}:report", "at", -5_000)
    found = await reader.report()
    assert found is not None
    assert 5 <= found[1] < 5 + GENEROUS
    await redis.hincrby("{p}:report", "at", 60_000)
    assert await reader.report() == (b"\xffreport", 0)


async def test_two_nodes_have_two_views(redis: Redis, view: SharedView, reader: ViewReader) -> None:
    await view.fill([(entry("a"),)], numbers())
    await SharedView(redis, "q", 1).fill([(entry("b"),)], numbers())
    assert await keys(reader) == ["a"]
    assert await keys(ViewReader(redis, "q")) == ["b"]
