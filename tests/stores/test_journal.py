"""What is particular to the journal in a database: real faults, real crashes, its grouping."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from structlog.testing import capture_logs

from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.core.members import PeerRecord
from gossip.runtime.ports import EpochOver
from gossip.stores import journal as module
from gossip.stores.journal import DatabaseJournal
from gossip.stores.loading import begin_life, load_entries
from gossip.stores.rows import upsert_entries
from tests.stores.databases import every_connection, locked, node_row, until

Fault = Callable[[Path], AbstractContextManager[object]]

FAULTS: dict[str, tuple[Fault, str]] = {
    "read-only": (lambda _: every_connection("PRAGMA query_only = ON"), "readonly"),
    "full": (lambda _: every_connection("PRAGMA max_page_count = 1"), "full"),
    "locked": (locked, "locked"),
}


def large(key: str, version: int = 1) -> Entry:
    """An entry that does not fit on the pages which the database has already."""
    return Entry(key, version, b'"%b"' % (b"x" * 100_000))


async def stored(alias: str) -> dict[str, Entry]:
    batches = await asyncio.to_thread(lambda: list(load_entries(alias=alias)))
    return {entry.key: entry for batch in batches for entry in batch}


def execute(alias: str, sql: str) -> None:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql)
    finally:
        connections[alias].close()


class Answers:
    def __init__(self) -> None:
        self.committed: list[int] = []
        self.failed: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.committed) + len(self.failed)

    def took(self, requests: tuple[RequestId, ...]) -> None:
        self.committed += requests

    def refused(self, requests: tuple[RequestId, ...], detail: str) -> None:
        self.failed |= dict.fromkeys(requests, detail)

    async def wait(self, count: int) -> None:
        await until(lambda: len(self) >= count)


async def opened(alias: str, answers: Answers, bound: int = module.BOUND) -> DatabaseJournal:
    """The journal of a new life."""
    life = await asyncio.to_thread(begin_life, "me", 1, alias=alias)
    return DatabaseJournal(
        answers.took, answers.refused, epoch=life.epoch, alias=alias, bound=bound
    )


@asynccontextmanager
async def running(alias: str) -> AsyncIterator[tuple[DatabaseJournal, Answers]]:
    answers = Answers()
    journal = await opened(alias, answers)
    try:
        yield journal, answers
    finally:
        await journal.close()


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_told_and_got_over(alias: str, file: Path, name: str) -> None:
    fault, complaint = FAULTS[name]
    async with running(alias) as (journal, answers):
        with fault(file):
            journal.store_entry(large("learned"))
            journal.store_peer(PeerRecord(node_id="a"))
            journal.commit(RequestId(1), large("mine"), 500)
            await answers.wait(1)
            assert complaint in answers.failed[1]
            assert complaint in str(journal.error)
            assert await stored(alias) == {}
        await until(lambda: journal.backlog == 0)
        assert journal.error is None
        assert await stored(alias) == {"learned": large("learned")}
        journal.commit(RequestId(2), large("mine", 2), 600)
        await answers.wait(2)
        assert answers.committed == [2]
    assert (await asyncio.to_thread(node_row, alias)).clock_floor == 600


async def test_a_disk_that_fills_up_refuses_what_no_longer_fits(alias: str) -> None:
    with every_connection("PRAGMA max_page_count = 60"):
        async with running(alias) as (journal, answers):
            for request in range(5):
                journal.commit(RequestId(request), large(f"key-{request}"), 1)
                await answers.wait(request + 1)
    assert answers.committed
    assert answers.failed
    assert set(await stored(alias)) == {f"key-{request}" for request in answers.committed}


async def test_a_failing_store_is_reported_once_and_its_recovery_too(
    alias: str, file: Path
) -> None:
    with capture_logs() as logs:
        async with running(alias) as (journal, answers):
            with locked(file):
                for request in range(3):
                    journal.commit(RequestId(request), Entry("k", 1 + request, b"1"), 1)
                    await answers.wait(request + 1)
            journal.commit(RequestId(3), Entry("k", 4, b"1"), 1)
            await answers.wait(4)
    assert [line["event"] for line in logs] == ["journal_failing", "journal_recovered"]


async def test_a_local_write_takes_what_was_learned_along(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GATHER", 3_600.0)
    async with running(alias) as (journal, answers):
        journal.store_entry(Entry("learned", 1, b"1"))
        journal.commit(RequestId(1), Entry("mine", 1, b"1"), 1)
        await answers.wait(1)
        assert set(await stored(alias)) == {"learned", "mine"}


async def test_a_local_write_does_not_wait_for_the_next_try(
    alias: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_LAST", 3_600.0)
    async with running(alias) as (journal, answers):
        journal._retry = 3_600.0
        with locked(file):
            journal.store_entry(Entry("learned", 1, b"1"))
            journal.commit(RequestId(1), Entry("mine", 1, b"1"), 1)
            await answers.wait(1)
        journal.commit(RequestId(2), Entry("mine", 2, b"1"), 1)
        await answers.wait(2)
        assert answers.committed == [2]
        assert set(await stored(alias)) == {"learned", "mine"}


async def test_tries_become_rarer_up_to_the_last_wait_and_begin_anew(
    alias: str, file: Path
) -> None:
    async with running(alias) as (journal, answers):
        waits = []
        with locked(file):
            for request in range(8):
                journal.commit(RequestId(request), Entry("k", 1 + request, b"1"), 1)
                await answers.wait(request + 1)
                waits.append(journal._retry)
        journal.commit(RequestId(8), Entry("k", 9, b"1"), 1)
        await answers.wait(9)
        assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
        assert journal._retry == module.RETRY_FIRST


async def test_one_transaction_holds_no_more_than_a_batch_of_what_was_learned(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GATHER", 3_600.0)
    monkeypatch.setattr(module, "BATCH", 10)
    async with running(alias) as (journal, answers):
        for number in range(11):
            journal.store_entry(Entry(f"key-{number}", 1, b"1"))
        journal.commit(RequestId(1), Entry("mine", 1, b"1"), 1)
        await answers.wait(1)
        assert len(await stored(alias)) == 11
        assert journal.backlog == 1
    assert len(await stored(alias)) == 12


async def test_room_comes_when_half_of_the_bound_is_written(
    alias: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    monkeypatch.setattr(module, "GATHER", 3_600.0)
    answers = Answers()
    journal = await opened(alias, answers, bound=4)
    for number in range(4):
        journal.store_entry(Entry(f"key-{number}", 1, b"1"))
    left = []
    while not journal._room.is_set():
        journal.commit(RequestId(len(answers)), Entry("mine", 1, b"1"), 1)
        await answers.wait(len(answers) + 1)
        left.append(journal.backlog)
    assert left == [3, 2]
    await journal.close()


async def test_closing_gives_up_on_a_store_that_hangs(
    alias: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CLOSING", 0.05)
    monkeypatch.setitem(connections.databases[alias]["OPTIONS"], "timeout", 60)
    with capture_logs() as logs:
        async with running(alias) as (journal, _):
            with locked(file):
                journal.store_entry(Entry("learned", 1, b"1"))
                await journal.close()
                assert [(line["event"], line["learned_lost"]) for line in logs] == [
                    ("journal_stuck", 1)
                ]
            await asyncio.to_thread(journal._thread.join)


async def test_learned_entries_that_are_lost_are_counted(alias: str, file: Path) -> None:
    with capture_logs() as logs:
        async with running(alias) as (journal, _):
            with locked(file):
                for number in range(3):
                    journal.store_entry(Entry(f"key-{number}", 1, b"1"))
                await journal.close()
    lost = [line["count"] for line in logs if line["event"] == "journal_lost_learned"]
    assert lost == [3]


async def test_a_bug_of_ours_leaves_no_writer_waiting(alias: str) -> None:
    async with running(alias) as (journal, answers):
        journal.commit(RequestId(1), Entry("no such version", 2**63, b"1"), 1)
        await answers.wait(1)
        journal.commit(RequestId(2), Entry("k", 1, b"1"), 1)
        await answers.wait(2)
        with pytest.raises(OverflowError):
            await journal.wait_ended()
    assert answers.failed == dict.fromkeys((1, 2), module.ENDED)
    assert await stored(alias) == {}


async def test_after_a_bug_of_ours_nothing_piles_up_and_nobody_waits_for_room(alias: str) -> None:
    answers = Answers()
    journal = await opened(alias, answers, bound=2)
    journal.commit(RequestId(1), Entry("no such version", 2**63, b"1"), 1)
    await answers.wait(1)
    for number in range(3):
        journal.store_entry(Entry(f"key-{number}", 1, b"1"))
        journal.store_peer(PeerRecord(node_id=f"peer-{number}"))
    assert journal.backlog == 0
    await asyncio.wait_for(journal.wait_for_room(), 5)
    await journal.close()


async def test_who_takes_over_waits_for_a_transaction_under_way_and_finds_what_it_stored(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.databases[alias]["OPTIONS"], "timeout", 60)
    within, go_on = threading.Event(), threading.Event()

    def upsert(*arguments: Any) -> None:
        within.set()
        assert go_on.wait(10)
        upsert_entries(*arguments)

    monkeypatch.setattr(module, "upsert_entries", upsert)
    async with running(alias) as (journal, answers):
        journal.commit(RequestId(1), Entry("k", 1, b"1"), 1)
        await asyncio.to_thread(within.wait, 10)
        taking_over = asyncio.create_task(asyncio.to_thread(begin_life, "me", 1, alias=alias))
        journal.commit(RequestId(2), Entry("late", 1, b"1"), 1)
        # The other can only wait: it is the store that makes it.
        done, _ = await asyncio.wait((taking_over,), timeout=0.1)
        assert not done
        go_on.set()
        await taking_over
        found = await stored(alias)
        assert "k" in found
        await answers.wait(2)
        # The second transaction came before the other or behind it, and was found or refused.
        assert answers.committed == [1, 2] if "late" in found else [1]
        assert await stored(alias) == found


async def test_a_transaction_that_begins_while_another_takes_over_stores_nothing(
    alias: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.databases[alias]["OPTIONS"], "timeout", 60)
    async with running(alias) as (journal, answers):
        with locked(file) as other:
            other.execute("UPDATE gossip_node SET epoch = epoch + 1")
            journal.commit(RequestId(1), Entry("k", 1, b"1"), 1)
            await until(lambda: journal._in_flight is not None)
            other.commit()
        await answers.wait(1)
        with pytest.raises(EpochOver, match="the epoch is 2, ours was 1"):
            await journal.wait_ended()
    assert await stored(alias) == {}


async def test_a_restored_database_is_another_process_as_well(alias: str) -> None:
    async with running(alias) as (journal, answers):
        await asyncio.to_thread(execute, alias, "DELETE FROM gossip_node")
        journal.commit(RequestId(1), Entry("k", 1, b"1"), 1)
        with pytest.raises(EpochOver, match="the epoch is gone, ours was 1"):
            await journal.wait_ended()
    assert list(answers.failed) == [1]


async def test_what_is_lost_when_the_epoch_is_over_is_not_an_error_of_the_store(
    alias: str,
) -> None:
    with capture_logs() as logs:
        async with running(alias) as (journal, _):
            await asyncio.to_thread(begin_life, "me", 1, alias=alias)
            journal.store_entry(Entry("k", 1, b"1"))
            with pytest.raises(EpochOver):
                await journal.wait_ended()
    assert logs == []


async def test_an_idle_journal_whose_store_fails_learns_that_its_epoch_is_over(
    alias: str, file: Path
) -> None:
    async with running(alias) as (journal, answers):
        with locked(file):
            journal.commit(RequestId(1), Entry("k", 1, b"1"), 1)
            await answers.wait(1)
        await asyncio.to_thread(begin_life, "me", 1, alias=alias)
        with pytest.raises(EpochOver):
            await asyncio.wait_for(journal.wait_ended(), 10)


async def test_the_time_to_commit_is_measured(alias: str) -> None:
    async with running(alias) as (journal, answers):
        assert journal.commit_seconds.read().total == 0
        journal.commit(RequestId(1), Entry("k", 1, b"1"), 1)
        await answers.wait(1)
        assert journal.commit_seconds.read().total == 1
        assert journal.commit_seconds.read().sum > 0


WRITE_AND_DIE = """
import asyncio, os, signal
import django
django.setup()
from django.conf import settings
from gossip.core.entries import Entry
from gossip.stores.journal import DatabaseJournal
from gossip.stores.loading import begin_life, load_entries
from gossip.stores.directory import prepare_directory
from gossip.stores.migrating import prepare_database

async def write_and_die(number, epoch):
    die = lambda requests: os.kill(os.getpid(), signal.SIGKILL)
    journal = DatabaseJournal(die, lambda requests, detail: os._exit(1), epoch=epoch)
    journal.commit(number, Entry(f"key-{number}", 1, b"1"), number)
    await asyncio.sleep(60)

prepare_directory(settings.GOSSIP.data_dir)
prepare_database()
life = begin_life("me", 1)
for number in range(20):
    child = os.fork()
    if not child:
        asyncio.run(write_and_die(number, life.epoch))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
print(sum(len(batch) for batch in load_entries()))
"""


def test_a_kill_right_after_the_answer_loses_nothing(tmp_path: Path) -> None:
    environment = {
        "DJANGO_SETTINGS_MODULE": "gossipnode.settings",
        "GOSSIP_DATA_DIR": str(tmp_path / "data"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    run = partial(subprocess.run, env=environment, capture_output=True, text=True, timeout=60)
    finished = run([sys.executable, "-c", WRITE_AND_DIE], check=False)
    assert finished.stdout == "20\n", finished.stderr
