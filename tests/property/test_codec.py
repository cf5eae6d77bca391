"""What is written is read back the same (W2–W8)."""

from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gossip.core import exchanges
from gossip.core.config import Limits
from gossip.core.decoding import decode, decode_entry
from gossip.core.encoding import Encoder, encode_entry, forwarded
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.errors import EntryFault, FrameFault
from gossip.core.members import PeerRecord
from gossip.core.messages import (
    Cells,
    Entries,
    Heartbeat,
    Held,
    Join,
    Page,
    PageRequest,
    Push,
    RootExchange,
    Roots,
    SketchRequest,
    Untaken,
    Want,
    Wanted,
)
from gossip.core.roots import MODULUS, Root
from gossip.core.values import normalise
from tests.property.strategies import received, texts, value_texts
from tests.support.core import config, strict_json

LIMITS = Limits(depth=64)
names = texts.filter(bool)
versions = st.integers(1, MAX_VERSION)
roots = st.builds(
    Root, st.integers(0, 10**7), st.integers(0, MODULUS - 1), st.integers(0, 2**53 - 1)
)
both_roots = st.builds(Roots, st.none() | roots, st.none() | roots)
entries = st.builds(
    Entry,
    names,
    versions,
    st.none() | value_texts.map(lambda text: normalise(text, LIMITS)),
    st.none() | versions,
    versions,
    st.none() | names,
)
records = st.builds(
    PeerRecord,
    node_id=names,
    public_key=texts,
    gossip_endpoint=st.none() | st.just("ws://a.example/ws"),
    api_endpoint=st.none() | st.just("http://a.example"),
    region=texts,
    capabilities=st.lists(names, max_size=3).map(tuple),
    version=texts,
    incarnation=st.just(0) | versions,
).flatmap(
    lambda record: st.builds(
        msgspec.structs.replace,
        st.just(record),
        life=st.integers(min(1, record.incarnation), record.incarnation),
    )
)


def encoder() -> Encoder:
    return Encoder(config(), Random(1))


prefixes = st.text("0123456789abcdef", max_size=4)
elements = st.integers(0, 2**64 - 1)


@given(entries)
def test_w6_entries(entry: Entry) -> None:
    copy = decode_entry(encode_entry(entry), LIMITS)
    assert copy == entry
    assert (copy.timestamp, copy.origin) == (entry.timestamp, entry.origin)
    assert (copy.hash, copy.value) == (entry.hash, entry.value)


@given(st.lists(entries, max_size=5), st.none() | st.integers(0, 255))
def test_w7_arrays(each: list[Entry], hops: int | None) -> None:
    texts = [encode_entry(entry) for entry in each]
    frames = list(encoder().sync(texts, hops, 5, 6))
    assert len(frames) == min(1, len(each))
    for frame in frames:
        assert decode(frame, LIMITS).body == Entries(tuple(texts), hops)


@given(records, both_roots)
def test_w3_joins(record: PeerRecord, told: Roots) -> None:
    frame = encoder().join(record, told, 5, 6)
    assert decode(frame, LIMITS).body == Join(record, told)


@given(both_roots, st.booleans())
def test_a1_roots(told: Roots, answer: bool) -> None:
    frame = exchanges.root(told, answer=answer)
    assert decode(frame, LIMITS).body == RootExchange(told, answer)
    me = PeerRecord(node_id="me", incarnation=2, life=1)
    frame = encoder().heartbeat(me, told, (), (), 5, 6)
    assert decode(frame, LIMITS).body == Heartbeat(5, told, (), 2, 1)


@given(st.lists(entries, max_size=3), st.none() | names, st.none() | names, roots)
def test_a3_pages(each: list[Entry], after: str | None, following: str | None, told: Root) -> None:
    items = tuple(map(encode_entry, each))
    frame = exchanges.page(items, after, following, told)
    assert decode(frame, LIMITS).body == Page(Entries(items, None), after, following, told)
    assert decode(exchanges.page_request(after), LIMITS).body == PageRequest(after)


@given(prefixes, st.integers(0, 50), st.integers(1, 50), st.none() | roots)
def test_a2_requests_of_cells(prefix: str, first: int, more: int, told: Root | None) -> None:
    frame = exchanges.sketch_request(prefix, first, first + more, told)
    assert decode(frame, LIMITS).body == SketchRequest(prefix, first, first + more, told)


@given(prefixes, st.integers(0, 50), st.lists(st.integers(0, 2**88 - 1), max_size=5), roots)
def test_a2_cells(prefix: str, first: int, cells: list[int], told: Root) -> None:
    frame = exchanges.cells(prefix, first, cells, told)
    assert decode(frame, LIMITS).body == Cells(prefix, first, tuple(cells), told)


@given(st.lists(st.tuples(elements, st.integers(0, MAX_VERSION)), max_size=5))
def test_a2_wants(items: list[tuple[int, int]]) -> None:
    assert decode(exchanges.want(items), LIMITS).body == Want(tuple(items))


@given(st.lists(entries, max_size=3), st.integers(0, 500), roots)
def test_a2_entries_that_were_wanted_or_are_pushed(
    each: list[Entry], done: int, told: Root
) -> None:
    items = tuple(map(encode_entry, each))
    frame = exchanges.wanted(items, done, told)
    assert decode(frame, LIMITS).body == Wanted(Entries(items, None), done, told)
    frame = exchanges.push(items, told)
    assert decode(frame, LIMITS).body == Push(Entries(items, None), told)


@given(roots, roots, st.lists(elements, max_size=5))
def test_a1_what_is_held(mine: Root, yours: Root, each: list[int]) -> None:
    assert decode(exchanges.held(mine, yours), LIMITS).body == Held(mine, yours)
    assert decode(exchanges.untaken(each), LIMITS).body == Untaken(tuple(each))


@given(received)
def test_r2_whatever_comes_is_read_or_is_a_fault(data: str | bytes) -> None:
    try:
        message = decode(data, LIMITS)
    except FrameFault:
        return
    if isinstance(message.body, Entries):
        for item in message.body.items:
            _read_entry(item)
    if (copy := forwarded(data, 3, LIMITS)) is not None:
        assert strict_json(copy)["ttl"] == 3
        assert decode(copy, LIMITS).body == message.body


def _read_entry(item: bytes) -> None:
    try:
        entry = decode_entry(item, LIMITS)
    except EntryFault:
        return
    assert decode_entry(encode_entry(entry), LIMITS) == entry
