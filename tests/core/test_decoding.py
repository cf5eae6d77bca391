"""Bytes to typed message; every limit of the wire (W1–W9, R1, R4)."""

import json

import msgspec
import pytest

from gossip.core.config import Limits
from gossip.core.decoding import decode, decode_entry
from gossip.core.errors import EnvelopeFault, FrameFault
from gossip.core.members import PeerRecord
from gossip.core.messages import (
    Body,
    Entries,
    Heartbeat,
    Join,
    Leave,
    Message,
    NamesRequest,
    Page,
    PageRequest,
    PeerList,
    RootExchange,
    Roots,
    Unknown,
)
from gossip.core.roots import Root
from tests.support.frames import (
    WALL,
    Frame,
    exchange,
    heartbeat,
    join,
    message,
    names,
    plain_join,
    root,
    sync,
)

LIMITS = Limits()


def read(frame: Frame) -> Message:
    return decode(msgspec.json.encode(frame), LIMITS)


def body(frame: Frame) -> Body:
    return read(frame).body


def fault(data: str | bytes) -> FrameFault:
    """Why a frame is refused."""
    with pytest.raises(FrameFault) as raised:
        decode(data, LIMITS)
    return raised.value


# Envelopes


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"x", b"{", b'{"type":"join"', b"\xff", b"\x00", "\ud800", '{"type":"\ud800"}'),
        b'{"type":"leave","from":"a","data":{},"messageId":"m","x":NaN}',
        b'{"type":"leave","from":"a","data":{"reason":Infinity},"messageId":"m"}',
        rb'{"type":"leave","from":"\ud800","data":{},"messageId":"m"}',
    ],
    ids=ascii,
)
def test_r1_what_is_no_json_is_a_frame_fault(data: str | bytes) -> None:
    raised = fault(data)
    assert type(raised) is FrameFault
    assert raised.reason == "json"


@pytest.mark.parametrize("data", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000])
def test_r1_depth_that_would_exhaust_the_stack_is_a_fault(data: bytes) -> None:
    envelope = b'{"type":"%b","from":"a","data":{"root":%b},"messageId":"m"}'
    for kind in (b"heartbeat", b"sync", b"join", b"leave", b"gossip"):
        assert fault(envelope % (kind, data)).reason in {"depth", "json"}


@pytest.mark.parametrize(
    "changes",
    [
        *({"type": 5}, {"type": "unknown"}, {"type": None}, {"from": 5}, {"from": ""}),
        *({"from": "x" * 257}, {"messageId": None}, {"messageId": ""}, {"messageId": "x" * 257}),
        *({"data": None}, {"data": []}, {"data": "x"}, {"data": 1}),
    ],
    ids=str,
)
def test_r1_json_that_is_no_message_is_an_envelope_fault(changes: dict[str, object]) -> None:
    assert type(fault(msgspec.json.encode(heartbeat("a") | changes))) is EnvelopeFault


@pytest.mark.parametrize("field", ["type", "from", "data", "messageId"])
def test_r1_an_envelope_lacks_nothing_that_is_needed(field: str) -> None:
    frame = heartbeat("a")
    del frame[field]
    assert type(fault(msgspec.json.encode(frame))) is EnvelopeFault


def test_r1_the_time_stamp_is_never_a_reason_to_refuse() -> None:
    for timestamp in (None, -5, "yesterday", [5], 1e308):
        assert body(heartbeat("a") | {"timestamp": timestamp}) == Heartbeat(None, Roots(None, None))


def test_w1_text_and_binary_frames_are_the_same() -> None:
    text = json.dumps(heartbeat("ä\U0001f600"), ensure_ascii=False)
    assert decode(text, LIMITS) == decode(text.encode(), LIMITS)


def test_r1_of_duplicate_fields_the_last_counts() -> None:
    data = b'{"type":"join","from":"a","data":{},"messageId":"m","type":"leave","from":"b"}'
    assert decode(data, LIMITS) == Message("leave", "b", "m", None, Leave(""))


@pytest.mark.parametrize(
    ("ttl", "hops_left"),
    [
        *((0, 0), (5, 5), (255, 255)),
        *((256, None), (-1, None), (0.5, None), (1e9, None), ("7", None), (True, None)),
        *((None, None), ([], None)),
    ],
)
def test_r4_ttl_is_an_integer_in_a_byte(ttl: object, hops_left: int | None) -> None:
    assert read(message("leave", "a", {}, ttl)).ttl == hops_left
    assert body(sync("a", hops=ttl)) == Entries((), hops_left)


# Bodies


