"""Versions of a key and their total order (E3, E5, section 10)."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gossip.core.entries import MAX_VERSION, Entry, restored

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "values.json").read_text()
)["entries"]


def entry(version: int = 5, value: bytes | None = b"1", **fields: Any) -> Entry:
    return Entry("k", version, value, **fields)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["hash"])
def test_the_hash_is_the_one_that_every_implementation_computes(vector: dict[str, Any]) -> None:
    value = vector["value"]
    made = Entry(
        vector["key"],
        vector["version"],
        None if value is None else value.encode(),
        vector["expiresAt"],
    )
    assert f"{made.hash:016x}" == vector["hash"]


def test_information_is_no_part_of_an_entry() -> None:
    told = entry(timestamp=7, origin="0xa")
    assert told == entry()
    assert hash(told) == hash(entry())
    assert told.hash == entry().hash
    assert not told.supersedes(entry())


@pytest.mark.parametrize(
    "other",
    [entry(6), entry(value=None), entry(value=b"2"), entry(expires_at=1), Entry("l", 5, b"1")],
    ids=["version", "tombstone", "value", "expiry", "key"],
)
def test_everything_else_tells_entries_apart(other: Entry) -> None:
    assert other != entry()
    assert other.hash != entry().hash


def test_an_entry_is_no_other_thing() -> None:
    assert entry() != "k"


def test_values_written_in_another_order_are_the_same_value() -> None:
    ours, theirs = entry(value=b'{"b":1,"10":2}'), entry(value=b'{"10":2,"b":1}')
    assert ours == theirs
    assert not ours.supersedes(theirs)
    assert not theirs.supersedes(ours)


def test_e3_version_then_tombstone_then_hash_then_expiry() -> None:
    lesser, greater = sorted((b"1", b"2"), key=lambda value: entry(value=value).value_hash)
    ascending = [
        entry(4, None),
        entry(5, lesser),
        entry(5, lesser, expires_at=MAX_VERSION),
        entry(5, lesser, expires_at=9),
        entry(5, lesser, expires_at=8),
        entry(5, greater),
        entry(5, None),
        entry(5, None, expires_at=1),
        entry(6, lesser),
    ]
    for lower, higher in pairwise(ascending):
        assert higher.supersedes(lower)
        assert not lower.supersedes(higher)


def test_any_entry_supersedes_none() -> None:
    assert entry(1, None).supersedes(None)


def test_e5_null_is_an_ordinary_value() -> None:
    assert not entry(value=b"null").deleted
    assert entry(value=None).deleted
    assert entry(value=None).value_hash == b""


def test_an_entry_from_the_store_keeps_the_hashes_stored_with_it() -> None:
    loaded = restored("k", 5, b"1", None, 7, "0xa", b"stored", 42)
    assert (loaded.value_hash, loaded.hash) == (b"stored", 42)
    assert (loaded.timestamp, loaded.origin) == (7, "0xa")


def test_an_entry_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        entry().version = 6  # type: ignore[misc]
