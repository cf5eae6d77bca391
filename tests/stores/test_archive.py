"""The state as a file, and back."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from gossip.core.config import Limits
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.errors import ConfigurationError
from gossip.stores.archive import BATCH, ArchiveFault, Taken, read, written
from gossip.stores.loading import begin_life, load_entries
from gossip.stores.migrating import prepare_database
from gossip.stores.rows import stored_epoch, upsert_entries
from tests.stores.databases import database_at

LATEST = 10**13
ENTRIES = [
    Entry("a", 5, b'{"n":[1,null]}', timestamp=4, origin="0xa"),
    Entry("b\n\u2028", 6, None, timestamp=6),
    Entry("c", 7, b'"\\n"', expires_at=9_000, timestamp=7),
]


def exported(alias: str) -> list[bytes]:
    return b"".join(part for _, part in written(alias=alias)).splitlines(keepends=True)


def imported(alias: str, lines: Iterable[bytes]) -> Taken:
    [*_, taken] = read(lines, Limits(), LATEST, alias=alias)
    return taken


def stored(alias: str) -> list[Entry]:
    return [entry for batch in load_entries(alias=alias) for entry in batch]


@pytest.fixture
def archive(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> list[bytes]:
    """The lines of `ENTRIES`, from a database of their own."""
    with django_db_blocker.unblock(), database_at(tmp_path / "exported.sqlite3") as alias:
        prepare_database(alias=alias)
        upsert_entries(alias, ENTRIES)
        lines = exported(alias)
    assert len(lines) == 1 + len(ENTRIES) + 1
    return lines


@pytest.fixture
def other(archive: list[bytes], alias: str) -> str:  # one database after the other
    """A database where `a` is newer and `c` older."""
    upsert_entries(alias, [Entry("a", 6, b"6"), Entry("c", 6, b"6"), Entry("d", 1, b"1")])
    return alias


def test_e3_an_import_is_a_merge(other: str, archive: list[bytes]) -> None:
    taken = imported(other, archive)
    assert (taken.entries, taken.newer) == (3, 2)
    held = stored(other)
    assert held == [Entry("a", 6, b"6"), *ENTRIES[1:], Entry("d", 1, b"1")]
    assert [(entry.timestamp, entry.origin) for entry in held[1:3]] == [(6, None), (7, None)]
    assert imported(other, archive).newer == 0
    assert stored(other) == held


def test_an_entry_is_a_line_as_it_travels(archive: list[bytes]) -> None:
    first, a, b, _, last = map(json.loads, archive)
    assert first == {"format": "gossipnode-state", "release": 1}
    assert last == {"entries": 3}
    assert a["value"] == {"n": [1, None]}
    assert (a["key"], a["version"], a["origin"]) == ("a", 5, "0xa")
    assert "value" not in b
    assert b["deleted"] is True


def test_many_entries_come_in_parts(alias: str) -> None:
    many = [Entry(f"{number:05}", 1, b"1") for number in range(2 * BATCH + 1)]
    upsert_entries(alias, many)
    assert [count for count, _ in written(alias=alias)] == [
        0,
        BATCH,
        2 * BATCH,
        2 * BATCH + 1,
        2 * BATCH + 1,
    ]
    assert imported(alias, exported(alias)).entries == len(many)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [], "does not begin"),
        (lambda lines: lines[1:], "does not begin"),
        (lambda lines: [b"\xff\n", *lines[1:]], "does not begin"),
        (lambda lines: [lines[0].replace(b":1", b":2"), *lines[1:]], "release 2"),
        (lambda lines: lines[:-1], "breaks off after 3 entries"),
        (lambda lines: [*lines[:-2], lines[-1]], "holds 2 entries and says 3"),
        (lambda lines: [*lines[:-1], lines[-1][:-3]], "line 5 cannot be taken"),
        (lambda lines: [lines[0], lines[1][:20], *lines[2:]], "line 2 cannot be taken: entry"),
        (lambda lines: [*lines, lines[1]], "line 6 cannot be taken"),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], "line 3 cannot be taken"),
        (
            lambda lines: [lines[0], b'{"key":"x","value":1,"version":%d}' % (LATEST + 1)],
            f"version {LATEST + 1} lies too far ahead",
        ),
    ],
)
def test_what_is_not_whole_is_refused_and_nothing_of_it_stays(
    other: str, archive: list[bytes], change: object, told: str
) -> None:
    before = stored(other)
    with pytest.raises(ArchiveFault, match=told):
        imported(other, change(archive))  # type: ignore[operator]
    assert stored(other) == before


def test_nothing_stays_of_what_is_interrupted(other: str, archive: list[bytes]) -> None:
    def lines() -> Iterator[bytes]:
        yield archive[0]
        for number in range(BATCH):
            yield b'{"key":"%d","value":1,"version":%d}' % (number, MAX_VERSION // 1_000)
        raise KeyboardInterrupt

    before = stored(other)
    with pytest.raises(KeyboardInterrupt):
        imported(other, lines())
    assert stored(other) == before


def test_nothing_is_exported_of_a_database_that_is_not_there(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    file = tmp_path / "missing.sqlite3"
    missing = pytest.raises(ConfigurationError, match="there is none")
    with django_db_blocker.unblock(), database_at(file) as alias, missing:
        exported(alias)
    assert not file.exists()


def test_whoever_runs_the_node_is_stopped_by_an_import_that_is_whole(alias: str) -> None:
    epoch = begin_life("me", 1, alias=alias).epoch
    lines = exported(alias)
    with pytest.raises(ArchiveFault):
        imported(alias, lines[:-1])
    assert stored_epoch(alias) == epoch
    imported(alias, lines)
    assert stored_epoch(alias) == epoch + 1
