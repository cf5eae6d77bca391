"""Reads of a node that was not heard of for a while say for how long; without any, they say so."""

import httpx
import pytest

from gossip.api.handler import ApiHandler
from gossip.core.entries import Entry
from gossip.runtime.ports import STEP, Unavailable
from tests.support.asgi import ask, scope
from tests.support.fake_port import FakePort

OF_THE_NODE = [
    "/gossip/peers",
    "/gossip/stats",
    "/gossip/health",
    "/gossip/state",
    "/gossip/data",
    "/gossip/data/k",
    "/gossip/aside",
    "/p2p/peers",
    "/p2p/stats",
    "/metrics",
]
OF_THE_PROCESS = ["/healthz", "/readyz", "/api/schema", "/api/docs"]


@pytest.mark.parametrize("path", [*OF_THE_NODE, *OF_THE_PROCESS])
async def test_what_the_node_said_just_now_has_no_age(
    client: httpx.AsyncClient, port: FakePort, path: str
) -> None:
    port.stale_for = 2.0
    assert "Age" not in (await client.get(path)).headers


@pytest.mark.parametrize("path", OF_THE_NODE)
async def test_what_it_said_earlier_has(
    client: httpx.AsyncClient, port: FakePort, path: str
) -> None:
    port.stale_for = 7.9
    port.hold(Entry("k", 5, b"1"))
    assert (await client.get(path)).headers["Age"] == "7"
    assert (await client.head(path)).headers["Age"] == "7"


async def test_that_there_is_no_key_has_an_age_and_that_there_was_no_change_too(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    port.stale_for = 7.9
    missing = await client.get("/gossip/data/k")
    assert (missing.status_code, missing.headers["Age"]) == (404, "7")
    port.hold(Entry("k", 5, b"1"))
    same = await client.get("/gossip/data/k", headers={"If-None-Match": "*"})
    assert (same.status_code, same.headers["Age"]) == (304, "7")


@pytest.mark.parametrize("path", OF_THE_PROCESS)
async def test_what_the_process_knows_by_itself_has_none(
    client: httpx.AsyncClient, port: FakePort, path: str
) -> None:
    port.stale_for = 7.9
    assert "Age" not in (await client.get(path)).headers


async def test_neither_has_a_write_nor_a_refusal(client: httpx.AsyncClient, port: FakePort) -> None:
    port.stale_for = 7.9
    written = await client.put("/gossip/data/k", json=1)
    assert (written.status_code, "Age" in written.headers) == (201, False)
    refused = await client.get("/gossip/data?limit=0")
    assert (refused.status_code, "Age" in refused.headers) == (400, False)


@pytest.mark.parametrize("path", [*OF_THE_NODE, "/gossip/events"])
async def test_a_node_that_cannot_be_asked(
    client: httpx.AsyncClient, port: FakePort, path: str
) -> None:
    port.hold(Entry("k", 5, b"1"))
    port.unavailable = Unavailable("the view does not answer")
    answer = await client.get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json() == {"success": False, "message": "The view does not answer"}
    assert port.watch_counts.watching == 0


@pytest.mark.parametrize("path", OF_THE_PROCESS)
async def test_the_process_answers_whoever_cannot_be_asked(
    client: httpx.AsyncClient, port: FakePort, path: str
) -> None:
    port.unavailable = Unavailable("the view does not answer")
    assert (await client.get(path)).status_code == 200


async def test_an_answer_that_has_begun_breaks_off(port: FakePort) -> None:
    port.hold(*(Entry(f"k{number}", 5, b"1") for number in range(2 * STEP)))
    parts = 0

    def fail() -> None:
        nonlocal parts
        parts += 1
        port.unavailable = Unavailable("the view does not answer")

    with pytest.raises(Unavailable):
        await ask(ApiHandler(), scope("GET", b"/gossip/data"), meanwhile=fail)
    assert parts == 1
