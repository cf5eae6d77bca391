"""`GET /gossip/stats` and `GET /p2p/stats`."""

from collections import Counter

import httpx
import msgspec
from django.conf import settings

from gossip.core.stats import Stats
from tests.support.fake_port import NOW, FakePort


async def test_the_seven_of_the_deployed_nodes_come_first(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    for number, status in enumerate(["active", "active", "suspected", "inactive"]):
        port.know(f"0x{number}", status)
    counted = Stats(messages_sent=5, messages_received=6, gossip_rounds=7, last_gossip_time=NOW)
    port.tell(stats=counted)
    stats = (await client.get("/gossip/stats")).json()["stats"]
    assert list(stats.items())[:7] == [
        ("totalPeers", 4),
        ("activePeers", 2),
        ("suspectedPeers", 1),
        ("messagesSent", 5),
        ("messagesReceived", 6),
        ("gossipRounds", 7),
        ("lastGossipTime", "2026-11-22T06:03:21.824Z"),
    ]


async def test_no_round_yet(client: httpx.AsyncClient) -> None:
    assert (await client.get("/gossip/stats/")).json()["stats"]["lastGossipTime"] is None


async def test_every_counter_is_told(client: httpx.AsyncClient, port: FakePort) -> None:
    names = [
        name for name in Stats.__struct_fields__ if name not in {"last_gossip_time", "refused"}
    ]
    counted = msgspec.convert({name: 1000 + n for n, name in enumerate(names)}, Stats)
    port.tell(stats=counted)
    told = (await client.get("/gossip/stats")).json()["stats"]
    numbers = {value for value in told.values() if isinstance(value, int)}
    assert numbers >= {*range(1000, 1000 + len(names))}


async def test_refusals_by_reason(client: httpx.AsyncClient, port: FakePort) -> None:
    port.tell(stats=Stats(refused=Counter({"version": 2, "json": 1})), links=3)
    stats = (await client.get("/gossip/stats")).json()["stats"]
    assert stats["refused"] == {"json": 1, "version": 2}
    assert stats["links"] == 3


async def test_the_old_stats(client: httpx.AsyncClient, port: FakePort) -> None:
    port.know("0xa")
    port.tell(links=2)
    answer = await client.get("/p2p/stats/")
    number = settings.GOSSIP.port
    assert answer.json() == {
        "success": True,
        "stats": {"activePeers": 1, "activeConnections": 2, "port": number, "apiPort": number},
    }
    assert answer.headers["Deprecation"].startswith("@")
