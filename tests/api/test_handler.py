"""The ASGI application itself."""

import asyncio
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler

from gossip.api.handler import ApiHandler
from gossip.api.requests import MAX_BODY
from gossip.asgi import Message
from gossip.core.entries import Entry
from tests.support.asgi import ask, scope, stays_connected
from tests.support.fake_port import FakePort

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("handler", [ApiHandler, ASGIHandler])
async def test_it_answers_as_the_stock_handler(port: FakePort, handler: type[ASGIHandler]) -> None:
    application = handler()
    written = await ask(application, scope("PUT", b"/gossip/data/k", headers=JSON), b"[1]")
    assert written.status == 201
    read = await ask(application, scope("GET", b"/gossip/data"))
    assert read.body == b'{"success":true,"data":{"k":[1]}}'
    too_large = scope("PUT", b"/gossip/data/k", headers=JSON)
    assert (await ask(application, too_large, b" " * (MAX_BODY + 1))).status == 413


async def test_a_body_is_read_no_further_than_its_bound(port: FakePort) -> None:
    taken = 0
    events: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 65_536
        return {"type": "http.request", "body": bytes(65_536), "more_body": True}

    async def send(event: Any) -> None:
        events.append(event)

    await ApiHandler()(scope("POST", b"/gossip/data", headers=JSON), receive, send)
    assert taken == 3 * 65_536
    assert events[0]["status"] == 413
    assert (b"Connection", b"close") in events[0]["headers"]


async def test_a_client_that_leaves_before_its_body_is_complete(port: FakePort) -> None:
    incoming: list[dict[str, Any]] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b'{"key":"k",', "more_body": True},
    ]

    async def receive() -> dict[str, Any]:
        return incoming.pop()

    async def send(event: Any) -> None:
        raise AssertionError(event)

    await ApiHandler()(scope("POST", b"/gossip/data", headers=JSON), receive, send)
    assert await port.held() == []


async def test_a_stream_ends_when_its_client_leaves(port: FakePort) -> None:
    port.hold(
        *(Entry(f"k{number}", 1, b'"%b"' % bytes(1_000).hex().encode()) for number in range(99))
    )
    stuck = asyncio.Event()
    incoming = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop()
        await stuck.wait()
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        if event["type"] == "http.response.body":
            stuck.set()
            await stays_connected()

    async with asyncio.timeout(10):
        await ApiHandler()(scope("GET", b"/gossip/data"), receive, send)
    assert stuck.is_set()


async def test_an_error_while_sending_is_not_swallowed(port: FakePort) -> None:
    incoming = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        return incoming.pop() if incoming else await stays_connected()

    async def send(event: Any) -> None:
        raise ConnectionResetError(event["type"])

    with pytest.raises(ConnectionResetError):
        await ApiHandler()(scope("GET", b"/gossip/data"), receive, send)


async def test_a_query_that_is_no_text(port: FakePort) -> None:
    answer = await ask(ApiHandler(), scope("GET", b"/gossip/data", query=b"prefix=\xff"))
    assert answer.status == 400
    assert answer.json() == {"success": False, "message": "The query string is not valid UTF-8"}