def test_w3_join() -> None:
    frame = join("a", root=root(3, 255), mroot=root(2))
    record = PeerRecord(
        node_id="a",
        public_key="0xpub",
        gossip_endpoint="ws://a.example:3001/ws",
        api_endpoint="http://a.example:3001",
        region="local",
        capabilities=("gx1",),
        version="1.0.0",
        incarnation=WALL,
        life=WALL,
    )
    assert body(frame) == Join(record, Roots(Root(3, 255), Root(2, 1)))


def test_w3_the_join_of_a_plain_peer() -> None:
    read_body = body(plain_join("a"))
    assert isinstance(read_body, Join)
    assert (read_body.record.extended, read_body.record.incarnation) == (False, 0)


@pytest.mark.parametrize(
    "changes",
    [
        *({"nodeId": None}, {"nodeId": ""}, {"nodeId": "x" * 257}),
        *({"gossipEndpoint": "http://a/ws"}, {"gossipEndpoint": ""}, {"gossipEndpoint": 5}),
        {"capabilities": ["x"] * 33},
        *({"incarnation": bad} for bad in (None, True, "5", 1.5, -1, 0, 2**53)),
        *({"life": bad} for bad in (True, "5", 1.5, -1, 0, WALL + 1)),
    ],
    ids=str,
)
def test_w9_a_malformed_record_is_refused(changes: dict[str, object]) -> None:
    assert fault(msgspec.json.encode(join("a", **changes))).reason == "record"


@pytest.mark.parametrize(("life", "read_as"), [(1, 1), (WALL, WALL), (None, WALL)])
def test_m1_a_life_began_no_later_than_the_incarnation(life: object, read_as: int) -> None:
    read_body = body(join("a", life=life))
    assert isinstance(read_body, Join)
    assert read_body.record.life == read_as


def test_m1_a_heartbeat_that_names_no_sound_life_says_nothing_of_it() -> None:
    for life, read_as in (5, (WALL, 5)), (None, (WALL, WALL)), (WALL + 1, (None, 0)):
        beat = body(heartbeat("a", incarnation=WALL, life=life))
        assert isinstance(beat, Heartbeat)
        assert (beat.incarnation, beat.life) == read_as


def test_m8_a_member_that_cannot_be_dialed_has_no_endpoint() -> None:
    read_body = body(join("a", gossipEndpoint=None))
    assert isinstance(read_body, Join)
    assert read_body.record.gossip_endpoint is None


@pytest.mark.parametrize(
    ("field", "value", "attribute", "read_as"),
    [
        ("apiEndpoint", "javascript:alert(1)", "api_endpoint", None),
        ("publicKey", "x" * 512, "public_key", "x" * 512),
        ("publicKey", "x" * 513, "public_key", ""),
        ("region", 5, "region", ""),
        ("version", None, "version", ""),
        ("capabilities", "gx1", "capabilities", ()),
        ("capabilities", ["a", 5, None, "x" * 513, "b"], "capabilities", ("a", "b")),
        ("capabilities", ["x"] * 32, "capabilities", ("x",) * 32),
        ("incarnation", 2**53 - 1, "incarnation", 2**53 - 1),
    ],
)
def test_r1_what_is_malformed_in_a_record_is_left_out(
    field: str, value: object, attribute: str, read_as: object
) -> None:
    read_body = body(join("a", **{field: value}))
    assert isinstance(read_body, Join)
    assert getattr(read_body.record, attribute) == read_as


def test_w4_names() -> None:
    read_body = body(names("a", ["b", "c"]))
    assert isinstance(read_body, PeerList)
    assert [record.node_id for record in read_body.records] == ["b", "c"]
    announced = message("join", "a", {"type": "peer_announcement", "peer": {"id": "b"}}, 1)
    assert body(announced) == PeerList((), 1)


def test_records_of_lists_are_shared_by_all_that_read_them() -> None:
    """So that a thousand simulated nodes that know each other hold a thousand records."""
    read = [body(names(sender, ["shared"])) for sender in ("a", "b")]
    [(one,), (other,)] = [each.records for each in read if isinstance(each, PeerList)]
    assert one is other


@pytest.mark.parametrize(
    "bad",
    [5, None, {}, {"id": "b"}, {"id": "b", "gossipEndpoint": "http://b"}, {"id": 5}],
    ids=str,
)
def test_w9_a_bad_name_is_left_out_alone(bad: object) -> None:
    good = {"id": "c", "gossipEndpoint": "ws://c/ws", "entries": [1], "peers": 5}
    read_body = body(message("join", "a", {"type": "peer_discovery", "peers": [bad, good]}))
    assert isinstance(read_body, PeerList)
    assert [record.node_id for record in read_body.records] == ["c"]
    assert read_body.refused == 1


