"""What is particular to the journal in a database: real faults, real crashes, its grouping."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from django.db import connections
from structlog.testing import capture_logs

from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.core.members import PeerRecord
from gossip.stores import journal as module
from gossip.stores.journal import DatabaseJournal
from gossip.stores.loading import begin_life, load_entries
from tests.stores.databases import every_connection, locked, until

Fault = Callable[[Path], AbstractContextManager[None]]

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


@asynccontextmanager
async def running(alias: str) -> AsyncIterator[tuple[DatabaseJournal, Answers]]:
    await asyncio.to_thread(begin_life, "me", 1, alias=alias)
    answers = Answers()
    journal = DatabaseJournal(answers.took, answers.refused, alias=alias)
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
    assert (await asyncio.to_thread(begin_life, "me", 1, alias=alias)).clock_floor == 600


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
    await asyncio.to_thread(begin_life, "me", 1, alias=alias)
    journal = DatabaseJournal(answers.took, answers.refused, alias=alias, bound=4)
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
    await asyncio.to_thread(begin_life, "me", 1, alias=alias)
    answers = Answers()
    journal = DatabaseJournal(answers.took, answers.refused, alias=alias, bound=2)
    journal.commit(RequestId(1), Entry("no such version", 2**63, b"1"), 1)
    await answers.wait(1)
    for number in range(3):
        journal.store_entry(Entry(f"key-{number}", 1, b"1"))
        journal.store_peer(PeerRecord(node_id=f"peer-{number}"))
    assert journal.backlog == 0
    await asyncio.wait_for(journal.wait_for_room(), 5)
    await journal.close()


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
from gossip.stores.migrating import prepare_database, prepare_directory

async def write_and_die(number):
    die = lambda requests: os.kill(os.getpid(), signal.SIGKILL)
    journal = DatabaseJournal(die, lambda requests, detail: os._exit(1))
    journal.commit(number, Entry(f"key-{number}", 1, b"1"), number)
    await asyncio.sleep(60)

prepare_directory(settings.GOSSIP.data_dir)
prepare_database()
begin_life("me", 1)
for number in range(20):
    child = os.fork()
    if not child:
        asyncio.run(write_and_die(number))
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
