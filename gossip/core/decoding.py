"""Bytes to typed message, with every limit of the wire checked here (W1–W9, R1, R5).

Strict about JSON and lenient about what plain peers get wrong: an envelope is read as far as this
node needs it.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from gossip.core import addresses, census, fields, values
from gossip.core.config import Limits
from gossip.core.entries import Entry
from gossip.core.errors import EntryFault, EnvelopeFault, FrameFault
from gossip.core.members import PeerRecord
from gossip.core.messages import (
    Ack,
    Body,
    Cells,
    Entries,
    Graft,
    Heartbeat,
    Held,
    Join,
    Leave,
    Message,
    Nack,
    NamesRequest,
    NewsItem,
    Page,
    PageRequest,
    PeerList,
    Ping,
    PingRequest,
    Prune,
    Pulled,
    Push,
    RootExchange,
    SketchRequest,
    Standing,
    Unknown,
    Untaken,
    Want,
    Wanted,
)
from gossip.core.packing import CELL, ELEMENT, ITEM
from gossip.core.sketch import CELLS
from gossip.core.wire import MALFORMED, WireEntry


class _Envelope(msgspec.Struct):
    type: str
    data: msgspec.Raw
    sender: str = msgspec.field(name="from", default="")
    id: str = msgspec.field(name="messageId", default="")
    timestamp: Any = None
    ttl: Any = None
    hops: Any = None
    version: Any = None


class WireRecord(msgspec.Struct, rename="camel"):
    """What is said of a node; its id is `nodeId` in a `join` and `id` in a list."""

    node_id: Any = None
    id: Any = None
    public_key: Any = None
    api_endpoint: Any = None
    gossip_endpoint: Any = None
    region: Any = None
    capabilities: Any = None
    version: Any = None
    incarnation: Any = None
    life: Any = None


class _Object(WireRecord, rename="camel"):
    """Every field that the data of `join`, `leave`, `heartbeat` or an exchange may have."""

    type: Any = None
    x: Any = None
    root: Any = None
    mroot: Any = None
    peers: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    peer: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    reason: Any = None
    timestamp: Any = None
    pulled: Any = None
    news: Any = None
    answer: Any = None
    after: Any = None
    next: Any = None
    range: Any = None
    first: Any = None
    size: Any = None
    cells: Any = None
    items: Any = None
    trees: Any = None
    done: Any = None
    of: Any = None
    seq: Any = None
    asked: Any = None
    target: Any = None
    entries: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_SPLIT_AT_ONCE = 262_144
"""Bytes of an array that is taken apart in one step, 10 ms at worst: all that we send."""
_SHORT_NAME = 1_024
"""Bytes of a record that is kept as it was read: ours have some 400, and strangers send any."""
_STANDINGS = frozenset(Standing)
_SMALLEST_ENTRY = len('{"key":"a","version":1}')

_is_range = re.compile("[0-9a-f]{0,4}").fullmatch
_structure = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL).finditer

_envelope = msgspec.json.Decoder(_Envelope).decode
_object = msgspec.json.Decoder(_Object).decode
_entry = msgspec.json.Decoder(WireEntry).decode
_record = msgspec.json.Decoder(WireRecord).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def decode(frame: str | bytes, limits: Limits) -> Message:
    """Read one frame.

    Raises `FrameFault` where it is no JSON that we can hold, `EnvelopeFault` where it is no
    message. Entries stay text: `decode_entry` judges them one by one, so that a bad one is
    dropped alone (R2).
    """
    try:
        envelope = _envelope(frame)
    except msgspec.ValidationError:
        raise EnvelopeFault("envelope") from None
    except RecursionError:
        raise FrameFault("depth") from None
    except MALFORMED:
        raise FrameFault("json") from None
    for name in envelope.sender, envelope.id:
        if not fields.is_text(name, limits.node_id) and (name or not _is_exchange(envelope)):
            raise EnvelopeFault("envelope")
    ttl, updates = fields.ttl(envelope.ttl), fields.count(envelope.version)
    body = _body(envelope, limits)
    return Message(envelope.type, envelope.sender, envelope.id, ttl, body, updates)


def _body(envelope: _Envelope, limits: Limits) -> Body:
    try:
        match envelope.type:
            case "gossip":
                return Entries((bytes(envelope.data),), fields.ttl(envelope.hops))
            case "sync" if _is_exchange(envelope):
                return _exchange(_object(envelope.data), envelope.hops, limits)
            case "sync":
                return _entries(envelope.data, envelope.hops)
            case "heartbeat":
                return _heartbeat(_object(envelope.data), envelope.timestamp, limits)
            case "join":
                return _join(_object(envelope.data), limits)
            case "leave":
                reason = _object(envelope.data).reason
                return Leave(reason if fields.is_text(reason, limits.text) else "")
    except RecursionError:
        raise FrameFault("depth") from None
    except MALFORMED:
        raise EnvelopeFault("data") from None
    raise EnvelopeFault("type")


def _is_exchange(envelope: _Envelope) -> bool:
    """Whether it is of section 5, which names neither its sender nor itself (W2)."""
    return envelope.type == "sync" and bytes(memoryview(envelope.data)[:1]) == b"{"


def _entries(data: msgspec.Raw, hops: object) -> Entries:
    text = bytes(data)
    if len(text) > _SPLIT_AT_ONCE:
        return Entries(_Elements(text), fields.ttl(hops))
    return Entries(tuple(map(bytes, _array(data))), fields.ttl(hops))


class _Elements:
    """The objects in a long JSON array, found one by one as somebody asks for them.

    The whole state of a plain peer is one frame of up to 16 MiB, and hostile ones hold millions of
    elements: neither may be taken apart in one step (S5). The first element that is no object ends
    it, and so does an array of more objects than entries would fit; the last item is then one that
    is no entry.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text

    def __iter__(self) -> Iterator[bytes]:
        depth, start = 0, 1
        left = len(self._text) // _SMALLEST_ENTRY
        for token in _structure(self._text):
            match token[0]:
                case b"{" | b"[":
                    depth += 1
                case b"}" | b"]":
                    depth -= 1
            if depth == (1 if token[0] == b"," else 0) and token[0] in b",]":
                item = self._text[start : token.start()].strip()
                start = token.end()
                left -= 1
                if left < 0 or (item and not item.startswith(b"{")):
                    yield b""
                    return
                if item:
                    yield item


