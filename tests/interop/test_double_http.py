"""Each row of docs/plain-peer.md about HTTP, shown by a double."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.interop.double.double import Double
from tests.interop.double.http import MAX_BODY
from tests.interop.raw import DEADLINE, dialed, settings


@pytest.fixture
async def peer() -> AsyncIterator[Double]:
    async with Double(settings()) as peer:
        yield peer


@pytest.fixture
async def client(peer: Double) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=peer.api, timeout=DEADLINE, trust_env=False) as client:
        yield client


def json_body(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    return response.json()


async def test_peers_are_itself_and_the_active_ones(
    peer: Double, client: httpx.AsyncClient
) -> None:
    async with dialed(peer) as raw:
        await raw.join("0xone")
        body = json_body(await client.get("/gossip/peers"))
    assert [listed["nodeId"] for listed in body["peers"]] == ["0xd9d6", "0xone"]
    assert list(body["peers"][0]) == [
        *("nodeId", "publicKey", "apiEndpoint", "gossipEndpoint", "status", "lastSeen"),
        *("region", "capabilities", "version", "heartbeatCount"),
    ]
    for known in peer.node.peers:
        known.status = "suspected"
    body = json_body(await client.get("/gossip/peers"))
    assert [listed["nodeId"] for listed in body["peers"]] == ["0xd9d6"]


async def test_stats_leave_itself_out(client: httpx.AsyncClient) -> None:
    assert json_body(await client.get("/gossip/stats")) == {
        "success": True,
        "stats": {
            "totalPeers": 0,
            "activePeers": 0,
            "suspectedPeers": 0,
            "messagesSent": 0,
            "messagesReceived": 0,
            "gossipRounds": 0,
            "lastGossipTime": None,
        },
    }


async def test_health(peer: Double, client: httpx.AsyncClient) -> None:
    health = json_body(await client.get("/gossip/health"))["health"]
    assert list(health) == ["status", "timestamp", "peers", "gossip", "connectivity"]
    assert (health["status"], health["peers"]["total"]) == ("isolated", 0)
    one = peer.node.peers.record("0x1", {}, now=0)
    peer.outgoing.round(0)
    health = json_body(await client.get("/gossip/health"))["health"]
    assert health["status"] == "healthy"
    assert health["connectivity"] == {"hasActivePeers": True, "isGossiping": True}
    for index in range(2):
        peer.node.peers.record(f"0xs{index}", {}, now=0).status = "suspected"
    assert one.status == "active"
    assert json_body(await client.get("/gossip/health"))["health"]["status"] == "degraded"


async def test_a_key_is_written_and_read(client: httpx.AsyncClient) -> None:
    written = await client.post("/gossip/data", json={"key": "a/b", "value": {"x": [1]}})
    assert json_body(written, 201) == {"success": True, "message": "Data set for key 'a/b'"}
    read = json_body(await client.get("/gossip/data/a%2Fb"))
    assert read == {"success": True, "data": {"x": [1]}}
    assert json_body(await client.get("/gossip/data")) == {
        "success": True,
        "data": {"a/b": {"x": [1]}},
    }


@pytest.mark.parametrize("value", [0, False, "", None])
async def test_empty_values_are_values(value: Any, client: httpx.AsyncClient) -> None:
    await client.post("/gossip/data", json={"key": "k", "value": value})
    assert json_body(await client.get("/gossip/data/k")) == {"success": True, "data": value}


async def test_a_missing_key_is_a_success_of_http(client: httpx.AsyncClient) -> None:
    body = json_body(await client.get("/gossip/data/k"))
    assert body == {"success": False, "message": "Key 'k' not found"}
    async with Double(settings(missing_key_is_200=False)) as other:
        assert (await client.get(f"{other.api}/gossip/data/k")).status_code == 404


async def test_an_undefined_value_is_not_found_and_not_listed(
    peer: Double, client: httpx.AsyncClient
) -> None:
    peer.node.state.merge({"key": "k", "version": 1}, 1, 2)
    assert json_body(await client.get("/gossip/data/k"))["success"] is False
    assert json_body(await client.get("/gossip/data"))["data"] == {}


async def test_the_state(peer: Double, client: httpx.AsyncClient) -> None:
    peer.node.state.merge({"key": "k", "value": 1, "version": 2, "timestamp": 3}, 1, 1_000)
    assert json_body(await client.get("/gossip/state")) == {
        "success": True,
        "state": {
            "nodeId": "0xd9d6",
            "version": 1,
            "lastUpdated": "1970-01-01T00:00:01.000Z",
            "dataCount": 1,
            "data": {"k": {"value": 1, "version": 2, "timestamp": 3}},
        },
    }


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({}, ["key should not be empty", "key must be a string"]),
        ({"key": "", "value": 1}, ["key should not be empty"]),
        ({"key": 5, "value": 1}, ["key must be a string"]),
        ({"key": ["k"], "value": 1}, ["key must be a string"]),
        ({"key": "k", "value": 1, "x": 2}, ["property x should not exist"]),
        ([], ["key should not be empty", "key must be a string"]),
    ],
)
async def test_what_is_no_write(body: Any, messages: list[str], client: httpx.AsyncClient) -> None:
    answer = json_body(await client.post("/gossip/data", json=body), 400)
    assert answer == {"message": messages, "error": "Bad Request", "statusCode": 400}


async def test_malformed_json_is_a_bad_request(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await client.post("/gossip/data", content=b"{", headers=headers)
    assert json_body(answer, 400)["error"] == "Bad Request"


async def test_the_body_has_a_limit(peer: Double, client: httpx.AsyncClient) -> None:
    assert MAX_BODY == 102_400
    headers = {"Content-Type": "application/json"}
    frame = b'{"key":"k","value":"%b"}'
    largest = frame % (b"x" * (MAX_BODY - len(frame) + 2))
    assert len(largest) == MAX_BODY
    taken = await client.post("/gossip/data", content=largest, headers=headers)
    assert taken.status_code == 201
    refused = await client.post("/gossip/data", content=largest + b" ", headers=headers)
    assert json_body(refused, 413)["statusCode"] == 413


@pytest.mark.parametrize("path", ["peers", "stats", "data", "state", "health"])
async def test_a_trailing_slash_changes_nothing(path: str, client: httpx.AsyncClient) -> None:
    assert json_body(await client.get(f"/gossip/{path}/"))["success"] is True


async def test_a_trailing_slash_belongs_to_no_key(client: httpx.AsyncClient) -> None:
    assert (await client.post("/gossip/data/", json={"key": "k", "value": 1})).status_code == 201
    assert json_body(await client.get("/gossip/data/k/"))["data"] == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gossip/peers"),
        ("PUT", "/gossip/data/k"),
        ("DELETE", "/gossip/data/k"),
        ("DELETE", "/gossip/data"),
        ("GET", "/"),
        ("GET", "/ws"),
    ],
)
async def test_wrong_methods_and_paths_are_not_found(
    method: str, path: str, client: httpx.AsyncClient
) -> None:
    assert json_body(await client.request(method, path), 404) == {
        "message": f"Cannot {method} {path}",
        "error": "Not Found",
        "statusCode": 404,
    }


async def test_browsers_may_ask_and_write(client: httpx.AsyncClient) -> None:
    answer = await client.options("/gossip/data")
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_deep_body_kills(peer: Double, client: httpx.AsyncClient) -> None:
    deep = b'{"key":"k","value":' + b"[" * 40_000 + b"]" * 40_000 + b"}"
    with pytest.raises(httpx.HTTPError):
        await client.post(
            "/gossip/data", content=deep, headers={"Content-Type": "application/json"}
        )
    assert peer.died == "a value nested too deep"


@pytest.mark.parametrize("request_bytes", [b"nonsense\r\n\r\n", b"GET /gossip/pee", b""])
async def test_what_is_no_http_ends_its_connection_only(
    request_bytes: bytes, peer: Double, client: httpx.AsyncClient
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.port)
    writer.write(request_bytes)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    assert (await client.get("/gossip/health")).status_code == 200
