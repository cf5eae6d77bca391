"""The HTTP requests of a plain peer, and their answers."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from tests.interop.double.javascript import UNDEFINED
from tests.interop.double.jsontext import parse, stringify
from tests.interop.double.node import Node
from tests.interop.double.outgoing import Outgoing
from tests.interop.double.peers import Peer
from tests.interop.double.wire import now_ms, present

MAX_BODY = 100 * 1024


@dataclass(frozen=True)
class Request:
    """One request; `body` is None if it was larger than `MAX_BODY`."""

    method: str
    target: str
    content_type: str
    body: bytes | None


@dataclass(frozen=True)
class Response:
    status: int
    body: Any


class Api:
    """Answers requests."""

    def __init__(self, node: Node, outgoing: Outgoing) -> None:
        self._node = node
        self._outgoing = outgoing
        self._reads = {
            "/gossip/peers": self._peers,
            "/gossip/stats": self._stats,
            "/gossip/data": self._data,
            "/gossip/state": self._state,
            "/gossip/health": self._health,
        }

    def answer(self, request: Request) -> bytes:
        """The whole response. Raises `RecursionError` for a value nested too deep."""
        return _serialised(self._respond(request), is_head=request.method == "HEAD")

    def _respond(self, request: Request) -> Response:
        path = request.target.partition("?")[0]
        route = path.removesuffix("/")
        if request.method == "OPTIONS":  # what a browser asks before it writes
            return Response(204, UNDEFINED)
        if request.body is None:
            return _failure(413, "Payload Too Large", "request entity too large")
        if request.method == "POST" and route == "/gossip/data":
            return self._set(request)
        if request.method in {"GET", "HEAD"}:
            if read := self._reads.get(route):
                return Response(200, {"success": True} | read())
            if match := re.fullmatch("/gossip/data/([^/]+)", route):
                return self._get(unquote(match[1]))
        return _failure(404, "Not Found", f"Cannot {request.method} {path}")

    def _get(self, key: str) -> Response:
        value = self._node.state.get(key)
        if value is UNDEFINED:
            missing = {"success": False, "message": f"Key '{key}' not found"}
            return Response(200 if self._node.settings.quirks.missing_key_is_200 else 404, missing)
        return Response(200, {"success": True, "data": value})

    def _set(self, request: Request) -> Response:
        try:
            body = _json_body(request)
        except ValueError as error:
            return _failure(400, "Bad Request", str(error))
        if faults := _faults(body):
            return _failure(400, "Bad Request", faults)
        key, value = body["key"], body.get("value", UNDEFINED)
        self._outgoing.written(self._node.state.write(key, value, now_ms()))
        return Response(201, {"success": True, "message": f"Data set for key '{key}'"})

    def _peers(self) -> dict[str, Any]:
        me = _listed(self._node.me) | {"lastSeen": _iso(now_ms())}
        return {"peers": [me, *map(_listed, self._node.peers.active())]}

    def _data(self) -> dict[str, Any]:
        entries = self._node.state.entries.values()
        return {"data": present(**{entry.key: entry.value for entry in entries})}

    def _state(self) -> dict[str, Any]:
        state = self._node.state
        return {
            "state": {
                "nodeId": self._node.settings.node_id,
                "version": state.applied,
                "lastUpdated": _iso(state.last_updated),
                "dataCount": len(state.entries),
                "data": {key: entry.as_state() for key, entry in state.entries.items()},
            }
        }

    def _stats(self) -> dict[str, Any]:
        counts = self._counts()
        return {
            "stats": {
                "totalPeers": counts["total"],
                "activePeers": counts["active"],
                "suspectedPeers": counts["suspected"],
                **self._messages(),
                "gossipRounds": self._node.stats.rounds,
                "lastGossipTime": _iso(self._node.stats.last_gossip),
            }
        }

    def _health(self) -> dict[str, Any]:
        counts, stats = self._counts(), self._node.stats
        return {
            "health": {
                "status": _status(counts),
                "timestamp": _iso(now_ms()),
                "peers": counts,
                "gossip": {
                    "rounds": stats.rounds,
                    **self._messages(),
                    "lastGossipTime": _iso(stats.last_gossip),
                },
                "connectivity": {
                    "hasActivePeers": counts["active"] > 0,
                    "isGossiping": stats.last_gossip is not None,
                },
            }
        }

    def _counts(self) -> dict[str, int]:
        peers = self._node.peers
        return {
            "total": len(list(peers)),
            "active": peers.count("active"),
            "suspected": peers.count("suspected"),
        }

    def _messages(self) -> dict[str, int]:
        stats = self._node.stats
        return {"messagesSent": stats.sent.total(), "messagesReceived": stats.received.total()}


def _listed(peer: Peer) -> dict[str, Any]:
    return present(
        nodeId=peer.node_id,
        publicKey=peer.public_key,
        apiEndpoint=peer.api_endpoint,
        gossipEndpoint=peer.gossip_endpoint,
        status=peer.status,
        lastSeen=_iso(peer.last_seen),
        region=peer.region,
        capabilities=peer.capabilities,
        version=peer.version,
        heartbeatCount=peer.heartbeat_count,
    )


def _status(counts: dict[str, int]) -> str:
    if not counts["active"]:
        return "isolated"
    return "degraded" if counts["suspected"] > counts["active"] else "healthy"


def _iso(millis: int | None) -> str | None:
    if millis is None:
        return None
    moment = datetime.fromtimestamp(millis // 1_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis % 1_000:03}Z"


def _json_body(request: Request) -> Any:
    """The body, which is an empty object where it is no JSON by its type.

    Raises `ValueError` for what is not JSON by its text.
    """
    if not request.content_type.startswith("application/json") or not request.body:
        return {}
    return parse(request.body.decode())


def _faults(body: Any) -> list[str]:
    body = body if isinstance(body, dict) else {}
    key = body.get("key", UNDEFINED)
    faults = [f"property {name} should not exist" for name in body if name not in {"key", "value"}]
    if key is UNDEFINED or key is None or key == "":
        faults.append("key should not be empty")
    if not isinstance(key, str):
        faults.append("key must be a string")
    return faults


def _failure(status: int, error: str, message: str | list[str]) -> Response:
    return Response(status, {"message": message, "error": error, "statusCode": status})


def _serialised(response: Response, *, is_head: bool) -> bytes:
    body = b"" if response.body is UNDEFINED else stringify(response.body).encode()
    head = (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        "Access-Control-Allow-Origin: *\r\n"
        "Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + (b"" if is_head else body)
