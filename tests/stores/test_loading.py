from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from structlog.testing import capture_logs

from gossip.core.entries import Entry
from gossip.core.errors import ConfigurationError
from gossip.stores.loading import Life, begin_life, load_entries, load_peers
from gossip.stores.migrating import prepare_database
from gossip.stores.rows import upsert_entries


def execute(alias: str, sql: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7])
def test_every_entry_is_loaded_once_in_the_order_of_keys(either: str, count: int) -> None:
    entries = [Entry(f"key-{number}", 1, b"0") for number in range(count)]
    upsert_entries(either, reversed(entries))
    batches = list(load_entries(batch=3, alias=either))
    assert [entry for batch in batches for entry in batch] == entries
    assert all(1 <= len(batch) <= 3 for batch in batches)


def test_tombstones_are_loaded_and_no_hash_is_computed(either: str) -> None:
    upsert_entries(either, [Entry("gone", 2, None, timestamp=5, origin="me")])
    ((gone,),) = load_entries(alias=either)
    assert gone.deleted
    assert (gone._value_hash, gone._hash) == (b"", Entry("gone", 2, None).hash)


def test_each_batch_may_be_loaded_by_another_thread(either: str) -> None:
    upsert_entries(either, [Entry(key, 1, b"0") for key in "abc"])
    batches = load_entries(batch=1, alias=either)
    keys = []
    for _ in range(3):
        with ThreadPoolExecutor(1) as pool:
            keys += [entry.key for entry in pool.submit(next, batches).result()]
    assert keys == ["a", "b", "c"]


def test_an_incarnation_is_the_wall_time_or_one_more_than_the_last(either: str) -> None:
    incarnations = [begin_life("me", wall, alias=either)[0] for wall in (1_000, 1_000, 900, 5_000)]
    assert incarnations == [1_000, 1_001, 1_002, 5_000]


def test_the_epoch_is_one_more_in_each_life_whatever_the_clock_and_the_name(either: str) -> None:
    lives = [("me", 1_000), ("me", 900), ("you", 10**15), ("me", 1)]
    epochs = [begin_life(name, wall, most_ahead=10, alias=either).epoch for name, wall in lives]
    assert epochs == [1, 2, 3, 4]


def test_the_epoch_is_greater_than_the_one_that_others_saw(either: str) -> None:
    seen = (0, 41, 7)
    assert [begin_life("a", 1, after_epoch=it, alias=either).epoch for it in seen] == [1, 42, 43]


def test_of_many_first_lives_at_once_no_two_have_the_same_epoch(
    alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.databases[alias]["OPTIONS"], "timeout", 60)
    with ThreadPoolExecutor(8) as pool:
        lives = list(pool.map(lambda _: begin_life("me", 1_000, alias=alias), range(8)))
    assert sorted(life.epoch for life in lives) == list(range(1, 9))
    assert sorted(life.incarnation for life in lives) == list(range(1_000, 1_008))


def test_a_node_of_a_release_without_epochs_keeps_what_it_has(empty: str) -> None:
    call_command("migrate", "gossip", "0001", database=empty, verbosity=0)
    execute(empty, "INSERT INTO gossip_node VALUES (1, 'me', 5000, 700)")
    prepare_database(alias=empty)
    assert begin_life("me", 1_000, alias=empty) == Life(5_001, 700, 1)


def test_m1_a_life_begun_under_a_clock_that_was_set_back_is_forgotten(either: str) -> None:
    begin_life("me", 90_000, alias=either)
    assert begin_life("me", 1_000, most_ahead=89_000, alias=either) == Life(90_001, 0, 2)
    assert begin_life("me", 1_000, most_ahead=89_000, alias=either) == Life(1_000, 0, 3)


def test_a_renamed_node_keeps_its_data_and_says_so(either: str) -> None:
    upsert_entries(either, [Entry("k", 1, b"0")])
    begin_life("old", 1_000, alias=either)
    with capture_logs() as logs:
        assert begin_life("new", 900, alias=either).incarnation == 1_001
        begin_life("new", 900, alias=either)
    assert [(line["event"], line["before"], line["now"]) for line in logs] == [
        ("node_id_changed", "old", "new")
    ]
    assert list(load_entries(alias=either)) == [(Entry("k", 1, b"0"),)]


@pytest.mark.parametrize(
    "damage",
    [
        "version = 'x'",
        "timestamp = 1.5",
        "entry_hash = x'00'",
        "expires_at = 'soon'",
        "value = x'00'",
        "value = NULL",
        "value_hash = x''",
        "value_hash = 'text'",
        "origin = x'ff'",
        "key = x'ff'",
    ],
)
def test_a_damaged_row_stops_the_start_and_names_the_file(
    alias: str, file: Path, damage: str
) -> None:
    upsert_entries(alias, [Entry("k", 1, b"0")])
    execute(alias, f"UPDATE gossip_entry SET {damage}")
    with pytest.raises(ConfigurationError) as refusal:
        list(load_entries(alias=alias))
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_damaged_member_stops_the_start_and_names_the_file(alias: str, file: Path) -> None:
    execute(
        alias,
        "INSERT INTO gossip_peer (node_id, public_key, region, capabilities, version,"
        " incarnation, last_seen) VALUES ('a', '', '', 'true', '', 0, 0)",
    )
    with pytest.raises(ConfigurationError, match=str(file)):
        load_peers(alias=alias)


def test_a_damaged_file_stops_the_start_and_names_it(alias: str, file: Path) -> None:
    with transaction.atomic(using=alias):
        upsert_entries(alias, [Entry(f"key-{number}", 1, b"0") for number in range(2_000)])
    connections[alias].close()
    content = bytearray(file.read_bytes())
    content[4096 * 4 :] = b"\xa5" * (len(content) - 4096 * 4)
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"{file} cannot be used: .*malformed"):
        list(load_entries(alias=alias))


@pytest.mark.parametrize("kept", [0.3, 0.501, 0.99])
def test_a_truncated_file_stops_the_start_and_names_it(alias: str, file: Path, kept: float) -> None:
    with transaction.atomic(using=alias):
        upsert_entries(alias, [Entry(f"key-{number}", 1, b"0") for number in range(2_000)])
    connections[alias].close()
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ConfigurationError, match=f"{file} cannot be used: .*malformed"):
        list(load_entries(alias=alias))


def test_a_database_without_tables_is_named(empty: str, file: Path) -> None:
    for read in (load_peers, lambda alias: begin_life("me", 1, alias=alias)):
        with pytest.raises(ConfigurationError, match=f"{file} cannot be used: no such table"):
            read(alias=empty)
