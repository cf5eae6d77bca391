"""What peers may send: values, entries, frames, and what is none of these."""

import json
from typing import Any

from hypothesis import strategies as st

from gossip.core.entries import MAX_VERSION, Entry
from tests.support.core import ME
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
    wire,
)

# No lone surrogates: UTF-8 has none.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = (
    st.integers()
    | st.integers(-(10**25), 10**25)
    | st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**64, 0])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-0.0, 1e21, 1e-7, 5e-324, 1.5, 1e20, 2.0**53])
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
value_texts = st.builds(
    lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only).encode(),
    values,
    st.booleans(),
)

keys = st.sampled_from(["a", "b", "c"])
small_values = st.none() | st.sampled_from([b"1", b"2", b'{"a":1}', b"null"])
entries = st.builds(
    Entry,
    keys,
    st.integers(1, 4) | st.sampled_from([MAX_VERSION - 1, MAX_VERSION]),
    small_values,
    st.none() | st.integers(1, 3),
    timestamp=st.integers(1, 3),
    origin=st.none() | st.just("0xa"),
)
"""Few keys, versions and values, so that ties are common."""

_sender = st.sampled_from(["a", "p", "0xme", "x"])
_ttl = st.sampled_from([0, 1, 5, 255, 256, -1, 0.5, 1e9, "7", True, None])
_root = st.builds(root, st.integers(0, 3), st.integers(0, 3)) | values
_wire_entry = st.builds(wire, entries) | values


_incarnation = st.sampled_from([WALL, WALL + 1, WALL + 90_000, WALL + 10**9]) | values
_standing = st.sampled_from(["alive", "suspect", "left", "dead"])
_news_item = (
    st.tuples(_sender | st.just(ME), _incarnation, _standing).map(list)
    | st.tuples(_sender | st.just(ME), _incarnation, _standing, _incarnation).map(list)
    | values
)


_frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(join, _sender, ttl=_ttl, root=_root, mroot=_root),
    st.builds(plain_join, _sender, ttl=_ttl),
    st.builds(names, _sender, st.lists(texts, max_size=3)),
    st.builds(heartbeat, _sender, ttl=_ttl, root=_root, mroot=_root),
    st.builds(heartbeat, _sender, incarnation=_incarnation, news=st.lists(_news_item, max_size=9)),
    st.builds(
        lambda sender, ttl: message("leave", sender, {"reason": "x"}, ttl, unknown=[1.5]),
        _sender,
        _ttl,
    ),
    st.builds(lambda sender, data: message("gossip", sender, data), _sender, _wire_entry),
    st.builds(
        lambda sender, data, hops: message("sync", sender, data, hops=hops),
        _sender,
        st.lists(_wire_entry, max_size=3),
        _ttl,
    ),
    st.builds(
        lambda sender, x, fields: exchange(sender, x, **fields),
        _sender,
        st.sampled_from(["root", "page", "members", "sketch"]),
        st.fixed_dictionaries(
            {},
            optional={
                "root": _root,
                "answer": st.booleans(),
                "after": texts,
                "next": texts,
                "entries": st.lists(_wire_entry, max_size=3),
                "peers": st.lists(values, max_size=3),
            },
        ),
    ),
)
"""Frames that are mostly valid."""


@st.composite
def mutated(draw: st.DrawFn) -> Frame:
    """A frame in which one field, of the envelope or of its data, is something else."""
    frame = draw(_frames)
    inside = frame["data"] if isinstance(frame["data"], dict) and draw(st.booleans()) else frame
    field = draw(st.sampled_from(sorted(inside)) if inside else texts)
    changed: Any = draw(values)
    if inside is frame:
        return frame | {field: changed}
    return frame | {"data": inside | {field: changed}}


@st.composite
def corrupted(draw: st.DrawFn) -> bytes:
    """The bytes of a frame, a few of them replaced."""
    text = bytearray(json.dumps(draw(_frames)).encode())
    place = st.integers(0, 10**6)
    byte = st.sampled_from(b'"\\[{}],:0x\x00\xff') | st.integers(0, 255)
    for index, new in draw(st.lists(st.tuples(place, byte), min_size=1, max_size=2)):
        text[index % len(text)] = new
    return bytes(text)


def _encoded(frame: object) -> bytes:
    return json.dumps(frame).encode()


received: st.SearchStrategy[str | bytes] = st.one_of(
    _frames.map(_encoded),
    mutated().map(_encoded),
    corrupted(),
    values.map(_encoded),
    st.binary(max_size=60),
    st.text(max_size=30),
)
"""Whatever may come on a socket, as text or as bytes."""
