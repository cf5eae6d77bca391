"""Entries and frames as they travel, and frames passed on (W1–W9, E5, R5)."""

import json
from random import Random
from typing import Any

import msgspec
import pytest

from gossip.core import exchanges
from gossip.core.config import Limits
from gossip.core.decoding import decode, decode_entry
from gossip.core.encoding import Encoder, encode_entry, forwarded, named
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.errors import EntryFault
from gossip.core.fields import is_key
from gossip.core.members import PeerRecord
from gossip.core.messages import (
    Body,
    Heartbeat,
    Join,
    Message,
    NewsItem,
    PeerList,
    Roots,
    Standing,
)
from gossip.core.roots import Root
from tests.support.core import config, strict_json
from tests.support.frames import (
    WALL,
    Frame,
    message,
)

LIMITS = Limits()
ME = PeerRecord(
    node_id="0xme",
    public_key="0xpub",
    gossip_endpoint="ws://me.example/ws",
    api_endpoint="http://me.example",
    region="local",
    capabilities=("gx1",),
    version="1.0.0",
    incarnation=7,
    life=5,
)
ROOTS = Roots(Root(3, 2**127), Root(2, 5))


def read(frame: Frame) -> Message:
    return decode(msgspec.json.encode(frame), LIMITS)


def body(frame: Frame) -> Body:
    return read(frame).body


def entry_fault(**fields: object) -> str:
    """Why an entry is refused."""
    with pytest.raises(EntryFault) as raised:
        decode_entry(msgspec.json.encode({"key": "k", "version": 1} | fields), LIMITS)
    return raised.value.reason


def entry(**fields: object) -> Entry:
    return decode_entry(msgspec.json.encode({"key": "k", "version": 1} | fields), LIMITS)


# Entries


@pytest.mark.parametrize("version", [1, 1.0, 5e3, MAX_VERSION, float(MAX_VERSION)])
def test_r5_versions(version: float) -> None:
    assert entry(version=version).version == int(version)


@pytest.mark.parametrize(
    "version", [0, -1, MAX_VERSION + 1, 10**30, 1e300, 1.5, True, "5", None, [], {}]
)
def test_r5_what_is_no_version(version: object) -> None:
    assert entry_fault(version=version) == "version"


def test_e5_an_entry_without_value_is_a_tombstone() -> None:
    assert entry().deleted
    assert entry(deleted=True).deleted
    assert entry(deleted=False).deleted
    assert not entry(value=None).deleted
    assert not entry(value=1, deleted=False).deleted
    assert entry_fault(value=1, deleted=True) == "deleted-value"
    assert entry_fault(value=None, deleted=True) == "deleted-value"


@pytest.mark.parametrize("key", ["", None, 5, "x" * 513, "ä" * 257, "\U0001f600" * 129])
def test_keys_that_are_refused(key: object) -> None:
    assert entry_fault(key=key) in {"key", "entry"}
    assert not is_key(key, LIMITS)


@pytest.mark.parametrize("key", ["x", "x" * 512, "ä" * 256, "\U0001f600" * 128, "\x00", " "])
def test_keys_have_a_bound_in_bytes(key: str) -> None:
    assert entry(key=key).key == key
    assert is_key(key, LIMITS)


def test_e6_expiry_is_checked_as_a_version_is() -> None:
    assert entry(expiresAt=5.0).expires_at == 5
    assert entry(expiresAt=None).expires_at is None
    for bad in (0, "5", True, 2**53, 1.5):
        assert entry_fault(expiresAt=bad) == "expiry"


def test_e1_a_missing_time_stamp_is_the_version() -> None:
    assert entry(version=7).timestamp == 7
    assert entry(version=7, timestamp="x").timestamp == 7
    assert entry(version=7, timestamp=9).timestamp == 9
    assert entry(origin="b").origin == "b"
    assert entry(origin="x" * 257).origin is None


def test_e1_values_are_normalised_on_their_way_in() -> None:
    assert entry(value=[1.0, -0.0]).value == b"[1,0]"
    assert entry_fault(value="x" * LIMITS.value) == "value-size"


@pytest.mark.parametrize(
    "text", [b"5", b"null", b"[]", b"{}", b'{"version":1}', b'{"key":"\xff","version":1}']
)
def test_what_is_no_entry(text: bytes) -> None:
    with pytest.raises(EntryFault, match="entry"):
        decode_entry(text, LIMITS)


