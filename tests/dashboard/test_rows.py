import pytest

from gossip.core.entries import Entry
from gossip.core.members import PeerRecord
from gossip.core.stats import MemberView
from gossip.dashboard.rows import (
    PREVIEW,
    SHOWN,
    ago,
    clock,
    duration,
    entry_row,
    iso,
    member_row,
    short_id,
)

NOW = 1_795_327_401_824


def view(**fields: object) -> MemberView:
    record = PeerRecord(node_id="0x" + "ab" * 32, last_seen=NOW - 5_000, **fields)  # type: ignore[arg-type]
    return MemberView(record=record, status="active", heartbeat_count=1234, linked=True)


def test_a_member() -> None:
    row = member_row(view(api_endpoint="http://a.example:1", region="eu", version="1.0.0"), NOW)
    assert row.short == "0xabababab…ababab"
    assert (row.seen, row.ago) == ("2026-11-22T06:03:16.824Z", "5 s ago")
    assert row.address == row.href == "http://a.example:1"
    assert (row.about, row.heartbeats) == ("eu · 1.0.0", "1,234")


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ws://a/ws", "//a", "HTTP://a", ""])
def test_only_web_addresses_are_links(address: str) -> None:
    row = member_row(view(api_endpoint=address), NOW)
    assert (row.address, row.href) == (address, "")


def test_a_member_that_nobody_can_reach_has_no_address() -> None:
    assert member_row(view(), NOW).address == ""
    assert member_row(view(gossip_endpoint="ws://a/ws"), NOW).address == "ws://a/ws"


def test_an_entry() -> None:
    row = entry_row(Entry("a/b ?#ä", 1, b'{"n":[1,2]}'))
    assert row.preview == '{"n":[1,2]}'
    assert row.value == '{\n  "n": [\n    1,\n    2\n  ]\n}'
    assert row.rest == ""
    assert row.href == "/gossip/data/a%2Fb%20%3F%23%C3%A4"


def test_a_large_value_is_cut_and_says_so() -> None:
    fits = entry_row(Entry("k", 1, b'"%b"' % (b"x" * (SHOWN - 2))))
    assert (len(fits.value), fits.rest) == (SHOWN, "")
    larger = entry_row(Entry("k", 1, b'"%b"' % (b"x" * (SHOWN - 1))))
    assert (len(larger.value), larger.rest) == (SHOWN, "The first 16,384 of 16,385 bytes.")


def test_a_cut_within_a_character_leaves_it_out() -> None:
    row = entry_row(Entry("k", 1, b'"%b"' % ("€" * SHOWN).encode()))
    assert row.preview == '"' + "€" * (PREVIEW - 1)
    assert row.value == '"' + "€" * ((SHOWN - 1) // 3)


@pytest.mark.parametrize(
    ("node_id", "shown"),
    [("a", "a"), ("x" * 20, "x" * 20), ("x" * 21, "xxxxxxxxxx…xxxxxx")],
)
def test_ids_are_shortened_in_the_middle(node_id: str, shown: str) -> None:
    assert short_id(node_id) == shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_599, "59 min 59 s"), (3_600, "1 h 0 min"),
     (86_399, "23 h 59 min"), (86_400, "1 d 0 h"), (100 * 86_400, "100 d 0 h")],
)  # fmt: skip
def test_durations(seconds: int, said: str) -> None:
    assert duration(seconds) == said


def test_times() -> None:
    assert ago(-5_000) == ago(1_999) == "just now"
    assert ago(2_000) == "2 s ago"
    assert clock(NOW) == "06:03:21 UTC"
    assert iso(0) == iso(-1) == "1970-01-01T00:00:00.000Z"
