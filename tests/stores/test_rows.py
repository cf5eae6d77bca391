from itertools import permutations

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.members import PeerRecord
from gossip.stores.loading import Life, begin_life, load_entries, load_peers
from gossip.stores.rows import (
    advance_node,
    delete_peers,
    entry_from_row,
    entry_to_row,
    stored_epoch,
    upsert_entries,
    upsert_peers,
)

ASCENDING = (
    Entry("k", 1, b'"b"'),
    Entry("k", 2, b'"a"'),
    Entry("k", 3, b'"a"'),
    Entry("k", 3, b'"a"', expires_at=9_000),
    Entry("k", 3, b'"a"', expires_at=8_000),
    Entry("k", 3, None),
    Entry("k", 3, None, expires_at=9_000),
    Entry("k", 4, b"null"),
)
"""One key's entries, each of which wins over those before it (E3)."""

entries = st.builds(
    Entry,
    key=st.text(min_size=1, max_size=20),
    version=st.integers(1, MAX_VERSION),
    value=st.none() | st.sampled_from([b"null", b"0", b'"\xc3\xa4\\u0000"', b'{"a":[1.5,true]}']),
    expires_at=st.none() | st.integers(1, MAX_VERSION),
    timestamp=st.integers(0, MAX_VERSION),
    origin=st.none() | st.text(max_size=5),
)


def stored(alias: str) -> list[Entry]:
    return [entry for batch in load_entries(alias=alias) for entry in batch]


@given(entries)
def test_an_entry_comes_back_as_it_was_with_its_hashes(entry: Entry) -> None:
    back = entry_from_row(entry_to_row(entry))
    assert (back, back.timestamp, back.origin) == (entry, entry.timestamp, entry.origin)
    assert (back._value_hash, back._hash) == (entry.value_hash, entry.hash)


@pytest.mark.parametrize(
    "key", ["K", "k", " k", "ä", "a\u0308", "a\x00b", "\x00", "a\x01\x00\x01\x02", "%s", "'", "😀"]
)
def test_keys_are_kept_byte_by_byte(either: str, key: str) -> None:
    others = [Entry(other, 1, b"0") for other in ("a", "b", "a\x00c")]
    upsert_entries(either, [*others, Entry(key, 1, b"1")])
    assert sorted(entry.key for entry in stored(either)) == sorted([key, "a", "b", "a\x00c"])
    assert [entry.value for entry in stored(either) if entry.key == key] == [b"1"]


def test_the_greater_of_two_stays_whichever_comes_first(either: str) -> None:
    pairs = list(permutations(range(len(ASCENDING)), 2))
    keyed = [
        [replace(ASCENDING[place], key=f"{first}-{second}") for place in (first, second)]
        for first, second in pairs
    ]
    upsert_entries(either, [first for first, _ in keyed])
    upsert_entries(either, [second for _, second in keyed])
    assert {entry.key: entry for entry in stored(either)} == {
        f"{first}-{second}": keyed[number][second > first]
        for number, (first, second) in enumerate(pairs)
    }


def test_equal_versions_are_decided_by_the_value_hash(either: str) -> None:
    rivals = [Entry("k", 5, str(number).encode()) for number in range(20)]
    upsert_entries(either, rivals)
    assert stored(either) == [max(rivals, key=lambda entry: entry.value_hash)]


def test_the_same_entry_again_changes_nothing(either: str) -> None:
    upsert_entries(either, [Entry("k", 5, b"1", timestamp=1)])
    upsert_entries(either, [Entry("k", 5, b"1", timestamp=2)])
    assert [entry.timestamp for entry in stored(either)] == [1]


def test_a_peer_replaces_what_was_known_of_it(either: str) -> None:
    bare = PeerRecord(node_id="b", last_seen=1)
    full = PeerRecord(
        node_id="a",
        public_key="0x1",
        gossip_endpoint="ws://a/ws",
        api_endpoint="http://a",
        region="r",
        capabilities=("gx1", "x"),
        version="1.0.0",
        incarnation=7,
        last_seen=9,
    )
    upsert_peers(either, [PeerRecord(node_id="a"), bare])
    upsert_peers(either, [full])
    assert load_peers(alias=either) == (full, bare)


def test_forgetting_a_peer_leaves_the_others(either: str) -> None:
    upsert_peers(either, [PeerRecord(node_id="a"), PeerRecord(node_id="b")])
    delete_peers(either, ["a", "unknown"])
    assert [peer.node_id for peer in load_peers(alias=either)] == ["b"]


def test_the_clock_floor_and_the_incarnation_only_rise(either: str) -> None:
    epoch = begin_life("me", 1, alias=either).epoch
    for clock_floor, incarnation in ((500, 0), (400, 700), (0, 600)):
        assert advance_node(either, epoch, clock_floor=clock_floor, incarnation=incarnation)
    assert begin_life("me", 2, alias=either) == Life(701, 500, epoch + 1)


def test_a_node_of_another_epoch_is_left_as_it_is(either: str) -> None:
    assert not advance_node(either, 0, clock_floor=500)
    assert stored_epoch(either) is None
    epoch = begin_life("me", 1, alias=either).epoch
    for other in (epoch - 1, epoch + 1):
        assert not advance_node(either, other, clock_floor=500, incarnation=500)
    assert stored_epoch(either) == epoch
    assert begin_life("me", 2, alias=either) == Life(2, 0, epoch + 1)


def test_the_database_sorts_keys_as_python_does(either: str) -> None:
    keys = [
        "b",
        "B",
        "a b",
        "ab",
        "a-c",
        "a",
        "ä",
        "z",
        "😀",
        "\ufffd",
        "a\x00",
        "a\x01",
        "a\x02",
        "\x00",
    ]
    upsert_entries(either, [Entry(key, 1, b"0") for key in keys])
    assert [entry.key for entry in stored(either)] == sorted(keys)


def test_commits_are_flushed_to_the_disk(alias: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone() == (2,)
