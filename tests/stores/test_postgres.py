"""What is particular to a database on a server: it may be away, and others speak to it as well."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker
from structlog.testing import capture_logs

from gossip.core.entries import Entry
from gossip.core.errors import ConfigurationError
from gossip.core.events import RequestId
from gossip.core.members import PeerRecord
from gossip.runtime.ports import EpochOver
from gossip.stores import journal as module
from gossip.stores.journal import DatabaseJournal
from gossip.stores.loading import begin_life, load_entries, load_peers
from gossip.stores.migrating import prepare_database
from gossip.stores.rows import upsert_entries, upsert_peers
from tests.stores.databases import database_on, emptied, until
from tests.stores.test_journal import Answers, stored
from tests.support.postgres import Postgres
from tests.support.waiting import eventually


@pytest.fixture
def alias(postgres_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Who waits for a lock gets it."""
    with django_db_blocker.unblock(), emptied(postgres_url, timeout="30s") as alias:
        yield alias


@pytest.fixture
def server(postgres_server: Postgres) -> Iterator[Postgres]:
    """Runs again afterwards, whatever the test did."""
    yield postgres_server
    if not postgres_server.is_running:
        postgres_server.start()


@asynccontextmanager
async def running(alias: str) -> AsyncIterator[tuple[DatabaseJournal, Answers]]:
    answers = Answers()
    life = await asyncio.to_thread(begin_life, "me", 1, alias=alias)
    journal = DatabaseJournal(answers.took, answers.refused, epoch=life.epoch, alias=alias)
    try:
        yield journal, answers
    finally:
        await journal.close()


def write(journal: DatabaseJournal, request: int) -> None:
    journal.commit(RequestId(request), Entry(f"key-{request}", 1, b"1"), 1)


@contextmanager
def breaking(monkeypatch: pytest.MonkeyPatch, *, before: bool) -> Iterator[threading.Event]:
    """The connection breaks in the next commit, before or behind it; set once it is broken."""
    commit, broken = psycopg.Connection.commit, threading.Event()

    def break_off(self: psycopg.Connection) -> None:
        if broken.is_set():
            commit(self)
            return
        if not before:
            commit(self)
        self.close()
        broken.set()
        raise psycopg.OperationalError("the connection is lost")

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "commit", break_off)
        yield broken


@contextmanager
def setting(server: Postgres, name: str, value: str) -> Iterator[None]:
    """Have the server run with another setting meanwhile; it takes one on a little later."""

    def change(sql: str) -> None:
        server.execute(f"ALTER SYSTEM {sql}")
        server.execute("SELECT pg_reload_conf()")

    before = server.execute(f"SHOW {name}")
    change(f"SET {name} = {value}")
    eventually(lambda: server.execute(f"SHOW {name}") == [(value,)])
    try:
        yield
    finally:
        change(f"RESET {name}")
        eventually(lambda: server.execute(f"SHOW {name}") == before)


async def test_a_write_to_a_server_that_was_restarted_since_is_taken(
    alias: str, server: Postgres
) -> None:
    async with running(alias) as (journal, answers):
        write(journal, 1)
        await answers.wait(1)
        server.stop()
        server.start()
        write(journal, 2)
        await answers.wait(2)
    assert (answers.committed, answers.failed) == ([1, 2], {})


async def test_a_server_that_crashes_loses_nothing_that_was_acknowledged(
    alias: str, server: Postgres
) -> None:
    async with running(alias) as (journal, answers):
        requests = count(1)

        def writing(condition: Callable[[], object]) -> Callable[[], bool]:
            def write_one_more() -> bool:
                write(journal, next(requests))
                return bool(condition())

            return write_one_more

        await until(writing(lambda: answers.committed))
        crashing = asyncio.create_task(asyncio.to_thread(server.crash))
        await until(writing(lambda: answers.failed))
        await crashing
        await asyncio.to_thread(server.start)
        await until(lambda: journal.error is None)
        write(journal, last := next(requests))
        await answers.wait(last)
    assert answers.committed[-1] == last
    assert {f"key-{request}" for request in answers.committed} == set(await stored(alias))


