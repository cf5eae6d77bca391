"""Typed message to bytes, with the fields in the order of the deployed nodes (W1–W9)."""

from collections.abc import Iterable, Iterator, Sequence
from random import Random

import msgspec

from gossip.core import values
from gossip.core.config import Config, Limits
from gossip.core.entries import Entry
from gossip.core.members import PeerRecord
from gossip.core.messages import NewsItem, Pulled, Roots
from gossip.core.packing import CELL, ELEMENT, ITEM, pack
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
            "incarnation": me.incarnation,
            **_root_fields(roots),
        }
        return self._frame(b"join", to_json(data), 0, now, updates)

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
        data = to_json({"reason": reason})
        return self._frame(b"leave", data, self._config.max_ttl, now, updates)

    def heartbeat(
        self,
        roots: Roots,
        incarnation: int,
        pulled: Sequence[Pulled],
        news: Sequence[NewsItem],
        now: int,
        updates: int,
    ) -> bytes:
        """We are alive, for extended peers (W8, A4, M5)."""
        data = _vital_signs(now, updates)
        data |= {"incarnation": incarnation, **_root_fields(roots)}
        if pulled:
            data["pulled"] = pulled[: self._config.limits.pulled]
        if news:
            data["news"] = news[: self._config.limits.news]
        return self._frame(b"heartbeat", to_json(data), 0, now, updates)

    def plain_heartbeat(self, now: int, updates: int) -> bytes:
        """We are alive, as plain peers expect it: with a hop (W8)."""
        return self._frame(b"heartbeat", to_json(_vital_signs(now, updates)), 1, now, updates)

    def root(self, roots: Roots, now: int, updates: int, *, answer: bool) -> bytes:
        """Our roots, at the start of a round or as the answer to roots that differ (A1)."""
        data: dict[str, object] = {"x": "root", **_root_fields(roots)}
        if answer:
            data["answer"] = True
        return self._frame(b"sync", to_json(data), 0, now, updates)

    def page_request(self, after: str | None, now: int, updates: int) -> bytes:
        """Ask for the entries behind a key (A2)."""
        data: dict[str, object] = {"x": "page"}
        if after is not None:
            data["after"] = after
        return self._frame(b"sync", to_json(data), 0, now, updates)

    def page(
        self,
        entries: Sequence[bytes],
        after: str | None,
        following: str | None,
        root: Root,
        now: int,
        updates: int,
    ) -> bytes:
        """Answer a page request (A3): entries behind a key, and the last one if more follow."""
        tail: dict[str, object] = {"next": following, "root": _root_field(root)}
        if after is not None:
            tail["after"] = after
        data = b'{"x":"page","entries":[%b],%b' % (b",".join(entries), to_json(tail)[1:])
        return self._frame(b"sync", data, 0, now, updates)

    def sketch_request(
        self, prefix: str, first: int, size: int, root: Root | None, now: int, updates: int
    ) -> bytes:
        """Ask for cells of a sketch (A2)."""
        data: dict[str, object] = {"x": "sketch", "range": prefix, "first": first, "size": size}
        if root is not None:
            data["root"] = _root_field(root)
        return self._frame(b"sync", to_json(data), 0, now, updates)

    def cells(
        self, prefix: str, first: int, cells: Sequence[int], root: Root, now: int, updates: int
    ) -> bytes:
        """Cells of a sketch (A2)."""
        data = {
            "x": "sketch",
            "range": prefix,
            "first": first,
            "cells": pack(cells, CELL),
            "root": _root_field(root),
        }
        return self._frame(b"sync", to_json(data), 0, now, updates)

    def want(self, items: Sequence[tuple[int, int]], now: int, updates: int) -> bytes:
        """Ask for entries by their elements (A2)."""
        numbers = (element << 56 | version for element, version in items)
        data = {"x": "want", "items": pack(numbers, ITEM)}
        return self._frame(b"sync", to_json(data), 0, now, updates)

    def wanted(
        self, entries: Sequence[bytes], done: int, root: Root, now: int, updates: int
    ) -> bytes:
        """Answer such a request (A3)."""
        tail = {"done": done, "root": _root_field(root)}
        data = b'{"x":"want","entries":[%b],%b' % (b",".join(entries), to_json(tail)[1:])
        return self._frame(b"sync", data, 0, now, updates)

    def push(self, entries: Sequence[bytes], root: Root, now: int, updates: int) -> bytes:
        """Send what a peer lacks (A2)."""
        data = b'{"x":"push","entries":[%b],"root":%b}' % (
            b",".join(entries),
            to_json(_root_field(root)),
        )
        return self._frame(b"sync", data, 0, now, updates)

    def untaken(self, elements: Sequence[int], now: int, updates: int) -> bytes:
        """Tell a peer what of its entries we did not take (A1)."""
        data = {"x": "held", "items": pack(elements, ELEMENT)}
        return self._frame(b"sync", to_json(data), 0, now, updates)

    def held(self, mine: Root, yours: Root, now: int, updates: int) -> bytes:
        """Tell a peer that we do not take what we lack of its set (A1)."""
        data = {"x": "held", "root": _root_field(mine), "of": _root_field(yours)}
        return self._frame(b"sync", to_json(data), 0, now, updates)

    def sync(
        self, entries: Iterable[bytes], hops: int | None, now: int, updates: int
    ) -> Iterator[bytes]:
        """Arrays of entries, each under the frame limit (W7)."""
        for page in _pages(entries, self._config.limits.frame_sent):
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


def _named(record: PeerRecord) -> bytes:
    incarnation = {"incarnation": record.incarnation} if record.incarnation else {}
    return to_json({"id": record.node_id, **_peer_fields(record), **incarnation})


def _root_fields(roots: Roots) -> dict[str, object]:
    named = {"root": roots.state, "mroot": roots.members}
    return {name: _root_field(root) for name, root in named.items() if root is not None}


def _root_field(root: Root) -> dict[str, object]:
    fields: dict[str, object] = {"n": root.n, "sum": f"{root.sum:x}"}
    return fields | {"floor": root.floor} if root.floor else fields


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