def test_l4_ten_thousand_names_in_one_frame() -> None:
    read_body = body(names("a", map(str, range(10_000))))
    assert isinstance(read_body, PeerList)
    assert (len(read_body.records), read_body.refused) == (1_000, 1)
    read_body = body(exchange("a", "members", peers=[{"id": "b", "gossipEndpoint": "ws://b/ws"}]))
    assert isinstance(read_body, PeerList)
    assert len(read_body.records) == 1


def test_names_that_are_no_list_are_a_fault() -> None:
    frame = message("join", "a", {"type": "peer_discovery", "peers": {}})
    assert fault(msgspec.json.encode(frame)).reason == "data"


def test_w8_heartbeat() -> None:
    roots = Roots(Root(1, 16), None)
    assert body(heartbeat("a", root=root(1, 16))) == Heartbeat(WALL, roots)


@pytest.mark.parametrize(
    "bad",
    [
        *(5, None, [], {}, {"n": 1}, {"n": "1", "sum": "0"}, {"n": True, "sum": "0"}),
        *({"n": 1, "sum": 0}, {"n": 1, "sum": "xyz"}, {"n": 1, "sum": ""}),
        *({"n": 1, "sum": "0" * 33}, {"n": 1, "sum": "+1"}, {"n": 1, "sum": "0x1"}),
        *({"n": 1, "sum": "1_0"}, {"n": -1, "sum": "0"}, {"n": 2**53, "sum": "0"}),
        {"n": 0.5, "sum": "0"},
    ],
    ids=str,
)
def test_a1_a_malformed_root_is_no_root(bad: object) -> None:
    assert body(heartbeat("a", root=bad)) == Heartbeat(WALL, Roots(None, None))


def test_a1_a_count_beyond_any_number_is_no_root() -> None:
    frame = b'{"type":"heartbeat","from":"a","messageId":"m","data":{"root":{"n":1%s,"sum":"0"}}}'
    assert decode(frame % (b"0" * 400), LIMITS).body == Heartbeat(None, Roots(None, None))


def test_w5_leave() -> None:
    assert body(message("leave", "a", {"reason": "shutdown"}, 5)) == Leave("shutdown")
    assert body(message("leave", "a", {"reason": "x" * 513}, 5)) == Leave("")


def test_a2_exchanges() -> None:
    assert body(exchange("a", "root", root=root(1), answer=True)) == RootExchange(
        Roots(Root(1, 1), None), True
    )
    assert body(exchange("a", "page")) == PageRequest(None)
    assert body(exchange("a", "page", after="k")) == PageRequest("k")
    assert body(exchange("a", "page", after="x" * 513)) == PageRequest(None)
    assert body(exchange("a", "page", entries=[{"a": 1}, 5], next="k", root=root(1))) == Page(
        Entries((b'{"a":1}', b"5"), None), None, "k", Root(1, 1)
    )
    assert body(exchange("a", "members")) == NamesRequest()
    assert body(exchange("a", "tomorrow")) == Unknown("tomorrow")
    assert body(message("sync", "a", {})) == Unknown("")


def test_a2_entries_that_are_no_array_are_a_fault() -> None:
    assert fault(msgspec.json.encode(exchange("a", "page", entries={}))).reason == "data"


# Long arrays


def long_sync(*items: bytes) -> bytes:
    """A `sync` array of more than 256 KiB."""
    padding = [b'{"key":"padding","version":1,"value":"%b"}' % (b"x" * 100_000)] * 3
    return message_of(b"[" + b",".join([*items, *padding]) + b"]")


def message_of(data: bytes) -> bytes:
    return b'{"type":"sync","from":"p","data":%b,"ttl":0,"messageId":"m"}' % data


def items_of(frame: bytes) -> list[bytes]:
    body = decode(frame, LIMITS).body
    assert isinstance(body, Entries)
    return list(body.items)


def test_a_long_array_is_taken_apart_like_a_short_one() -> None:
    entries = (b'{"key":"a","value":[1,{"b":"],}"}],"version":1}', b' {"key":"c\\"","version":2} ')
    found = items_of(long_sync(*entries))
    assert found[:2] == [entry.strip() for entry in entries]
    assert [decode_entry(item, LIMITS).key for item in found[2:]] == ["padding"] * 3


def test_r2_a_long_array_ends_at_the_first_element_that_is_no_object() -> None:
    assert items_of(message_of(b"[" + b"0," * 200_000 + b"0]")) == [b""]


def test_r2_a_long_array_has_no_more_elements_than_entries_would_fit() -> None:
    frame = message_of(b"[" + b"{}," * 100_000 + b"{}]")
    assert len(items_of(frame)) == 300_004 // len('{"key":"a","version":1}') + 1
