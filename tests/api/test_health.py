"""`GET /gossip/health`, `/healthz` and `/readyz`."""

import httpx
import pytest

from gossip.core.stats import Stats
from gossip.runtime import serving
from tests.api.conftest import Configure, FakeNode
from tests.support.fake_port import NOW, FakePort


async def test_the_shape(client: httpx.AsyncClient, port: FakePort) -> None:
    port.know("0xa")
    port.tell(stats=Stats(gossip_rounds=3, messages_sent=4, last_gossip_time=NOW))
    answer = (await client.get("/gossip/health")).json()
    assert answer["success"] is True
    assert answer["health"] == {
        "status": "healthy",
        "timestamp": "2026-11-22T06:03:21.824Z",
        "peers": {"total": 1, "active": 1, "suspected": 0},
        "gossip": {
            "rounds": 3,
            "messagesSent": 4,
            "messagesReceived": 0,
            "lastGossipTime": "2026-11-22T06:03:21.824Z",
        },
        "connectivity": {"hasActivePeers": True, "isGossiping": True},
        "reasons": [],
    }


@pytest.mark.parametrize(
    ("members", "reasons", "status"),
    [
        ([], (), "isolated"),
        (["suspected", "inactive"], (), "isolated"),
        ([], ("clock",), "isolated"),
        (["active"], (), "healthy"),
        (["active", "suspected"], (), "healthy"),
        (["active", "inactive", "inactive"], (), "healthy"),
        (["active", "suspected", "suspected"], (), "degraded"),
        (["active"], ("clock",), "degraded"),
    ],
)
async def test_the_status(
    client: httpx.AsyncClient,
    port: FakePort,
    members: list[str],
    reasons: tuple[str, ...],
    status: str,
) -> None:
    for number, member in enumerate(members):
        port.know(f"0x{number}", member)
    port.tell(reasons=reasons)
    answer = await client.get("/gossip/health")
    assert answer.status_code == 200
    assert answer.json()["health"]["status"] == status
    assert answer.json()["health"]["reasons"] == list(reasons)


async def test_no_round_yet(client: httpx.AsyncClient) -> None:
    health = (await client.get("/gossip/health/")).json()["health"]
    assert health["gossip"]["lastGossipTime"] is None
    assert health["connectivity"] == {"hasActivePeers": False, "isGossiping": False}


async def test_a_process_without_a_node_is_alive(configure: Configure) -> None:
    answer = await configure().get("/healthz")
    assert (answer.status_code, answer.text) == (200, '{"success":true,"alive":true}')


async def test_ready(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz/")
    assert (answer.status_code, answer.text) == (200, '{"success":true,"ready":true}')


async def test_not_ready_for_reasons(client: httpx.AsyncClient, node: FakeNode) -> None:
    node.port.ready = False
    node.reasons = ("journal", "stopping")
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json() == {
        "success": False,
        "message": "Not ready: journal; stopping",
        "reasons": ["journal", "stopping"],
    }


async def test_not_ready_while_it_drains(client: httpx.AsyncClient, node: FakeNode) -> None:
    await serving.drain(0)
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["stopping"])
    assert (await client.get("/gossip/health")).status_code == 200


async def test_not_ready_without_a_node(configure: Configure) -> None:
    answer = await configure().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["no node runs in this process"]