def test_w6_an_entry_travels_as_the_deployed_nodes_write_it() -> None:
    assert encode_entry(Entry("k", 2, b'{"a":1}', None, 3)) == (
        b'{"key":"k","value":{"a":1},"version":2,"timestamp":3}'
    )
    assert encode_entry(Entry("k", 2, None, 9, 3, "0xa")) == (
        b'{"key":"k","version":2,"timestamp":3,"origin":"0xa","deleted":true,"expiresAt":9}'
    )


# Encoding


def encoder(**changes: Any) -> Encoder:
    return Encoder(config(**changes), Random(1))


def test_w2_fields_come_in_the_order_of_the_deployed_nodes() -> None:
    frame = strict_json(encoder().leave("shutdown", WALL, 4))
    assert list(frame) == ["type", "from", "data", "timestamp", "ttl", "messageId", "version"]
    assert (frame["timestamp"], frame["ttl"], frame["version"]) == (WALL, 5, 4)


def test_w2_exchanges_leave_out_what_the_link_says_already() -> None:
    frame = strict_json(exchanges.want([(1, 2)]))
    assert list(frame) == ["type", "data", "ttl"]
    assert (frame["type"], frame["ttl"]) == ("sync", 0)
    first = strict_json(exchanges.sketch_request("", 0, 24, None))
    assert first["data"] == {"x": "sketch", "size": 24}


def test_r3_ids_are_our_own_and_unique() -> None:
    frames = encoder()
    ids = [strict_json(frames.leave("x", WALL, 0))["messageId"] for _ in range(20)]
    assert len(set(ids)) == 20
    assert all(frames.is_own(message_id) for message_id in ids)
    assert not frames.is_own("life2-1")
    assert not Encoder(config(), Random(2)).is_own(ids[0])


def test_w3_our_join_reads_as_what_we_are() -> None:
    frame = encoder().join(ME, ROOTS, WALL, 4)
    assert decode(frame, LIMITS).body == Join(ME, ROOTS)
    data = strict_json(frame)["data"]
    assert list(data)[:8] == [
        *("nodeId", "publicKey", "apiEndpoint", "gossipEndpoint"),
        *("region", "capabilities", "version", "status"),
    ]


def test_w8_our_heartbeats() -> None:
    plain = strict_json(encoder().plain_heartbeat(WALL, 4))
    assert plain["ttl"] == 1
    assert plain["data"] == {"timestamp": WALL, "status": "active", "version": 4}
    news = [NewsItem("a", 5, Standing.SUSPECT), NewsItem("b", 5, Standing.ALIVE, 4)]
    frame = encoder().heartbeat(ME, ROOTS, (), news, WALL, 4)
    assert decode(frame, LIMITS).ttl == 0
    assert decode(frame, LIMITS).body == Heartbeat(WALL, ROOTS, (), 7, 5, tuple(news))
    assert strict_json(frame)["data"]["news"] == [["a", 5, "suspect"], ["b", 5, "alive", 4]]


def test_m5_no_more_than_eight_items_of_news_go_into_a_heartbeat() -> None:
    news = [NewsItem(f"{number}", 5, Standing.DEAD) for number in range(9)]
    frame = encoder().heartbeat(ME, ROOTS, (), news, WALL, 4)
    assert decode(frame, LIMITS).body == Heartbeat(WALL, ROOTS, (), 7, 5, tuple(news[:8]))


def test_m1_a_life_is_named_where_it_began_with_another_incarnation() -> None:
    fresh = msgspec.structs.replace(ME, life=7)
    for me, named_lives in (ME, {"incarnation": 7, "life": 5}), (fresh, {"incarnation": 7}):
        frames = [
            strict_json(encoder().join(me, ROOTS, WALL, 4))["data"],
            strict_json(encoder().heartbeat(me, ROOTS, (), (), WALL, 4))["data"],
            strict_json(named(me)),
        ]
        for data in frames:
            said = {name: data[name] for name in ("incarnation", "life") if name in data}
            assert said == named_lives


