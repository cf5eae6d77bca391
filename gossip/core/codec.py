"""Bytes to typed message and back, with every limit of the wire checked here (W1–W9, R1, R5).

Decoding is strict about JSON and lenient about what plain peers get wrong: an envelope is read as
far as this node needs it. Encoding writes fields in the order of the deployed nodes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from gossip.core import addresses, values
from gossip.core.config import Config, Limits
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.errors import EntryFault, EnvelopeFault, FrameFault
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

_MALFORMED = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding hostile JSON raises: syntax, types, UTF-8, huge integers, nesting."""

_json = msgspec.json.Encoder().encode


class _Envelope(msgspec.Struct):
    type: str
    sender: str = msgspec.field(name="from")
    data: msgspec.Raw
    id: str = msgspec.field(name="messageId")
    timestamp: Any = None
    ttl: Any = None
    hops: Any = None


class _WireEntry(msgspec.Struct, omit_defaults=True, rename="camel"):
    key: str
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    version: Any = None
    timestamp: Any = None
    origin: Any = None
    deleted: Any = False
    expires_at: Any = None


class _Record(msgspec.Struct, rename="camel"):
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


class _Object(_Record, rename="camel"):
    """Every field that the data of `join`, `leave`, `heartbeat` or an exchange may have."""

    type: Any = None
    x: Any = None
    root: Any = None
    mroot: Any = None
    peers: Any = None
    peer: Any = None
    reason: Any = None
    timestamp: Any = None
    answer: Any = None
    after: Any = None
    next: Any = None
    entries: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_envelope = msgspec.json.Decoder(_Envelope).decode
_object = msgspec.json.Decoder(_Object).decode
_entry = msgspec.json.Decoder(_WireEntry).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


# Decoding


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
    except _MALFORMED:
        raise FrameFault("json") from None
    if not _is_text(envelope.sender, limits.node_id) or not _is_text(envelope.id, limits.node_id):
        raise EnvelopeFault("envelope")
    return Message(envelope.sender, envelope.id, _ttl(envelope.ttl), _body(envelope, limits))


def _body(envelope: _Envelope, limits: Limits) -> Body:
    try:
        match envelope.type:
            case "gossip":
                return Entries((bytes(envelope.data),), _ttl(envelope.hops))
            case "sync":
                if bytes(envelope.data)[:1] == b"[":
                    return _entries(envelope.data, envelope.hops)
                return _exchange(_object(envelope.data), envelope.hops, limits)
            case "heartbeat":
                data = _object(envelope.data)
                return Heartbeat(_millis(envelope.timestamp), _roots(data))
            case "join":
                return _join(_object(envelope.data), limits)
            case "leave":
                reason = _object(envelope.data).reason
                return Leave(reason if _is_text(reason, limits.text) else "")
    except RecursionError:
        raise FrameFault("depth") from None
    except _MALFORMED:
        raise EnvelopeFault("data") from None
    raise EnvelopeFault("type")


def _entries(data: msgspec.Raw, hops: object) -> Entries:
    return Entries(tuple(map(bytes, _array(data))), _ttl(hops))


def _join(data: _Object, limits: Limits) -> Join | PeerList:
    if data.type == "peer_discovery":
        return _peer_list(data.peers, limits)
    if data.type == "peer_announcement":
        return _peer_list([data.peer], limits)
    record = peer_record(data, data.node_id, limits)
    if record is None:
        raise EnvelopeFault("record")
    return Join(record, _roots(data))


def _exchange(data: _Object, hops: object, limits: Limits) -> Body:
    match data.x:
        case "root":
            return RootExchange(_roots(data), data.answer is True)
        case "page" if isinstance(data.entries, msgspec.Raw):
            following = data.next if _is_text(data.next, limits.key) else None
            return Page(_entries(data.entries, hops), following, _root(data.root))
        case "page":
            return PageRequest(data.after if _is_text(data.after, limits.key) else None)
        case "members" if data.peers is None:
            return NamesRequest()
        case "members":
            return _peer_list(data.peers, limits, plain=False)
        case _:
            return Unknown(data.x if _is_text(data.x, limits.text) else "")


def _peer_list(peers: object, limits: Limits, *, plain: bool = True) -> PeerList:
    if not isinstance(peers, list):
        raise EnvelopeFault("data")
    taken = peers[: limits.peer_list]
    named = [msgspec.convert(peer, _Record) for peer in taken if isinstance(peer, dict)]
    records = [peer_record(name, name.id, limits) for name in named]
    valid = tuple(record for record in records if record and record.gossip_endpoint)
    return PeerList(valid, len(peers) - len(valid), plain)