def _heartbeat(data: _Object, timestamp: object, limits: Limits) -> Heartbeat:
    told = data.news if isinstance(data.news, list) else []
    items = [_news_item(item, limits) for item in told[: limits.news]]
    news = tuple(item for item in items if item is not None)
    incarnation, life = _lives(data) or (0, 0)
    return Heartbeat(
        timestamp=fields.millis(timestamp),
        roots=fields.roots(data.root, data.mroot),
        pulled=_pulled(data.pulled, limits),
        incarnation=incarnation or None,
        life=life,
        news=news,
        news_refused=len(told) - len(news),
    )


def _news_item(item: object, limits: Limits) -> NewsItem | None:
    match item:
        case [str(node_id), number, str(word), *life] if word in _STANDINGS and len(life) < 2:
            incarnation, begun = fields.integer(number), fields.integer(life[0] if life else number)
            if incarnation is None or begun is None or begun > incarnation:
                return None
            if fields.is_text(node_id, limits.node_id):
                other = None if begun == incarnation else begun
                return NewsItem(node_id, incarnation, Standing(word), other)
    return None


def _join(data: _Object, limits: Limits) -> Join | PeerList:
    if data.type == "peer_discovery":
        return _peer_list(_items(data.peers, limits), limits, discovery=True)
    if data.type == "peer_announcement":
        peer = [bytes(data.peer)] if isinstance(data.peer, msgspec.Raw) else []
        return _peer_list(peer, limits)
    record = peer_record(data, data.node_id, limits)
    if record is None or (record.extended and not record.incarnation):
        raise EnvelopeFault("record")
    return Join(record, fields.roots(data.root, data.mroot))