@pytest.mark.parametrize("before", [True, False])
async def test_a_commit_that_nobody_knows_of_is_tried_until_it_is_known(
    alias: str, before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(alias) as (journal, answers):
        journal.store_entry(Entry("learned", 1, b"1"))
        journal.store_peer(PeerRecord(node_id="a"))
        with breaking(monkeypatch, before=before) as broken:
            write(journal, 1)
            await answers.wait(1)
        assert broken.is_set()
        assert (answers.committed, answers.failed, journal.error) == ([1], {}, None)
        assert set(await stored(alias)) == {"learned", "key-1"}


async def test_while_it_is_not_known_those_behind_are_refused(
    alias: str, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(alias) as (journal, answers):
        with breaking(monkeypatch, before=False) as broken:

            def stop() -> None:
                broken.wait(10)
                server.stop()

            stopping = threading.Thread(target=stop)
            monkeypatch.setattr(journal, "_attempt", _behind(stopping, journal._attempt))
            stopping.start()
            write(journal, 1)
            await until(lambda: journal.error is not None)
            write(journal, 2)
            await answers.wait(1)
            assert list(answers.failed) == [2]
            await asyncio.to_thread(server.start)
            await answers.wait(2)
        assert answers.committed == [1]
        assert set(await stored(alias)) == {"key-1"}


def _behind(thread: threading.Thread, attempt: Any) -> Any:
    """The second attempt waits for the thread."""
    attempts = 0

    def waiting(group: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            thread.join(30)
        attempt(group)

    return waiting


async def test_what_is_not_known_when_another_takes_over_is_not_answered(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(alias) as (journal, answers):
        with breaking(monkeypatch, before=False) as broken:

            def take_over() -> None:
                broken.wait(10)
                begin_life("me", 1, alias=alias)

            taking = threading.Thread(target=take_over)
            monkeypatch.setattr(journal, "_attempt", _behind(taking, journal._attempt))
            taking.start()
            write(journal, 1)
            with pytest.raises(EpochOver):
                await asyncio.wait_for(journal.wait_ended(), 30)
        write(journal, 2)
        await answers.wait(1)
    assert (answers.committed, list(answers.failed)) == ([], [2])
    assert set(await stored(alias)) == {"key-1"}


async def test_a_process_that_is_stopped_in_a_transaction_does_not_keep_another_from_taking_over(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    within, go_on = threading.Event(), threading.Event()

    def upsert(*arguments: Any) -> None:
        within.set()
        assert go_on.wait(30)
        upsert_entries(*arguments)

    monkeypatch.setattr(module, "upsert_entries", upsert)
    async with running(alias) as (journal, answers):
        write(journal, 1)
        await asyncio.to_thread(within.wait, 10)
        await asyncio.to_thread(begin_life, "me", 1, alias=alias)
        go_on.set()
        with pytest.raises(EpochOver):
            await journal.wait_ended()
        await answers.wait(1)
    assert list(answers.failed) == [1]
    assert await stored(alias) == {}


async def test_a_transaction_that_waits_for_who_takes_over_stores_nothing(
    alias: str, postgres_url: str
) -> None:
    async with running(alias) as (journal, answers):
        with psycopg.connect(postgres_url) as other:
            other.execute("UPDATE gossip_node SET epoch = epoch + 1")
            write(journal, 1)
            await until(lambda: _waits_for_a_lock(postgres_url))
            other.commit()
        with pytest.raises(EpochOver, match="the epoch is 2, ours was 1"):
            await journal.wait_ended()
        await answers.wait(1)
    assert await stored(alias) == {}


def _waits_for_a_lock(url: str) -> bool:
    with psycopg.connect(url) as asking:
        waiting = asking.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
    return waiting != (0,)


def test_of_two_first_lives_at_once_the_second_waits_for_the_first(
    alias: str, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url) as other:
        other.execute("INSERT INTO gossip_node VALUES (1, 'other', 7, 0, 1)")
        lives = []
        second = threading.Thread(target=lambda: lives.append(begin_life("me", 1, alias=alias)))
        second.start()
        while not _waits_for_a_lock(postgres_url):
            assert second.is_alive()
        other.commit()
        second.join(10)
    assert [(life.epoch, life.incarnation) for life in lives] == [(2, 8)]


def test_commits_are_flushed_to_the_disk_whatever_the_default(
    alias: str, postgres_server: Postgres
) -> None:
    with (
        setting(postgres_server, "synchronous_commit", "off"),
        connections[alias].cursor() as cursor,
    ):
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


@pytest.fixture
def scandinavian(postgres_server: Postgres, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A database whose own order is that of a language."""
    name = postgres_server.new_database(
        "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'sv' LOCALE 'C.UTF-8'"
    )
    with django_db_blocker.unblock(), database_on(postgres_server.url(name)) as alias:
        call_command("migrate", database=alias, verbosity=0)
        yield alias


def test_keys_are_ordered_by_code_point_by_an_index_whatever_the_database_does(
    scandinavian: str,
) -> None:
    keys = sorted(["b", "B", "a", "A", "ö", "z", "a b", "ab", "a-c", "😀", "\ufffd", "\x00"])
    upsert_entries(scandinavian, [Entry(key, 1, b"0") for key in reversed(keys)])
    upsert_peers(scandinavian, [PeerRecord(node_id=key) for key in reversed(keys)])
    batches = load_entries(batch=2, alias=scandinavian)
    assert [entry.key for batch in batches for entry in batch] == keys
    assert [peer.node_id for peer in load_peers(alias=scandinavian)] == keys
    with connections[scandinavian].cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT key FROM gossip_entry WHERE key > 'a' ORDER BY key LIMIT 9")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "gossip_entry_pkey" in plan
    assert "Sort" not in plan


def test_a_database_without_tables_is_left_to_the_operator(
    postgres_server: Postgres, django_db_blocker: DjangoDbBlocker
) -> None:
    url = postgres_server.url("postgres")
    with django_db_blocker.unblock(), database_on(url) as alias:
        with pytest.raises(ConfigurationError) as refusal:
            prepare_database(alias=alias)
        assert str(refusal.value) == (
            "the database postgres cannot be used: run `python manage.py migrate` first:"
            " it lacks migrations"
        )
        assert connections[alias].introspection.table_names() == []


def test_a_database_of_another_encoding_is_refused(
    postgres_server: Postgres, django_db_blocker: DjangoDbBlocker
) -> None:
    name = postgres_server.new_database("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with (
        django_db_blocker.unblock(),
        database_on(postgres_server.url(name)) as alias,
        pytest.raises(ConfigurationError, match="its encoding is LATIN1 and must be UTF8"),
    ):
        prepare_database(alias=alias)


@pytest.mark.parametrize("query", ["", "?sslmode=verify-full"])
def test_a_server_that_cannot_be_used_is_told_in_a_line_without_the_password(
    postgres_server: Postgres, django_db_blocker: DjangoDbBlocker, query: str
) -> None:
    url = postgres_server.url("nowhere", query)
    with (
        django_db_blocker.unblock(),
        database_on(url) as alias,
        pytest.raises(ConfigurationError) as refusal,
    ):
        prepare_database(alias=alias)
    line = str(refusal.value)
    assert line.startswith("the database nowhere cannot be used: ")
    assert "\n" not in line
    assert "p@ss" not in line


def test_a_server_that_does_not_flush_is_told_of(alias: str, postgres_server: Postgres) -> None:
    with setting(postgres_server, "fsync", "off"), capture_logs() as logs:
        prepare_database(alias=alias)
    assert [(line["event"], line["fsync"]) for line in logs] == [("database_not_durable", "off")]