def peer_record(data: _Record, node_id: object, limits: Limits) -> PeerRecord | None:
    """The record in a `join` or a peer list; None where it is malformed (W9).

    A missing endpoint is allowed (M8); a malformed one is not.
    """
    endpoint = addresses.gossip_url(data.gossip_endpoint, limits)
    malformed = endpoint is None and data.gossip_endpoint is not None
    if malformed or not _is_text(node_id, limits.node_id):
        return None
    capabilities = data.capabilities if isinstance(data.capabilities, list) else []
    if len(capabilities) > limits.capabilities:
        return None
    return PeerRecord(
        node_id=str(node_id),
        public_key=_text(data.public_key, limits.text),
        gossip_endpoint=endpoint,
        api_endpoint=addresses.api_url(data.api_endpoint, limits),
        region=_text(data.region, limits.text),
        capabilities=tuple(name for name in capabilities if _is_text(name, limits.text)),
        version=_text(data.version, limits.text),
        incarnation=_integer(data.incarnation) or 0,
    )


def decode_entry(text: bytes, limits: Limits) -> Entry:
    """Read and normalise one entry. Raises `EntryFault` (E1, E5, R5)."""
    try:
        wire = _entry(text)
    except _MALFORMED:
        raise EntryFault("entry") from None
    if not is_key(wire.key, limits):
        raise EntryFault("key")
    version = _integer(wire.version)
    if version is None:
        raise EntryFault("version")
    expires_at = None
    if wire.expires_at is not None and (expires_at := _integer(wire.expires_at)) is None:
        raise EntryFault("expiry")
    if isinstance(wire.value, msgspec.UnsetType):
        value = None
    elif wire.deleted is True:
        raise EntryFault("deleted-value")
    else:
        value = values.normalise(bytes(wire.value), limits)
    origin = wire.origin if _is_text(wire.origin, limits.node_id) else None
    return Entry(wire.key, version, value, expires_at, _integer(wire.timestamp) or version, origin)


def is_key(key: object, limits: Limits) -> bool:
    """Whether this may be a key: 1 to `limits.key` bytes of text."""
    return _is_text(key, limits.key)


def _is_text(value: object, most: int) -> bool:
    if not isinstance(value, str) or not value:
        return False
    return len(value) * 4 <= most or len(value.encode()) <= most


def _text(value: object, most: int) -> str:
    return value if isinstance(value, str) and _is_text(value, most) else ""