def test_w4_our_names_are_paged_under_the_limit() -> None:
    records = [
        PeerRecord(
            node_id=f"{number}",
            public_key="\x01" * 512,
            gossip_endpoint="ws://a/ws",
            capabilities=("\x01" * 512,) * 32,
        )
        for number in range(10)
    ]
    for pages in (encoder().discovery(records, WALL, 0), exchanges.members(records, LIMITS)):
        frames = list(pages)
        assert max(map(len, frames)) < LIMITS.frame_sent
        bodies = [decode(frame, LIMITS).body for frame in frames]
        named = [record.node_id for each in bodies for record in each.records]  # type: ignore[union-attr]
        assert named == [record.node_id for record in records]


def test_w9_an_announcement_names_one_member() -> None:
    frame = encoder().announcement(ME, WALL, 0)
    assert decode(frame, LIMITS).body == PeerList((ME,), 0)
    assert decode(frame, LIMITS).ttl == 0


def test_a1_a_round_begins_under_three_hundred_bytes() -> None:
    largest = Roots(Root(10**7, 2**128 - 1), Root(10**5, 2**128 - 1))
    assert len(exchanges.root(largest, answer=False)) < 300


def test_w7_arrays_are_paged_under_the_limit() -> None:
    entries = [
        encode_entry(Entry(f"{number:04}", 1, b'"' + b"x" * 1_000 + b'"')) for number in range(600)
    ]
    frames = list(encoder().sync(entries, 3, WALL, 0))
    assert len(frames) > 1
    assert max(map(len, frames)) < LIMITS.frame_sent
    bodies = [decode(frame, LIMITS).body for frame in frames]
    assert [item for each in bodies for item in each.items] == entries  # type: ignore[union-attr]
    assert {each.hops for each in bodies} == {3}  # type: ignore[union-attr]
    assert strict_json(next(encoder().sync(entries, None, WALL, 0))).get("hops") is None


def test_w7_the_largest_entry_fits_a_frame_of_its_own() -> None:
    largest = Entry(
        "\x01" * 512,
        MAX_VERSION,
        b'"' + b"x" * (LIMITS.value - 2) + b'"',
        MAX_VERSION,
        MAX_VERSION,
        "\x01" * 256,
    )
    frames = list(
        encoder(node_id="\x01" * 256).sync([encode_entry(largest)] * 3, 255, WALL, MAX_VERSION)
    )
    assert max(map(len, frames)) < LIMITS.frame_sent
    assert len(frames) == 3


# Forwarding


def test_w2_a_forwarded_frame_keeps_what_we_do_not_know() -> None:
    frame = message("leave", "a", {"reason": "x", "more": [1.50]}, 3, to="b", extra={"z": 1})
    copy = forwarded(json.dumps(frame), 2, LIMITS)
    assert copy is not None
    assert strict_json(copy) == frame | {"ttl": 2}
    assert b"1.5" in copy


def test_w9_what_would_harm_is_not_forwarded() -> None:
    def leave(data: str) -> str:
        return f'{{"type":"leave","from":"a","data":{data},"messageId":"m","ttl":3}}'

    deepest = "[" * (LIMITS.depth - 1) + "]" * (LIMITS.depth - 1)
    assert forwarded(leave(deepest), 2, LIMITS) is not None
    assert forwarded(leave(f"[{deepest}]"), 2, LIMITS) is None
    assert forwarded(leave(r'{"a":"\ud800"}'), 2, LIMITS) is None
    assert forwarded(leave("1e999"), 2, LIMITS) is None


@pytest.mark.parametrize("field", [b'"data":"\xff"', b'"\xff":1'], ids=ascii)
def test_w9_what_is_not_utf8_is_not_forwarded(field: bytes) -> None:
    frame = b'{"type":"leave","from":"a","data":{},"messageId":"m","ttl":3,%b}' % field
    assert forwarded(frame, 2, LIMITS) is None


def test_w1_what_is_forwarded_is_under_the_limit() -> None:
    frame = message("leave", "a", {"reason": ""}, 3)
    frame["data"]["reason"] = "x" * (LIMITS.frame_sent - len(msgspec.json.encode(frame)))
    assert forwarded(msgspec.json.encode(frame), 2, LIMITS) is not None
    frame["data"]["reason"] += "x"
    assert forwarded(msgspec.json.encode(frame), 2, LIMITS) is None
