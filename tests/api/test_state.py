"""`GET /gossip/state`."""

import httpx

from gossip.core.entries import Entry
from gossip.services import SLICE
from tests.support.fake_port import FakePort


async def test_the_state_with_its_versions(client: httpx.AsyncClient, port: FakePort) -> None:
    port.hold(Entry("b", 7, b'{"x":1}', timestamp=6), Entry("a", 9, None))
    answer = await client.get("/gossip/state")
    assert answer.text == (
        '{"success":true,"state":{"nodeId":"0xme","version":2,'
        '"lastUpdated":"2026-11-22T06:03:21.824Z","dataCount":2,"data":{'
        '"a":{"version":9,"timestamp":9},'
        '"b":{"value":{"x":1},"version":7,"timestamp":6}}}}'
    )


async def test_an_empty_state(client: httpx.AsyncClient) -> None:
    answer = await client.get("/gossip/state/")
    assert answer.json()["state"] == {
        "nodeId": "0xme",
        "version": 0,
        "lastUpdated": None,
        "dataCount": 0,
        "data": {},
    }


async def test_a_large_state_is_complete(client: httpx.AsyncClient, port: FakePort) -> None:
    port.hold(*(Entry(f"k{number}", 1, b"1") for number in range(3 * SLICE + 1)))
    state = (await client.get("/gossip/state")).json()["state"]
    assert state["dataCount"] == len(state["data"]) == 3 * SLICE + 1