def _integer(value: object) -> int | None:
    """An integer in 1 … 2^53 - 1 as JavaScript writes it: never a boolean, never text (R5)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and 1 <= value <= MAX_VERSION:
        return value
    return None


def _millis(value: object) -> int | None:
    return _integer(int(value)) if isinstance(value, float) else _integer(value)


def _ttl(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= 255 else None


def _roots(data: _Object) -> Roots:
    return Roots(_root(data.root), _root(data.mroot))


def _root(value: object) -> Root | None:
    match value:
        case {"n": int(n), "sum": str(digits)} if type(n) is int and len(digits) <= 32:
            try:
                return Root(n, int(digits, 16))
            except ValueError:
                return None
        case _:
            return None


# Encoding


class Encoder:
    """Writes frames in the name of one node. Ids are unique for this life of the node."""

    def __init__(self, config: Config, life: str) -> None:
        """`life` is a random text that no other life of any node has used."""
        self._config = config
        self._own_id = f"{life}-"
        self._count = 0
        self.last_id = ""
        """Message id of the newest frame."""
        self._from = b',"from":' + _json(config.node_id) + b',"data":'

    def is_own(self, message_id: str) -> bool:
        """Whether this node made that message id in this life (R3)."""
        return message_id.startswith(self._own_id)

    def _frame(
        self, kind: bytes, data: bytes, ttl: int, now: int, updates: int, hops: int | None = None
    ) -> bytes:
        self._count += 1
        # Padded, so that the order of the texts is the order of the frames.
        self.last_id = f"{self._own_id}{self._count:010x}"
        extra = b"" if hops is None else b',"hops":%d' % hops
        return b'{"type":"%b"%b%b,"timestamp":%d,"ttl":%d,"messageId":"%b","version":%d%b}' % (
            kind,
            self._from,
            data,
            now,
            ttl,
            self.last_id.encode(),
            updates,
            extra,
        )

    def join(self, me: PeerRecord, roots: Roots, now: int, updates: int) -> bytes:
        """Full node information (W3), for plain and extended peers alike."""
        data = {
            "nodeId": me.node_id,
            **_peer_fields(me),
            "status": "active",
            "incarnation": me.incarnation,
            **_root_fields(roots),
        }
        return self._frame(b"join", _json(data), 0, now, updates)

    def discovery(self, records: Iterable[PeerRecord], now: int, updates: int) -> Iterator[bytes]:
        """Names for a plain peer (W4)."""
        for page in _pages(map(_named, records), self._config.limits.frame_sent):
            data = b'{"type":"peer_discovery","peers":[%b]}' % b",".join(page)
            yield self._frame(b"join", data, 0, now, updates)

    def announcement(self, record: PeerRecord, now: int, updates: int) -> bytes:
        """A new member, for plain peers; hops 0: we tell each of ours ourselves."""
        data = b'{"type":"peer_announcement","peer":%b}' % _named(record)
        return self._frame(b"join", data, 0, now, updates)

    def members(self, records: Iterable[PeerRecord], now: int, updates: int) -> Iterator[bytes]:
        """Names for an extended peer (M5)."""
        for page in _pages(map(_named, records), self._config.limits.frame_sent):
            data = b'{"x":"members","peers":[%b]}' % b",".join(page)
            yield self._frame(b"sync", data, 0, now, updates)

    def names_request(self, now: int, updates: int) -> bytes:
        """Ask an extended peer for the names of its members (M5)."""
        return self._frame(b"sync", b'{"x":"members"}', 0, now, updates)

    def leave(self, reason: str, now: int, updates: int) -> bytes:
        """We leave in order (W5)."""
        data = _json({"reason": reason})
        return self._frame(b"leave", data, self._config.max_ttl, now, updates)

    def heartbeat(
        self, roots: Roots, incarnation: int, now: int, updates: int, *, plain: bool
    ) -> bytes:
        """We are alive (W8); a plain peer expects `ttl` 1."""
        data: dict[str, object] = {"timestamp": now, "status": "active", "version": updates}
        if not plain:
            data |= {"incarnation": incarnation, **_root_fields(roots)}
        return self._frame(b"heartbeat", _json(data), 1 if plain else 0, now, updates)

    def root(self, roots: Roots, now: int, updates: int, *, answer: bool) -> bytes:
        """Our roots, at the start of a round or as the answer to roots that differ (A1)."""
        data: dict[str, object] = {"x": "root", **_root_fields(roots)}
        if answer:
            data["answer"] = True
        return self._frame(b"sync", _json(data), 0, now, updates)

    def page_request(self, after: str | None, now: int, updates: int) -> bytes:
        """Ask for the entries behind a key (A2)."""
        data: dict[str, object] = {"x": "page"}
        if after is not None:
            data["after"] = after
        return self._frame(b"sync", _json(data), 0, now, updates)

    def page(
        self, entries: Sequence[bytes], after: str | None, root: Root, now: int, updates: int
    ) -> bytes:
        """Answer a page request (A3)."""
        tail = {"next": after, "root": _root_field(root)}
        data = b'{"x":"page","entries":[%b],%b' % (b",".join(entries), _json(tail)[1:])
        return self._frame(b"sync", data, 0, now, updates)

    def sync(
        self, entries: Iterable[bytes], hops: int | None, now: int, updates: int
    ) -> Iterator[bytes]:
        """Arrays of entries, each under the frame limit (W7)."""
        for page in _pages(entries, self._config.limits.frame_sent):
            yield self._frame(b"sync", b"[%b]" % b",".join(page), 0, now, updates, hops)


def encode_entry(entry: Entry) -> bytes:
    """One entry as it travels; a tombstone has no `value` (E5, W6)."""
    value = msgspec.UNSET if entry.value is None else msgspec.Raw(entry.value)
    return _json(
        _WireEntry(
            entry.key,
            value,
            entry.version,
            entry.timestamp,
            entry.origin,
            entry.value is None,
            entry.expires_at,
        )
    )


def forwarded(frame: str | bytes, ttl: int, limits: Limits) -> bytes | None:
    """A copy of a valid frame with this many hops left, unknown fields kept (W2, R4).

    None for what would harm a plain peer (W9).
    """
    text = frame.encode() if isinstance(frame, str) else frame
    if len(text) > limits.frame_sent or values.depth_exceeds(text, limits.depth):
        return None
    try:
        fields = _fields(text)
        fields["ttl"] = msgspec.Raw(b"%d" % ttl)
        copy = _json(fields)
        # Raw fields were skipped, not decoded, so far: what we pass on must be sound all through.
        msgspec.json.decode(copy)
    except _MALFORMED:
        return None
    return copy


def _peer_fields(record: PeerRecord) -> dict[str, object]:
    fields: dict[str, object] = {
        "publicKey": record.public_key,
        "apiEndpoint": record.api_endpoint,
        "gossipEndpoint": record.gossip_endpoint,
        "region": record.region,
        "capabilities": record.capabilities,
        "version": record.version,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _named(record: PeerRecord) -> bytes:
    incarnation = {"incarnation": record.incarnation} if record.incarnation else {}
    return _json({"id": record.node_id, **_peer_fields(record), **incarnation})


def _root_fields(roots: Roots) -> dict[str, object]:
    named = {"root": roots.state, "mroot": roots.members}
    return {name: _root_field(root) for name, root in named.items() if root is not None}


def _root_field(root: Root) -> dict[str, object]:
    return {"n": root.n, "sum": f"{root.sum:x}", "floor": 0}


def _pages(items: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    """Cut into lists that stay under `most` bytes with room for an envelope.

    One item alone always fits: its parts are bounded well below a frame.
    """
    room = most - 2_048
    page: list[bytes] = []
    size = 0
    for item in items:
        if page and size + len(item) + 1 > room:
            yield page
            page, size = [], 0
        page.append(item)
        size += len(item) + 1
    if page:
        yield page
