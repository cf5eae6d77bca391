"""Typed message to bytes, with the fields in the order of the deployed nodes (W1–W9)."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from random import Random

import msgspec

from gossip.core import values
from gossip.core.config import Config, Limits
from gossip.core.entries import Entry
from gossip.core.members import PeerRecord
from gossip.core.messages import NewsItem, Pulled, Roots
from gossip.core.roots import Root
from gossip.core.wire import MALFORMED, WireEntry, to_json

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Encoder:
    """Writes frames in the name of one node. Ids are unique for this life of the node."""

    def __init__(self, config: Config, rng: Random) -> None:
        """`rng` makes ids that nobody can use before us (R3)."""
        self._config = config
        self._rng = rng
        self._own_id = f"{rng.getrandbits(48):012x}-"
        self._count = 0
        self.last_id = ""
        """Message id of the newest frame."""
        self._from = b',"from":' + to_json(config.node_id) + b',"data":'

    def is_own(self, message_id: str) -> bool:
        """Whether this node made that message id in this life (R3)."""
        return message_id.startswith(self._own_id)

    def _frame(
        self, kind: bytes, data: bytes, ttl: int, now: int, updates: int, hops: int | None = None
    ) -> bytes:
        self._count += 1
        # Padded, so that the order of the texts is the order of the frames.
        self.last_id = f"{self._own_id}{self._count:08x}{self._rng.getrandbits(40):010x}"
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
            **_lives(me),
            **root_fields(roots),
        }
        return self._frame(b"join", to_json(data), 0, now, updates)

    def discovery(self, records: Iterable[PeerRecord], now: int, updates: int) -> Iterator[bytes]:
        """Names for a plain peer (W4)."""
        for page in pages(map(named, records), self._config.limits.frame_sent):
            data = b'{"type":"peer_discovery","peers":[%b]}' % b",".join(page)
            yield self._frame(b"join", data, 0, now, updates)

    def announcement(self, record: PeerRecord, now: int, updates: int) -> bytes:
        """A new member, for plain peers; hops 0: we tell each of ours ourselves."""
        data = b'{"type":"peer_announcement","peer":%b}' % named(record)
        return self._frame(b"join", data, 0, now, updates)

    def leave(self, reason: str, now: int, updates: int) -> bytes:
        """We leave in order (W5)."""
        data = to_json({"reason": reason})
        return self._frame(b"leave", data, self._config.max_ttl, now, updates)

    def heartbeat(
        self,
        me: PeerRecord,
        roots: Roots,
        pulled: Sequence[Pulled],
        news: Sequence[NewsItem],
        now: int,
        updates: int,
    ) -> bytes:
        """We are alive, for extended peers (W8, A4, M5)."""
        data = _vital_signs(now, updates)
        data |= {**_lives(me), **root_fields(roots)}
        if pulled:
            data["pulled"] = pulled[: self._config.limits.pulled]
        if news:
            told = news[: self._config.limits.news]
            data["news"] = [item[:3] if item.life is None else item for item in told]
        return self._frame(b"heartbeat", to_json(data), 0, now, updates)

    def plain_heartbeat(self, now: int, updates: int) -> bytes:
        """We are alive, as plain peers expect it: with a hop (W8)."""
        return self._frame(b"heartbeat", to_json(_vital_signs(now, updates)), 1, now, updates)

    def sync(
        self, entries: Iterable[bytes], hops: int | None, now: int, updates: int
    ) -> Iterator[bytes]:
        """Arrays of entries, each under the frame limit (W7)."""
        for page in pages(entries, self._config.limits.frame_sent):
            yield self._frame(b"sync", b"[%b]" % b",".join(page), 0, now, updates, hops)


def encode_entry(entry: Entry) -> bytes:
    """One entry as it travels; a tombstone has no `value` (E5, W6)."""
    value = msgspec.UNSET if entry.value is None else msgspec.Raw(entry.value)
    return to_json(
        WireEntry(
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
        copy = to_json(fields)
        # Raw fields were skipped, not decoded, so far: what we pass on must be sound all through.
        msgspec.json.decode(copy)
    except MALFORMED:
        return None
    return copy


def _vital_signs(now: int, updates: int) -> dict[str, object]:
    return {"timestamp": now, "status": "active", "version": updates}


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


@lru_cache(maxsize=4_096)
def named(record: PeerRecord) -> bytes:
    """A record as an item of a list of names. Many peers are told of the same one."""
    return to_json({"id": record.node_id, **_peer_fields(record), **_lives(record)})


def _lives(record: PeerRecord) -> dict[str, object]:
    """Its incarnation, and with which it began if that is another (M1); none for a plain peer."""
    fields: dict[str, object] = {"incarnation": record.incarnation} if record.incarnation else {}
    return fields | {"life": record.life} if record.life != record.incarnation else fields


def root_fields(roots: Roots) -> dict[str, object]:
    """The roots that there are, by the names of their fields."""
    known = {"root": roots.state, "mroot": roots.members}
    return {name: root_field(root) for name, root in known.items() if root is not None}


def root_field(root: Root) -> dict[str, object]:
    """A root as the value of a field."""
    fields: dict[str, object] = {"n": root.n, "sum": f"{root.sum:x}"}
    return fields | {"floor": root.floor} if root.floor else fields


def pages(
    items: Iterable[bytes], most: int, most_items: int | None = None
) -> Iterator[list[bytes]]:
    """Cut into lists that stay under `most` bytes with room for an envelope, and so many items.

    One item alone always fits: its parts are bounded well below a frame.
    """
    room = most - 2_048
    page: list[bytes] = []
    size = 0
    for item in items:
        if page and (size + len(item) + 1 > room or len(page) == most_items):
            yield page
            page, size = [], 0
        page.append(item)
        size += len(item) + 1
    if page:
        yield page
