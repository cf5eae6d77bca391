"""What the shared view holds, as bytes."""

import msgspec

from gossip.core.entries import Entry
from gossip.stores.rows import EntryTuple, entry_from_row, entry_to_row

_encode = msgspec.msgpack.Encoder().encode
_decode_row = msgspec.msgpack.Decoder(EntryTuple).decode


class Numbers(msgspec.Struct, frozen=True):
    """What a node says of its state, as in `gossip.core.stats.Overview`."""

    version: int
    """Updates applied, local and remote."""
    last_updated: int
    """Milliseconds of wall time of the last update applied; 0 before the first."""
    live: int
    """Keys with a value."""
    total: int
    """Keys, tombstones included."""


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Says that the view is complete. Scripts read its first two fields."""

    epoch: int
    """Of the worker that keeps it."""
    number: int
    """Of the worker's call that wrote last."""
    numbers: Numbers


_decode_mark = msgspec.msgpack.Decoder(Mark).decode


def entry_to_bytes(entry: Entry) -> bytes:
    """A row of the database, hashes included: no reader needs to hash."""
    return _encode(entry_to_row(entry))


def entry_from_bytes(row: bytes) -> Entry:
    """Raises `ValueError` on what we did not write."""
    return entry_from_row(_decode_row(row))


def mark_to_bytes(mark: Mark) -> bytes:
    """As scripts read it: an array, in MessagePack."""
    return _encode(mark)


def mark_from_bytes(mark: bytes) -> Mark:
    """Raises `ValueError` on what we did not write."""
    return _decode_mark(mark)
