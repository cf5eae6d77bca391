"""`GET /gossip/peers` and `GET /p2p/peers`."""

import httpx
import pytest

from tests.support.fake_port import FakePort

SEEN = "2026-11-22T06:03:21.824Z"


@pytest.fixture
def cluster(port: FakePort) -> None:
    for node_id, status in [("0xc", "inactive"), ("0xb", "suspected"), ("0xa", "active")]:
        port.know(node_id, status)


async def test_this_node_comes_first(client: httpx.AsyncClient, port: FakePort) -> None:
    port.tell(heartbeats_sent=3)
    port.know("0xa", gossip_endpoint=None)
    me, other = (await client.get("/gossip/peers/")).json()["peers"]
    assert list(me) == [
        "nodeId",
        "publicKey",
        "apiEndpoint",
        "gossipEndpoint",
        "status",
        "lastSeen",
        "region",
        "capabilities",
        "version",
        "heartbeatCount",
    ]
    assert (me["nodeId"], me["status"], me["heartbeatCount"]) == ("0xme", "active", 3)
    assert me["lastSeen"] == SEEN
    assert other == {
        "nodeId": "0xa",
        "publicKey": "0xpub",
        "apiEndpoint": "http://localhost:3001",
        "gossipEndpoint": None,
        "status": "active",
        "lastSeen": SEEN,
        "region": "local",
        "capabilities": ["gx1"],
        "version": "1.0.0",
        "heartbeatCount": 7,
    }


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["0xme", "0xa"]),
        ("?status=active", ["0xme", "0xa"]),
        ("?status=all", ["0xme", "0xa", "0xb", "0xc"]),
        ("?status=suspected", ["0xb"]),
        ("?status=inactive", ["0xc"]),
    ],
)
async def test_members_by_status(client: httpx.AsyncClient, query: str, ids: list[str]) -> None:
    answer = (await client.get(f"/gossip/peers{query}")).json()
    assert [peer["nodeId"] for peer in answer["peers"]] == ids


async def test_a_status_that_does_not_exist(client: httpx.AsyncClient) -> None:
    answer = await client.get("/gossip/peers?status=dead")
    assert answer.status_code == 400
    expected = "`status` must be one of active, suspected, inactive, all"
    assert answer.json()["message"] == expected


@pytest.mark.usefixtures("cluster")
async def test_the_old_list_is_without_this_node(client: httpx.AsyncClient) -> None:
    answer = await client.get("/p2p/peers")
    assert answer.json() == {
        "success": True,
        "peers": [
            {
                "nodeId": "0xa",
                "publicKey": "0xpub",
                "apiEndpoint": "http://localhost:3001",
                "p2pEndpoint": "ws://localhost:3001/ws",
                "status": "active",
                "lastSeen": SEEN,
                "region": "local",
                "capabilities": ["gx1"],
                "version": "1.0.0",
            }
        ],
    }
    assert answer.headers["Deprecation"].startswith("@")
    assert answer.headers["Link"] == '</gossip/peers>; rel="successor-version"'
