"""`GET /gossip/state`."""

import httpx

from gossip.api.handler import ApiHandler
from gossip.core.entries import Entry
from gossip.runtime.ports import STEP
from tests.support.asgi import ask, scope
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


async def test_e6_an_expired_key_has_no_value_any_more(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    port.hold(Entry("past", 7, b"1", 1), Entry("future", 7, b"1", 2**53 - 1))
    data = (await client.get("/gossip/state")).json()["state"]["data"]
    assert data["past"] == {"version": 7, "timestamp": 7, "expiresAt": 1}
    assert data["future"] == {
        "value": 1,
        "version": 7,
        "timestamp": 7,
        "expiresAt": 2**53 - 1,
    }


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
    port.hold(*(Entry(f"k{number}", 1, b"1") for number in range(3 * STEP + 1)))
    state = (await client.get("/gossip/state")).json()["state"]
    assert state["dataCount"] == len(state["data"]) == 3 * STEP + 1


async def test_the_count_fits_what_is_listed_whatever_is_written_meanwhile(port: FakePort) -> None:
    port.hold(*(Entry(f"k{number:04}", 1, b"1" * 200) for number in range(2 * STEP)))
    written = iter(range(1_000_000))

    def write() -> None:
        port.hold(Entry(f"k{next(written):04}+", 1, b"1"))

    answer = await ask(ApiHandler(), scope("GET", b"/gossip/state"), meanwhile=write)
    state = answer.json()["state"]
    assert state["dataCount"] == len(state["data"]) == 2 * STEP
    assert next(written) > 2