def _exchange(data: _Object, hops: object, limits: Limits) -> Body:
    match data.x:
        case "page":
            return _page(data, hops, limits)
        case "want":
            return _want(data, hops, limits)
        case "push" if isinstance(data.entries, msgspec.Raw):
            return Push(_entries(data.entries, hops), fields.root(data.root))
        case "members" if isinstance(data.peers, msgspec.Raw):
            answer = data.answer is True
            return _peer_list(_items(data.peers, limits), limits, held=True, answer=answer)
        case "prune" | "graft":
            return _trees(data, limits)
        case _:
            return _words(data, limits)


def _words(data: _Object, limits: Limits) -> Body:
    """The exchanges that carry neither entries nor records."""
    match data.x:
        case "root":
            return RootExchange(fields.roots(data.root, data.mroot), data.answer is True)
        case "sketch":
            return _sketch(data)
        case "held":
            return _held(data, limits)
        case "members":
            cells = [] if data.cells is None else fields.numbers(data.cells, census.CELLS, CELL)
            return NamesRequest(tuple(cells))
        case "ping" | "ack" | "nack" | "ping-req":
            return _probe(data, limits)
        case _:
            return Unknown(data.x if fields.is_text(data.x, limits.text) else "")


def _trees(data: _Object, limits: Limits) -> Prune | Graft:
    trees = tuple(fields.numbers(data.trees, limits.slice_entries, ELEMENT))
    return Prune(trees) if data.x == "prune" else Graft(trees)


def _page(data: _Object, hops: object, limits: Limits) -> PageRequest | Page:
    after = data.after if fields.is_text(data.after, limits.key) else None
    if not isinstance(data.entries, msgspec.Raw):
        return PageRequest(after)
    following = data.next if fields.is_text(data.next, limits.key) else None
    return Page(_entries(data.entries, hops), after, following, fields.root(data.root))


def _sketch(data: _Object) -> SketchRequest | Cells:
    root, size = fields.root(data.root), fields.count(data.size)
    place = "" if data.range is None else data.range
    first = 0 if data.first is None else fields.count(data.first)
    if first is None or not isinstance(place, str) or not _is_range(place):
        raise EnvelopeFault("data")
    if data.cells is not None and root is not None:
        return Cells(place, first, tuple(fields.numbers(data.cells, CELLS, CELL)), root)
    if size is None or size <= first:
        raise EnvelopeFault("data")
    return SketchRequest(place, first, size, root)


def _held(data: _Object, limits: Limits) -> Held | Untaken:
    if data.items is not None:
        return Untaken(tuple(fields.numbers(data.items, limits.slice_entries, ELEMENT)))
    root, of = fields.root(data.root), fields.root(data.of)
    if root is None or of is None:
        raise EnvelopeFault("data")
    return Held(root, of)


def _probe(data: _Object, limits: Limits) -> Ping | Ack | Nack | PingRequest:
    seq = fields.integer(data.seq)
    if seq is None:
        raise EnvelopeFault("data")
    match data.x:
        case "ping":
            return Ping(seq)
        case "ack":
            return Ack(seq)
        case "nack":
            return Nack(seq, data.asked is not False)
    if not fields.is_text(data.target, limits.node_id):
        raise EnvelopeFault("data")
    return PingRequest(seq, data.target)


def _want(data: _Object, hops: object, limits: Limits) -> Want | Wanted:
    if isinstance(data.entries, msgspec.Raw):
        return Wanted(
            _entries(data.entries, hops), fields.count(data.done) or 0, fields.root(data.root)
        )
    items = fields.numbers(data.items, limits.slice_entries, ITEM)
    return Want(tuple((item >> 56, item & 2**56 - 1) for item in items))


def _items(peers: msgspec.Raw | msgspec.UnsetType, limits: Limits) -> list[bytes]:
    """The items of a list of names, and of a very long one no more than one beyond the limit."""
    if not isinstance(peers, msgspec.Raw):
        raise EnvelopeFault("data")
    if len(text := bytes(peers)) > _SPLIT_AT_ONCE:
        return list(islice(_Elements(text), limits.peer_list + 1))
    return list(map(bytes, _array(text)))


