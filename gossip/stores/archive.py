"""The state as a file of JSON lines, for backups and for moving it elsewhere.

    {"format":"gossipnode-state","release":1}
    {"key":"a","value":1,"version":1700000000000,…}      an entry as it travels between nodes
    {"key":"b","version":1700000000001,"deleted":true,…} a tombstone, which has no value
    {"entries":2}                                        what came before: the file is whole

Reading one in is a merge (E3): for each key the greater of what is there and what comes stays. All
of a file is taken or nothing.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NoReturn

import msgspec
from django.db import Error as DatabaseFailure
from django.db import connections, transaction

from gossip.core.config import Limits
from gossip.core.decoding import decode_entry
from gossip.core.encoding import encode_entry
from gossip.core.entries import Entry
from gossip.core.errors import EntryFault, GossipError
from gossip.stores.loading import load_entries, unusable
from gossip.stores.rows import end_epoch, upsert_entries

FORMAT: Final = "gossipnode-state"
RELEASE: Final = 1
BATCH: Final = 1_000
"""Entries written with one statement, and steps in which progress is told."""
LINE: Final = Limits().value + 8_192
"""Bytes of the longest line: a value, and what stands around it."""


class _First(msgspec.Struct):
    format: str
    release: int


class _Last(msgspec.Struct, forbid_unknown_fields=True):
    entries: int


class ArchiveFault(GossipError):
    """A file that is no whole archive, or holds what no node would take; nothing was written."""


class Taken(msgspec.Struct):
    """How far the reading of an archive is."""

    entries: int = 0
    newer: int = 0
    """Those that were greater than what was there."""


def written(*, alias: str = "default") -> Iterator[tuple[int, bytes]]:
    """The lines of an archive in parts, each with the entries so far. Runs beside a node.

    What was on disk when it began is in it, in that version or in a greater one. Raises
    `ConfigurationError`.
    """
    _must_exist(alias)
    count = 0
    yield count, _lines(_First(FORMAT, RELEASE))
    for batch in load_entries(BATCH, alias=alias):
        count += len(batch)
        yield count, b"".join(encode_entry(entry) + b"\n" for entry in batch)
    yield count, _lines(_Last(count))


def read(
    lines: Iterable[bytes], limits: Limits, latest: int, *, alias: str = "default"
) -> Iterator[Taken]:
    """Merge an archive into the database; yields how far it is, and in the end all of it.

    No node may run on that database; the epoch of one that does ends here. Versions above `latest`
    are refused: a node would not have them in its state yet (E4). Raises `ArchiveFault` and
    `ConfigurationError`.
    """
    taken = Taken()
    try:
        with transaction.atomic(using=alias, durable=True):
            # The lock of the data directory says nothing of a node that has another directory and
            # the same database. It would not see what is read in, and write over it.
            end_epoch(alias)
            _take_time(alias)
            for batch in _batches(lines, limits, latest):
                taken.newer += upsert_entries(alias, batch)
                taken.entries += len(batch)
                yield taken
    except DatabaseFailure as error:
        raise unusable(alias, error) from error
    finally:
        connections[alias].close()


def _batches(lines: Iterable[bytes], limits: Limits, latest: int) -> Iterator[list[Entry]]:
    numbered = enumerate(lines, start=1)
    _check_first(next(numbered, (1, b""))[1])
    count = 0
    batch: list[Entry] = []
    for number, line in numbered:
        if (last := _last(line)) is not None:
            if last.entries != count:
                raise ArchiveFault(f"it holds {count} entries and says {last.entries}")
            yield batch
            _expect_end(numbered)
            return
        batch.append(_entry(number, line, limits, latest))
        count += 1
        if len(batch) == BATCH:
            yield batch
            batch = []
    raise ArchiveFault(f"it breaks off after {count} entries")


def _check_first(line: bytes) -> None:
    try:
        first = msgspec.json.decode(line, type=_First)
    except (msgspec.DecodeError, UnicodeDecodeError):
        first = _First("", 0)
    if first.format != FORMAT:
        raise ArchiveFault("it does not begin as `gossip export` writes it")
    if first.release != RELEASE:
        raise ArchiveFault(f"its format is release {first.release}; this is for {RELEASE}")


def _last(line: bytes) -> _Last | None:
    if not line.startswith(b'{"entries"'):
        return None
    try:
        return msgspec.json.decode(line, type=_Last)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _entry(number: int, line: bytes, limits: Limits, latest: int) -> Entry:
    try:
        entry = decode_entry(line, limits)
    except EntryFault as fault:
        _refuse(number, str(fault))
    if entry.version > latest:
        _refuse(number, f"version {entry.version} lies too far ahead of this machine's clock")
    return entry


def _refuse(number: int, problem: str) -> NoReturn:
    raise ArchiveFault(f"line {number} cannot be taken: {problem}")


def _expect_end(numbered: Iterator[tuple[int, bytes]]) -> None:
    for number, line in numbered:
        if line.strip():
            _refuse(number, "it comes after the last one")


def _lines(*objects: msgspec.Struct) -> bytes:
    return msgspec.json.Encoder().encode_lines(objects)


def _take_time(alias: str) -> None:
    """Let a server wait in our transaction for lines that come slowly."""
    if connections[alias].vendor == "postgresql":
        with connections[alias].cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def _must_exist(alias: str) -> None:
    """SQLite would make an empty database."""
    connection = connections[alias]
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        raise unusable(alias, "there is none; GOSSIP_DATA_DIR and PORT tell which node is meant")
