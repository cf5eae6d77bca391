"""Between the core's values and the rows of `gossip.models`.

The functions that write run inside a transaction of their caller.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from django.db import connections
from django.db.models import F

from gossip.columns import escaped, refuses_nul
from gossip.core.entries import Entry, restored
from gossip.core.members import PeerRecord
from gossip.models import NodeRow, PeerRow

EntryTuple = tuple[str, int, str | None, int | None, int, str | None, bytes, int]
"""The columns of `ENTRY_COLUMNS`."""

ENTRY_COLUMNS = (
    "key",
    "version",
    "value",
    "expires_at",
    "timestamp",
    "origin",
    "value_hash",
    "entry_hash",
)

PEER_COLUMNS = tuple(name for name in PeerRecord.__struct_fields__ if name != "life")
"""The columns of `PeerRow` are named as the fields of the record.

A stored member is an address to dial: which life it is in, it says itself.
"""

VALUE_HASH_BYTES = 32

_TEXT = (str, type(None))


# The row values are the order of E3, as in `Entry.supersedes`. The columns are `ENTRY_COLUMNS`.
_UPSERT = """
    INSERT INTO gossip_entry
        (key, version, value, expires_at, timestamp, origin, value_hash, entry_hash)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET
        version = excluded.version, value = excluded.value, expires_at = excluded.expires_at,
        timestamp = excluded.timestamp, origin = excluded.origin,
        value_hash = excluded.value_hash, entry_hash = excluded.entry_hash
    WHERE (excluded.version, excluded.value IS NULL, excluded.value_hash,
           excluded.expires_at IS NOT NULL, COALESCE(-excluded.expires_at, 0))
        > (gossip_entry.version, gossip_entry.value IS NULL, gossip_entry.value_hash,
           gossip_entry.expires_at IS NOT NULL, COALESCE(-gossip_entry.expires_at, 0))
"""

# One statement, because each costs a round trip to a server, and the row is locked by it.
_ADVANCE = """
    UPDATE gossip_node SET
        clock_floor = CASE WHEN clock_floor < %s THEN %s ELSE clock_floor END,
        incarnation = CASE WHEN incarnation < %s THEN %s ELSE incarnation END
    WHERE id = %s AND epoch = %s
"""


def upsert_entries(alias: str, entries: Iterable[Entry]) -> int:
    """Store these entries; where a row of the same key exists, the greater stays (E3).

    Returns how many were new or greater.
    """
    rows = [entry_to_row(entry) for entry in entries]
    if not rows:
        return 0
    if refuses_nul(connections[alias]):
        rows = [_without_nul(row) for row in rows]
    with connections[alias].cursor() as cursor:
        cursor.executemany(_UPSERT, rows)
        return int(cursor.rowcount)


def delete_tombstones(alias: str, tombstones: Iterable[Entry]) -> None:
    """Remove these tombstones where nothing greater took their place."""
    keep = escaped if refuses_nul(connections[alias]) else str
    rows = [(keep(tombstone.key), tombstone.version) for tombstone in tombstones]
    with connections[alias].cursor() as cursor:
        cursor.executemany(
            "DELETE FROM gossip_entry WHERE key = %s AND version <= %s AND value IS NULL", rows
        )


def upsert_peers(alias: str, peers: Iterable[PeerRecord]) -> None:
    """Store these members in place of what was known of them."""
    PeerRow.objects.using(alias).bulk_create(
        [PeerRow(**{name: getattr(peer, name) for name in PEER_COLUMNS}) for peer in peers],
        update_conflicts=True,
        unique_fields=["node_id"],
        update_fields=[name for name in PEER_COLUMNS if name != "node_id"],
    )


def delete_peers(alias: str, node_ids: Iterable[str]) -> None:
    """Forget these members; those that are not there do not matter."""
    PeerRow.objects.using(alias).filter(node_id__in=list(node_ids)).delete()


def advance_node(alias: str, epoch: int, *, clock_floor: int = 0, incarnation: int = 0) -> bool:
    """Raise what is persisted of the node (E2, M1), if its epoch is still this; never lowers it.

    Returns whether it is. Then the row is locked: nobody takes over until the transaction ends.
    """
    raised = (clock_floor, clock_floor, incarnation, incarnation)
    with connections[alias].cursor() as cursor:
        cursor.execute(_ADVANCE, (*raised, NodeRow.ONLY, epoch))
        return bool(cursor.rowcount)


def stored_epoch(alias: str) -> int | None:
    """The epoch that is persisted; None where there is no node."""
    return NodeRow.objects.using(alias).values_list("epoch", flat=True).first()


def end_epoch(alias: str) -> None:
    """Take the node from whoever runs it, without running it."""
    NodeRow.objects.using(alias).update(epoch=F("epoch") + 1)


def entry_to_row(entry: Entry) -> EntryTuple:
    """The columns of an entry. Computes its hashes if nobody needed them before."""
    return (
        entry.key,
        entry.version,
        None if entry.value is None else entry.value.decode(),
        entry.expires_at,
        entry.timestamp,
        entry.origin,
        entry.value_hash,
        _signed(entry.hash),
    )


def entry_from_row(row: EntryTuple) -> Entry:
    """The entry of these columns, hashes included. Raises `ValueError` on a damaged row."""
    if damage := _damage(row):
        raise ValueError(damage)
    key, version, value, expires_at, timestamp, origin, value_hash, entry_hash = row
    return restored(
        key,
        version,
        None if value is None else value.encode(),
        expires_at,
        timestamp,
        origin,
        bytes(value_hash),
        entry_hash % 2**64,
    )


def peer_from_row(row: dict[str, Any]) -> PeerRecord:
    """The member of these `PEER_COLUMNS`. Raises `msgspec.ValidationError` on a damaged row."""
    return msgspec.convert(row, PeerRecord)


def _without_nul(row: EntryTuple) -> EntryTuple:
    """As `gossip.columns` keeps it. JSON text, which is the value, has no such character."""
    key, version, value, expires_at, timestamp, origin, value_hash, entry_hash = row
    origin = None if origin is None else escaped(origin)
    return escaped(key), version, value, expires_at, timestamp, origin, value_hash, entry_hash


def _damage(row: tuple[object, ...]) -> str | None:
    """What cannot be in a row that we wrote. SQLite keeps any type in any column."""
    key, version, value, expires_at, timestamp, origin, value_hash, entry_hash = row
    if not (isinstance(key, str) and isinstance(value, _TEXT) and isinstance(origin, _TEXT)):
        return "a text is not text"
    numbers = (version, timestamp, entry_hash, 0 if expires_at is None else expires_at)
    if not all(isinstance(number, int) for number in numbers):
        return "a number is not an integer"
    if not isinstance(value_hash, bytes | memoryview):
        return "a hash is not bytes"
    if len(value_hash) != (0 if value is None else VALUE_HASH_BYTES):
        return "the value and its hash do not fit each other"
    return None


def _signed(unsigned: int) -> int:
    """Databases have no unsigned 64-bit integer: the upper half becomes negative."""
    return unsigned - 2**64 if unsigned >= 2**63 else unsigned
