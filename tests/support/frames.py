"""Frames as peers send them: extended ones, and those deployed in the field."""

import json
from collections.abc import Iterable
from itertools import count
from typing import Any

from gossip.core.encoding import encode_entry
from gossip.core.entries import Entry
from gossip.core.members import PeerRecord

WALL = 1_795_327_401_824
"""Milliseconds: what the wall clock shows when a test begins."""

Frame = dict[str, Any]

_message_numbers = count(1)


def message(kind: str, sender: str, data: object, ttl: object = 0, **extra: Any) -> Frame:
    """An envelope with an id of its own (W2)."""
    fields = {
        "type": kind,
        "from": sender,
        "data": data,
        "timestamp": WALL,
        "ttl": ttl,
        "messageId": f"m{next(_message_numbers)}",
        "version": 1,
    }
    return fields | extra


def endpoint(node_id: str) -> str:
    """Where a peer of this id is dialed, unless its test says otherwise."""
    return f"ws://{node_id}.example:3001/ws"


MOVED = "ws://elsewhere.example:3001/ws"
"""Where a peer is dialed that has another address than it had."""


def join(node_id: str, *, ttl: object = 0, **changes: Any) -> Frame:
    """The `join` of an extended peer (W3)."""
    data = {
        "nodeId": node_id,
        "publicKey": "0xpub",
        "apiEndpoint": f"http://{node_id}.example:3001",
        "gossipEndpoint": endpoint(node_id),
        "region": "local",
        "capabilities": ["gx1"],
        "version": "1.0.0",
        "status": "active",
        "incarnation": WALL,
    }
    return message("join", node_id, data | changes, ttl)


def plain_join(node_id: str, *, ttl: object = 0, **changes: Any) -> Frame:
    """The `join` of a node deployed in the field."""
    changes = {"capabilities": ["bls-signing", "message-aggregation"]} | changes
    frame = join(node_id, ttl=ttl, **changes)
    del frame["data"]["incarnation"]
    return frame


def names(sender: str, node_ids: Iterable[str], **changes: Any) -> Frame:
    """The `peer_discovery` of a plain peer."""
    peers = [{"id": id_, "gossipEndpoint": endpoint(id_)} | changes for id_ in node_ids]
    return message("join", sender, {"type": "peer_discovery", "peers": peers})


def heartbeat(sender: str, *, timestamp: int = WALL, ttl: int = 0, **roots: Any) -> Frame:
    data = {"timestamp": timestamp, "status": "active", "version": 1} | roots
    return message("heartbeat", sender, data, ttl, timestamp=timestamp)


def sync(sender: str, *entries: Entry, **extra: Any) -> Frame:
    """An array of entries (W7)."""
    return message("sync", sender, [wire(entry) for entry in entries], **extra)


def exchange(sender: str, x: str, **fields: Any) -> Frame:
    """A frame of section 5."""
    return message("sync", sender, {"x": x} | fields)


def page(sender: str, *entries: Entry, **fields: Any) -> Frame:
    return exchange(sender, "page", entries=[wire(entry) for entry in entries], **fields)


def wire(entry: Entry) -> Frame:
    """An entry as it travels."""
    fields: Frame = json.loads(encode_entry(entry))
    return fields


def root(number: int, total: int = 1) -> Frame:
    return {"n": number, "sum": f"{total:x}"}


def member_root(*node_ids: str) -> Frame:
    """The root of a table of these members, its own node included."""
    records = [PeerRecord(node_id=node_id, incarnation=WALL, life=WALL) for node_id in node_ids]
    return root(len(records), sum(record.hash for record in records))
