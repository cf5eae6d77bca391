"""The exchanges to bytes: between the two ends of a link, never to plain peers (S3, A2, M4, M5).

Their envelope leaves out what the link says already (W2).
"""

from collections.abc import Iterable, Iterator, Sequence

from gossip.core.config import Limits
from gossip.core.encoding import named, pages, root_field, root_fields
from gossip.core.members import PeerRecord
from gossip.core.messages import Roots
from gossip.core.packing import CELL, ELEMENT, ITEM, pack
from gossip.core.roots import Root
from gossip.core.wire import to_json


def members(
    records: Iterable[PeerRecord], limits: Limits, *, answer: bool = False
) -> Iterator[bytes]:
    """Names for an extended peer (M5); `answer`: it asked for them."""
    tail = b',"answer":true' if answer else b""
    for page in pages(map(named, records), limits.frame_sent, limits.peer_list):
        yield _frame(b'{"x":"members","peers":[%b]%b}' % (b",".join(page), tail))


def names_request(cells: Sequence[int]) -> bytes:
    """Ask an extended peer for the names of its members, or of those that these cells lack (M5)."""
    data: dict[str, object] = {"x": "members"}
    if cells:
        data["cells"] = pack(cells, CELL)
    return _frame(to_json(data))


def root(roots: Roots, *, answer: bool) -> bytes:
    """Our roots, at the start of a round or as the answer to roots that differ (A1)."""
    data: dict[str, object] = {"x": "root", **root_fields(roots)}
    if answer:
        data["answer"] = True
    return _frame(to_json(data))


def page_request(after: str | None) -> bytes:
    """Ask for the entries behind a key (A2)."""
    data: dict[str, object] = {"x": "page"}
    if after is not None:
        data["after"] = after
    return _frame(to_json(data))


def page(entries: Sequence[bytes], after: str | None, following: str | None, root: Root) -> bytes:
    """Answer a page request (A3): entries behind a key, and the last one if more follow."""
    tail: dict[str, object] = {"next": following, "root": root_field(root)}
    if after is not None:
        tail["after"] = after
    return _carrying("page", entries, tail)


def sketch_request(prefix: str, first: int, size: int, root: Root | None) -> bytes:
    """Ask for cells of a sketch (A2)."""
    data = {"x": "sketch", **_place(prefix, first), "size": size}
    if root is not None:
        data["root"] = root_field(root)
    return _frame(to_json(data))


def cells(prefix: str, first: int, cells: Sequence[int], root: Root) -> bytes:
    """Cells of a sketch (A2)."""
    data = {
        "x": "sketch",
        **_place(prefix, first),
        "cells": pack(cells, CELL),
        "root": root_field(root),
    }
    return _frame(to_json(data))


def want(items: Sequence[tuple[int, int]]) -> bytes:
    """Ask for entries by their elements (A2)."""
    numbers = (element << 56 | version for element, version in items)
    return _frame(to_json({"x": "want", "items": pack(numbers, ITEM)}))


def wanted(entries: Sequence[bytes], done: int, root: Root) -> bytes:
    """Answer such a request (A3)."""
    tail = {"done": done, "root": root_field(root)}
    return _carrying("want", entries, tail)


def push(entries: Sequence[bytes], root: Root) -> bytes:
    """Send what a peer lacks (A2)."""
    return _carrying("push", entries, {"root": root_field(root)})


def untaken(elements: Sequence[int]) -> bytes:
    """Tell a peer what of its entries we did not take (A1)."""
    return _frame(to_json({"x": "held", "items": pack(elements, ELEMENT)}))


def held(mine: Root, yours: Root) -> bytes:
    """Tell a peer that we do not take what we lack of its set (A1)."""
    return _frame(to_json({"x": "held", "root": root_field(mine), "of": root_field(yours)}))


def prune(trees: Sequence[int]) -> bytes:
    """Ask a peer not to push to us in these trees: we have it from others (S3)."""
    return _frame(to_json({"x": "prune", "trees": pack(trees, ELEMENT)}))


def graft(trees: Sequence[int]) -> bytes:
    """Ask a peer to push to us in these trees (S3)."""
    return _frame(to_json({"x": "graft", "trees": pack(trees, ELEMENT)}))


def ping(seq: int) -> bytes:
    """Ask the peer whether it is there (M4)."""
    return _frame(b'{"x":"ping","seq":%d}' % seq)


def ack(seq: int) -> bytes:
    """Yes, or: the member that we asked for the peer is there (M4)."""
    return _frame(b'{"x":"ack","seq":%d}' % seq)


def nack(seq: int, *, asked: bool) -> bytes:
    """The member that we were to ask did not answer so far, or we could not ask it (M4)."""
    return _frame(b'{"x":"nack","seq":%d%b}' % (seq, b"" if asked else b',"asked":false'))


def ping_request(seq: int, target: str) -> bytes:
    """Ask the peer to ask a member (M4)."""
    return _frame(to_json({"x": "ping-req", "seq": seq, "target": target}))


def _place(prefix: str, first: int) -> dict[str, object]:
    """Which cells of which sketch; the first of the whole set need no words."""
    return ({"range": prefix} if prefix else {}) | ({"first": first} if first else {})


def _carrying(kind: str, entries: Sequence[bytes], fields: dict[str, object]) -> bytes:
    head = to_json({"x": kind})[:-1]
    return _frame(b'%b,"entries":[%b],%b' % (head, b",".join(entries), to_json(fields)[1:]))


def _frame(data: bytes) -> bytes:
    return b'{"type":"sync","data":%b,"ttl":0}' % data
