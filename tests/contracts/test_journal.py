"""What every `gossip.runtime.ports.Journal` promises. A second implementation joins `stores`."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
from pytest_django import DjangoDbBlocker

from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.core.members import PeerRecord
from gossip.runtime.ports import Committed, EpochOver, Failed, Journal
from gossip.stores.journal import DatabaseJournal
from gossip.stores.loading import begin_life, load_entries, load_peers
from gossip.stores.migrating import prepare_database
from tests.stores.databases import database_at, emptied, locked, locked_on, node_row, until


class Store(Protocol):
    """What a journal writes to, as a test sees it."""

    def open(self, committed: Committed, failed: Failed, bound: int) -> Journal:
        """A journal on this store, in the running loop."""

    def failing(self) -> AbstractContextManager[object]:
        """Nothing can be stored meanwhile."""

    async def take_over(self) -> None:
        """Another process takes the node over: what is open ends, and what is opened works."""

    async def entries(self) -> dict[str, Entry]:
        """What another process would find now, by key."""

    async def peers(self) -> list[PeerRecord]:
        """Likewise, ordered by node id."""

    async def clock_floor(self) -> int:
        """Likewise."""

    async def incarnation(self) -> int:
        """Likewise."""


class DatabaseStore:
    def __init__(self, alias: str, failing: Callable[[], AbstractContextManager[object]]) -> None:
        self._alias = alias
        self.failing = failing
        self._epoch = begin_life("me", 1, alias=alias).epoch

    def open(self, committed: Committed, failed: Failed, bound: int) -> Journal:
        return DatabaseJournal(committed, failed, epoch=self._epoch, alias=self._alias, bound=bound)

    async def take_over(self) -> None:
        self._epoch = (await asyncio.to_thread(begin_life, "me", 1, alias=self._alias)).epoch

    async def entries(self) -> dict[str, Entry]:
        batches = await asyncio.to_thread(lambda: list(load_entries(alias=self._alias)))
        return {entry.key: entry for batch in batches for entry in batch}

    async def peers(self) -> list[PeerRecord]:
        return list(await asyncio.to_thread(load_peers, alias=self._alias))

    async def clock_floor(self) -> int:
        return (await asyncio.to_thread(node_row, self._alias)).clock_floor

    async def incarnation(self) -> int:
        return (await asyncio.to_thread(node_row, self._alias)).incarnation


class Writers:
    """Everybody who waits for a commit, and a journal that answers them."""

    def __init__(self, store: Store, bound: int = 1_000) -> None:
        self.answers: list[tuple[int, str | None]] = []
        """In order: the request, and why it failed."""
        self.journal = store.open(self.committed, self.failed, bound)

    def committed(self, requests: tuple[RequestId, ...]) -> None:
        asyncio.get_running_loop()
        self.answers += [(request, None) for request in requests]

    def failed(self, requests: tuple[RequestId, ...], detail: str) -> None:
        asyncio.get_running_loop()
        self.answers += [(request, detail) for request in requests]

    def commit(self, request: int, entry: Entry, clock_floor: int = 1) -> None:
        self.journal.commit(RequestId(request), entry, clock_floor)

    async def answered(self, count: int) -> None:
        await until(lambda: len(self.answers) >= count)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[Store]:
    with django_db_blocker.unblock(), ExitStack() as opened:
        if request.param == "sqlite":
            file: Path = request.getfixturevalue("tmp_path") / "gossip.sqlite3"
            alias = opened.enter_context(database_at(file))
            prepare_database(alias=alias)
            yield DatabaseStore(alias, partial(locked, file))
        else:
            url: str = request.getfixturevalue("postgres_url")
            alias = opened.enter_context(emptied(url))
            yield DatabaseStore(alias, partial(locked_on, url))


def entry(key: str, version: int = 1, value: bytes | None = b"1") -> Entry:
    return Entry(key, version, value)


async def test_what_was_acknowledged_is_stored(store: Store) -> None:
    writers = Writers(store)
    writers.commit(1, entry("k"))
    await writers.answered(1)
    assert writers.answers == [(1, None)]
    assert await store.entries() == {"k": entry("k")}
    await writers.journal.close()


async def test_commits_are_answered_once_each_in_their_order(store: Store) -> None:
    writers = Writers(store)
    for request in range(2_000):
        writers.commit(request, entry(f"key-{request % 700}", 1 + request))
    await writers.answered(2_000)
    await writers.journal.close()
    assert writers.answers == [(request, None) for request in range(2_000)]
    stored = await store.entries()
    assert {stored[key].version for key in stored} == set(range(1_301, 2_001))


async def test_a_delete_is_stored_as_a_tombstone(store: Store) -> None:
    writers = Writers(store)
    writers.commit(1, entry("k", 1))
    writers.commit(2, entry("k", 2, None))
    await writers.answered(2)
    assert (await store.entries())["k"].deleted
    await writers.journal.close()


async def test_a_commit_does_not_replace_what_wins_over_it(store: Store) -> None:
    writers = Writers(store)
    writers.journal.store_entry(entry("k", 9))
    writers.commit(1, entry("k", 5))
    await writers.journal.close()
    assert writers.answers == [(1, None)]
    assert await store.entries() == {"k": entry("k", 9)}


async def test_the_greatest_clock_floor_is_kept(store: Store) -> None:
    writers = Writers(store)
    for request, floor in enumerate([500, 700, 600]):
        writers.commit(request, entry("k", 1 + request), floor)
        await writers.answered(request + 1)
    await writers.journal.close()
    assert await store.clock_floor() == 700


async def test_what_was_learned_is_stored_without_being_asked_again(store: Store) -> None:
    writers = Writers(store)
    for version in (1, 3, 2):
        writers.journal.store_entry(entry("k", version))
    writers.journal.store_peer(PeerRecord(node_id="a", last_seen=1))
    writers.journal.store_peer(PeerRecord(node_id="b", last_seen=1))
    writers.journal.store_peer(PeerRecord(node_id="a", last_seen=2))
    writers.journal.forget_peer("b")
    await until(lambda: writers.journal.backlog == 0)
    assert await store.entries() == {"k": entry("k", 3)}
    assert await store.peers() == [PeerRecord(node_id="a", last_seen=2)]
    await writers.journal.close()


async def test_a_forgotten_member_is_removed(store: Store) -> None:
    writers = Writers(store)
    writers.journal.store_peer(PeerRecord(node_id="a"))
    await until(lambda: writers.journal.backlog == 0)
    writers.journal.forget_peer("a")
    await writers.journal.close()
    assert await store.peers() == []


async def test_an_incarnation_is_durable_before_it_is_told(store: Store) -> None:
    writers, kept = Writers(store), asyncio.Event()
    writers.journal.keep_incarnation(500, kept.set)
    async with asyncio.timeout(5):
        await kept.wait()
    assert await store.incarnation() == 500
    await writers.journal.close()


async def test_of_several_incarnations_the_greatest_is_kept_and_answered(store: Store) -> None:
    writers, kept = Writers(store), list[int]()
    with store.failing():
        for incarnation in (500, 700, 600):
            writers.journal.keep_incarnation(incarnation, lambda: kept.append(1))
        writers.journal.keep_incarnation(800, lambda: kept.append(800))
        writers.commit(1, entry("mine"))
        await writers.answered(1)
        assert kept == []
    await until(lambda: writers.journal.backlog == 0)
    await until(lambda: 800 in kept)
    assert await store.incarnation() == 800
    await writers.journal.close()
    writers.journal.keep_incarnation(900, lambda: kept.append(900))
    assert await store.incarnation() == 800


async def test_the_backlog_counts_each_key_and_member_once(store: Store) -> None:
    writers = Writers(store)
    with store.failing():
        for _ in range(2):
            writers.journal.store_entry(entry("k"))
            writers.journal.store_peer(PeerRecord(node_id="a"))
            writers.journal.forget_peer("b")
        assert writers.journal.backlog == 3
    await writers.journal.close()
    assert writers.journal.backlog == 0


async def test_while_the_store_fails_writers_are_told_and_nothing_of_theirs_is_stored(
    store: Store,
) -> None:
    writers = Writers(store)
    with store.failing():
        writers.commit(1, entry("mine"), 500)
        writers.commit(2, entry("mine", 2), 500)
        await writers.answered(2)
    assert [request for request, detail in writers.answers if detail] == [1, 2]
    writers.commit(3, entry("later"), 400)
    await writers.answered(3)
    await writers.journal.close()
    assert writers.answers[2:] == [(3, None)]
    assert await store.entries() == {"later": entry("later")}
    assert await store.clock_floor() == 400


async def test_what_was_learned_while_the_store_fails_is_stored_once_it_works(
    store: Store,
) -> None:
    writers = Writers(store)
    with store.failing():
        writers.journal.store_entry(entry("learned"))
        writers.journal.store_peer(PeerRecord(node_id="a"))
        writers.commit(1, entry("mine"))
        await writers.answered(1)
        assert writers.journal.backlog == 2
        writers.journal.store_entry(entry("learned", 2))
    await until(lambda: writers.journal.backlog == 0)
    assert await store.entries() == {"learned": entry("learned", 2)}
    assert await store.peers() == [PeerRecord(node_id="a")]
    await writers.journal.close()


async def test_a_tombstone_is_removed_unless_something_greater_took_its_place(
    store: Store,
) -> None:
    writers = Writers(store)
    old, overwritten = Entry("old", 5, None), Entry("overwritten", 5, None)
    for tombstone in (old, overwritten):
        writers.journal.store_entry(tombstone)
        writers.journal.forget_entry(tombstone)
    writers.journal.store_entry(Entry("overwritten", 9, None))
    await until(lambda: writers.journal.backlog == 0)
    assert await store.entries() == {"overwritten": Entry("overwritten", 9, None)}
    await writers.journal.close()


async def test_what_was_to_be_removed_while_the_store_fails_is_removed_once_it_works(
    store: Store,
) -> None:
    writers = Writers(store)
    old = Entry("old", 5, None)
    writers.journal.store_entry(old)
    await until(lambda: writers.journal.backlog == 0)
    with store.failing():
        writers.journal.forget_entry(old)
        writers.commit(1, entry("mine"))
        await writers.answered(1)
        assert writers.journal.backlog == 1
    await until(lambda: writers.journal.backlog == 0)
    assert await store.entries() == {}
    await writers.journal.close()


async def test_a_store_that_works_again_is_noticed_without_being_asked(store: Store) -> None:
    writers = Writers(store)
    with store.failing():
        writers.commit(1, entry("mine"))
        await writers.answered(1)
        assert writers.journal.error is not None
    await until(lambda: writers.journal.error is None)
    await writers.journal.close()


async def test_below_the_bound_nobody_waits_for_room(store: Store) -> None:
    writers = Writers(store, bound=10)
    with store.failing():
        for number in range(9):
            writers.journal.store_entry(entry(f"key-{number}"))
        await writers.journal.wait_for_room()
        assert writers.journal.backlog == 9
    await writers.journal.close()


async def test_at_the_bound_learners_wait_until_there_is_room(store: Store) -> None:
    writers = Writers(store, bound=10)
    with store.failing():
        for number in range(10):
            writers.journal.store_entry(entry(f"key-{number}"))
        # The journal has tried, and has nowhere to put them.
        writers.commit(1, entry("mine"))
        await writers.answered(1)
        waiting = asyncio.create_task(writers.journal.wait_for_room())
        await asyncio.sleep(0)
        assert not waiting.done()
    async with asyncio.timeout(10):
        await waiting
    assert writers.journal.backlog < 10
    await writers.journal.close()
    assert len(await store.entries()) == 10


async def test_closing_writes_everything_first(store: Store) -> None:
    writers = Writers(store)
    for number in range(2_500):
        writers.journal.store_entry(entry(f"key-{number}"))
    writers.commit(1, entry("mine"))
    await writers.journal.close()
    assert writers.answers == [(1, None)]
    assert len(await store.entries()) == 2_501
    await asyncio.wait_for(writers.journal.wait_ended(), 5)


async def test_closing_ends_while_the_store_fails_and_everybody_is_told(store: Store) -> None:
    writers = Writers(store)
    with store.failing():
        writers.journal.store_entry(entry("learned"))
        writers.commit(1, entry("mine"))
        await writers.journal.close()
    assert [request for request, detail in writers.answers if detail] == [1]
    assert await store.entries() == {}


async def test_a_closed_journal_refuses_and_may_be_closed_again(store: Store) -> None:
    writers = Writers(store)
    await writers.journal.close()
    writers.commit(1, entry("k"))
    writers.journal.store_entry(entry("learned"))
    await writers.answered(1)
    await writers.journal.close()
    assert [request for request, detail in writers.answers if detail] == [1]
    assert await store.entries() == {}


DEEDS: dict[str, Callable[[Writers], None]] = {
    "commit": lambda writers: writers.commit(1, entry("mine"), 900),
    "store_entry": lambda writers: writers.journal.store_entry(entry("learned")),
    "overwrite": lambda writers: writers.journal.store_entry(entry("there", 9)),
    "forget_entry": lambda writers: writers.journal.forget_entry(entry("gone", 1, None)),
    "store_peer": lambda writers: writers.journal.store_peer(PeerRecord(node_id="b")),
    "forget_peer": lambda writers: writers.journal.forget_peer("a"),
    "keep_incarnation": lambda writers: writers.journal.keep_incarnation(900, never),
}
"""Everything by which a journal changes its store."""


def never() -> None:
    raise AssertionError("an incarnation is told and not kept")


async def with_a_past(store: Store) -> Writers:
    """A journal on a store that holds something of each kind."""
    writers = Writers(store)
    writers.journal.store_entry(entry("there"))
    writers.journal.store_entry(entry("gone", 1, None))
    writers.journal.store_peer(PeerRecord(node_id="a"))
    await until(lambda: writers.journal.backlog == 0)
    return writers


async def held(store: Store) -> object:
    """All of it."""
    node = await store.clock_floor(), await store.incarnation()
    return await store.entries(), await store.peers(), node


async def ended(journal: Journal) -> EpochOver:
    """The journal ends because its epoch is over."""
    with pytest.raises(EpochOver) as over:
        await asyncio.wait_for(journal.wait_ended(), 5)
    return over.value


@pytest.mark.parametrize("deed", DEEDS)
async def test_who_was_taken_over_stores_nothing_in_any_way(store: Store, deed: str) -> None:
    writers = await with_a_past(store)
    await store.take_over()
    before = await held(store)
    DEEDS[deed](writers)
    over = await ended(writers.journal)
    assert str(over) == ("another process has taken over this node: the epoch is 2, ours was 1")
    assert writers.journal.error == str(over)
    assert writers.answers == ([(1, str(over))] if deed == "commit" else [])
    for again in DEEDS.values():
        again(writers)
    await writers.journal.close()
    assert await held(store) == before


async def test_who_took_over_stores_everything(store: Store) -> None:
    old = await with_a_past(store)
    await store.take_over()
    new = Writers(store)
    new.commit(1, entry("mine"))
    old.commit(1, entry("lost"))
    await ended(old.journal)
    new.journal.store_entry(entry("learned"))
    await new.journal.close()
    assert new.answers == [(1, None)]
    assert (await store.entries()).keys() == {"there", "gone", "mine", "learned"}


async def test_what_waits_when_another_takes_over_is_never_stored(store: Store) -> None:
    writers = await with_a_past(store)
    with store.failing():
        for deed in DEEDS.values():
            deed(writers)
        await writers.answered(1)
    # It may have got in before the other.
    await store.take_over()
    before = await held(store)
    writers.commit(2, entry("mine"))
    await ended(writers.journal)
    await writers.journal.close()
    assert writers.answers[1:] == [(2, writers.journal.error)]
    assert await held(store) == before


async def test_who_was_taken_over_may_close_and_nobody_waits_for_room(store: Store) -> None:
    writers = Writers(store, bound=2)
    await store.take_over()
    for number in range(3):
        writers.journal.store_entry(entry(f"key-{number}"))
    await writers.journal.close()
    await ended(writers.journal)
    await asyncio.wait_for(writers.journal.wait_for_room(), 5)
    assert await store.entries() == {}
