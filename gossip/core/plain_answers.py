"""What plain peers answer over HTTP (A4, R1)."""

from typing import Any

import msgspec

from gossip.core import fields
from gossip.core.config import Limits
from gossip.core.errors import FrameFault
from gossip.core.wire import MALFORMED, to_json


class _State(msgspec.Struct, rename="camel"):
    node_id: Any = None
    version: Any = None
    data: dict[str, dict[str, msgspec.Raw]] = {}


class _StateAnswer(msgspec.Struct):
    state: _State


class _Peer(msgspec.Struct, rename="camel"):
    node_id: Any = None


class _PeersAnswer(msgspec.Struct):
    peers: list[_Peer]


class PlainState(msgspec.Struct, frozen=True):
    """The whole state of a plain peer (A4)."""

    node_id: str
    count: int
    """Updates that it has applied."""
    entries: dict[str, bytes]
    """Key to entry, still as JSON text: `decode_entry` judges each alone."""


def plain_state(body: bytes, limits: Limits) -> PlainState:
    """Read the answer to `GET /gossip/state`. Raises `FrameFault`."""
    try:
        state = msgspec.json.decode(body, type=_StateAnswer).state
    except MALFORMED:
        raise FrameFault("plain-state") from None
    if not fields.is_text(state.node_id, limits.node_id):
        raise FrameFault("plain-state")
    texts = {
        key: to_json({"key": key, **{name: raw for name, raw in parts.items() if name != "key"}})
        for key, parts in state.data.items()
    }
    return PlainState(state.node_id, fields.count(state.version) or 0, texts)


def plain_id(body: bytes, limits: Limits) -> str:
    """The id of who answered `GET /gossip/peers`: itself first (R1). Raises `FrameFault`."""
    try:
        peers = msgspec.json.decode(body, type=_PeersAnswer).peers
    except MALFORMED:
        raise FrameFault("plain-peers") from None
    if not peers or not fields.is_text(peers[0].node_id, limits.node_id):
        raise FrameFault("plain-peers")
    return str(peers[0].node_id)
