"""`/gossip/aside`: versions of the future."""

import httpx

from gossip.core.entries import Entry
from tests.support.fake_port import FakePort

FAR = 2**53 - 1


async def test_e4_what_waits_is_listed_the_soonest_first(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    port.waiting_for_their_time = [Entry("k", FAR, b"1"), Entry("l", 9, b"1", origin="0xa")]
    answer = await client.get("/gossip/aside")
    assert answer.json() == {
        "success": True,
        "aside": [
            {"key": "l", "version": 9, "origin": "0xa"},
            {"key": "k", "version": FAR, "origin": None},
        ],
    }


async def test_e4_one_can_be_dropped(client: httpx.AsyncClient, port: FakePort) -> None:
    port.waiting_for_their_time = [Entry("a/k", FAR, b"1"), Entry("l", FAR, b"1")]
    answer = await client.delete("/gossip/aside/a%2Fk")
    assert answer.status_code == 200
    assert answer.json()["version"] == FAR
    assert [entry.key for entry in await port.aside()] == ["l"]
    assert (await client.delete("/gossip/aside/a%2Fk")).status_code == 404


async def test_e4_there_is_nothing_else_to_be_done(client: httpx.AsyncClient) -> None:
    assert (await client.post("/gossip/aside", json={})).status_code == 405
    assert (await client.get("/gossip/aside/k")).status_code == 405
