"""A database of a test's own, with the settings of the real one, and ways to break it."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from gossip.database_url import postgres
from gossip.databases import settings_of
from gossip.models import EntryRow, NodeRow, PeerRow

ALIAS = "node"


@contextmanager
def database_at(file: Path, *, timeout: float = 0.05) -> Iterator[str]:
    """Make `ALIAS` stand for this file. Yields the alias.

    Waits `timeout` seconds for a lock, so that a test of a locked database need not wait long.
    """
    default = connections.databases["default"]
    connections.databases[ALIAS] = default | {
        "NAME": file,
        "OPTIONS": default["OPTIONS"] | {"timeout": timeout},
    }
    try:
        yield ALIAS
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.databases[ALIAS]


@contextmanager
def database_on(url: str, *, timeout: str = "50ms") -> Iterator[str]:
    """Make `ALIAS` stand for this database of a server. Yields the alias."""
    database = postgres().read(url)
    settings = settings_of(database, Path())
    options = settings["OPTIONS"]
    options["options"] += f" -c lock_timeout={timeout}"
    connections.databases[ALIAS] = connections.databases["default"] | settings
    try:
        yield ALIAS
    finally:
        connections[ALIAS].close()
        del connections[ALIAS]
        del connections.databases[ALIAS]


@contextmanager
def emptied(url: str, *, timeout: str = "50ms") -> Iterator[str]:
    """Likewise, with all tables of a first start."""
    with database_on(url, timeout=timeout) as alias:
        for model in (EntryRow, PeerRow, NodeRow):
            model.objects.using(alias).all().delete()
        yield alias


@contextmanager
def every_connection(pragma: str) -> Iterator[None]:
    """Run this on every connection that is opened meanwhile, the journal's own among them."""

    def run(connection: BaseDatabaseWrapper, **_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(pragma)

    connection_created.connect(run)
    try:
        yield
    finally:
        connection_created.disconnect(run)


@contextmanager
def locked(file: Path) -> Iterator[sqlite3.Connection]:
    """Another program writes to the database and does not come to an end. Yields its connection."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield other
    finally:
        other.rollback()
        other.close()


@contextmanager
def locked_on(url: str) -> Iterator[psycopg.Connection]:
    """Likewise, on a server."""
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE gossip_node IN ACCESS EXCLUSIVE MODE")
        yield other
        other.rollback()


def node_row(alias: str) -> NodeRow:
    """What is persisted of the node. Closes the connection, because any thread may ask."""
    try:
        return NodeRow.objects.using(alias).get()
    finally:
        connections[alias].close()


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # threads set no events of a loop
            await asyncio.sleep(0.002)
