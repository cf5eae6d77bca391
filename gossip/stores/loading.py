"""What a start needs from the database: entries, members, a new life.

These run before the journal, in any thread that runs no event loop; each closes the thread's
connection behind itself. A database that cannot be read raises `ConfigurationError`, whose one
line names it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import structlog
from django.db import Error as DatabaseFailure
from django.db import connections, transaction

from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.errors import ConfigurationError
from gossip.core.members import PeerRecord
from gossip.models import EntryRow, NodeRow, PeerRow
from gossip.stores.rows import (
    ENTRY_COLUMNS,
    PEER_COLUMNS,
    EntryTuple,
    entry_from_row,
    peer_from_row,
)

log = structlog.get_logger("gossip")

BATCH = 1_000
"""Entries loaded at a time: some 10 ms, so that whoever takes them can pause in between."""


class Life(NamedTuple):
    """What sets this life of the node apart from those before."""

    incarnation: int
    """Greater than in any earlier life (M1)."""
    clock_floor: int
    """Milliseconds: the wall time persisted last (E2); 0 on a first start."""
    epoch: int
    """Greater than in any life that began before; who has a lesser one can store nothing more."""


def load_entries(batch: int = BATCH, *, alias: str = "default") -> Iterator[tuple[Entry, ...]]:
    """All entries with their hashes, tombstones included, ordered by key, `batch` at a time.

    Each step is a query of its own and may run in another thread than the one before.
    """
    after: str | None = None
    while entries := _entries_after(after, batch, alias):
        yield entries
        after = entries[-1].key


def load_peers(*, alias: str = "default") -> tuple[PeerRecord, ...]:
    """All members remembered, ordered by node id (M7)."""
    with _reading(alias):
        rows = PeerRow.objects.using(alias).order_by("node_id").values(*PEER_COLUMNS)
        return tuple(peer_from_row(row) for row in rows)


def begin_life(
    node_id: str,
    wall: int,
    *,
    most_ahead: int = MAX_VERSION,
    after_epoch: int = 0,
    alias: str = "default",
) -> Life:
    """Take the next epoch and, at `wall` milliseconds, the next incarnation (M1); both durable.

    The epoch is greater than `after_epoch`, which others saw: this database may be a backup.

    What an earlier epoch stores yet, it has stored when this returns: load the rest afterwards.

    What was persisted more than `most_ahead` milliseconds ahead of `wall` was made by a clock that
    has been set right since: peers refused it then, and would refuse this node until that time.

    A database that another node id wrote is taken over, entries and all, and the log says so: an
    operator may rename a node.
    """
    with _reading(alias), transaction.atomic(using=alias, durable=True):
        nodes = NodeRow.objects.using(alias)
        # Of two first lives at once, one makes the row and the other waits for it.
        before, _ = nodes.select_for_update().get_or_create(
            pk=NodeRow.ONLY, defaults={"node_id": node_id, "incarnation": 0, "clock_floor": 0}
        )
        incarnation, clock_floor = before.incarnation, before.clock_floor
        if max(incarnation, clock_floor) > wall + most_ahead:
            log.warning("clock_set_back", incarnation=incarnation, clock_floor=clock_floor)
            incarnation, clock_floor = 0, 0
        life = Life(max(wall, incarnation + 1), clock_floor, max(before.epoch, after_epoch) + 1)
        nodes.filter(pk=NodeRow.ONLY).update(node_id=node_id, **life._asdict())
    if before.node_id != node_id:
        log.warning("node_id_changed", before=before.node_id, now=node_id)
    return life


def unusable(alias: str, problem: object) -> ConfigurationError:
    """The one line that stops a start, with the database's file, or its name on a server."""
    name = connections[alias].settings_dict["NAME"]
    return ConfigurationError(
        f"the database {name} cannot be used: {' '.join(str(problem).split())}"
    )


def _entries_after(after: str | None, limit: int, alias: str) -> tuple[Entry, ...]:
    with _reading(alias):
        rows = EntryRow.objects.using(alias).order_by("key").values_list(*ENTRY_COLUMNS)
        if after is not None:
            rows = rows.filter(key__gt=after)
        return tuple(_entry(row, alias) for row in rows[:limit])


def _entry(row: EntryTuple, alias: str) -> Entry:
    try:
        return entry_from_row(row)
    except ValueError as error:
        raise unusable(alias, f"the row of key {row[0]!r} is damaged: {error}") from error


@contextmanager
def _reading(alias: str) -> Iterator[None]:
    try:
        yield
    except (DatabaseFailure, ValueError) as error:
        raise unusable(alias, error) from error
    finally:
        connections[alias].close()