def _peer_list(
    peers: list[bytes],
    limits: Limits,
    *,
    discovery: bool = False,
    held: bool = False,
    answer: bool = False,
) -> PeerList:
    """`held`: the sender may name members that have no endpoint (M8)."""
    records = [_named_in(peer, limits) for peer in peers[: limits.peer_list]]
    valid = tuple(record for record in records if record and (held or record.gossip_endpoint))
    return PeerList(valid, len(peers) - len(valid), answer, discovery)


def _named_in(text: bytes, limits: Limits) -> PeerRecord | None:
    """One record of a list. It comes from many peers in the same words, and is read once."""
    return (_known_name if len(text) <= _SHORT_NAME else _name)(text, limits)


def _name(text: bytes, limits: Limits) -> PeerRecord | None:
    try:
        name = _record(text)
    except MALFORMED:
        return None
    return peer_record(name, name.id, limits)


_known_name = lru_cache(maxsize=4_096)(_name)


def peer_record(data: WireRecord, node_id: object, limits: Limits) -> PeerRecord | None:
    """The record in a `join` or a peer list; None where it is malformed (W9).

    A missing endpoint is allowed (M8); a malformed one is not.
    """
    endpoint = addresses.gossip_url(data.gossip_endpoint, limits)
    malformed = endpoint is None and data.gossip_endpoint is not None
    if malformed or not fields.is_text(node_id, limits.node_id):
        return None
    capabilities = data.capabilities if isinstance(data.capabilities, list) else []
    lives = _lives(data)
    if len(capabilities) > limits.capabilities or lives is None:
        return None
    return PeerRecord(
        node_id=str(node_id),
        public_key=fields.text(data.public_key, limits.text),
        gossip_endpoint=endpoint,
        api_endpoint=addresses.api_url(data.api_endpoint, limits),
        region=fields.text(data.region, limits.text),
        capabilities=tuple(name for name in capabilities if fields.is_text(name, limits.text)),
        version=fields.text(data.version, limits.text),
        incarnation=lives[0],
        life=lives[1],
    )


def _lives(data: WireRecord) -> tuple[int, int] | None:
    """The incarnation and the life that began not later; the same where no life is named (M1)."""
    incarnation = fields.integer(data.incarnation) or 0
    life = incarnation if data.life is None else fields.integer(data.life)
    return None if life is None or life > incarnation else (incarnation, life)


def decode_entry(text: bytes, limits: Limits) -> Entry:
    """Read and normalise one entry. Raises `EntryFault` (E1, E5, R5)."""
    try:
        wire = _entry(text)
    except MALFORMED:
        raise EntryFault("entry") from None
    if not fields.is_key(wire.key, limits):
        raise EntryFault("key")
    version = fields.integer(wire.version)
    if version is None:
        raise EntryFault("version")
    expires_at = None
    if wire.expires_at is not None and (expires_at := fields.integer(wire.expires_at)) is None:
        raise EntryFault("expiry")
    if isinstance(wire.value, msgspec.UnsetType):
        value = None
    elif wire.deleted is True:
        raise EntryFault("deleted-value")
    else:
        value = values.normalise(bytes(wire.value), limits)
    origin = wire.origin if fields.is_text(wire.origin, limits.node_id) else None
    return Entry(
        wire.key, version, value, expires_at, fields.integer(wire.timestamp) or version, origin
    )


def _pulled(value: object, limits: Limits) -> tuple[Pulled, ...]:
    items = value[: limits.pulled] if isinstance(value, list) else []
    pulled = []
    for item in items:
        match item:
            case [str(node_id), count, time] if fields.is_text(node_id, limits.node_id):
                if (updates := fields.count(count)) is not None and (
                    at := fields.integer(time)
                ) is not None:
                    pulled.append(Pulled(node_id, updates, at))
            case _:
                continue
    return tuple(pulled)
