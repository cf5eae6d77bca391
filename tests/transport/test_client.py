"""The dialer against real servers."""

import asyncio
import contextlib
import http
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from gossip.core.effects import Dial
from gossip.runtime.ports import DialRefused
from gossip.runtime.websocket import MESSAGE_LIMIT
from gossip.transport.client import WebsocketDialer
from gossip.transport.resolver import Resolver
from tests.support.hub import Link, Listening
from tests.support.ports import free_port
from tests.support.runtime import until

Handler = Callable[[ServerConnection], Any]


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def peer(handler: Handler = echo, **options: Any) -> AsyncIterator[int]:
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def dialed(
    port: int, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[Link, asyncio.Task[None]]]:
    """A link to a server on this machine, and the task that serves it."""
    hub = Listening()
    serving = asyncio.create_task(WebsocketDialer(Resolver())(dial(f"ws://{host}:{port}/ws"), hub))
    try:
        await until(lambda: hub.links or serving.done())
        yield hub.links[0], serving
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


def dial(url: str, *, loopback_allowed: bool = True) -> Dial:
    return Dial(url, loopback_allowed)


async def refusal(effect: Dial) -> DialRefused:
    hub = Listening()
    with pytest.raises(DialRefused) as refused:
        await WebsocketDialer(Resolver())(effect, hub)
    assert hub.links == []
    return refused.value


async def test_frames_go_both_ways() -> None:
    async with peer() as port, dialed(port) as (link, _):
        assert link.dialed == f"ws://127.0.0.1:{port}/ws"
        assert link.remote_is_loopback
        await link.wire.send("ä")
        await link.wire.send("b")
        await until(lambda: link.frames == ["ä", "b"])


async def test_the_request_is_plain_and_names_the_url() -> None:
    requests: list[Request] = []

    def remember(_: ServerConnection, request: Request) -> None:
        requests.append(request)

    async with peer(process_request=remember) as port, dialed(port, "localhost"):
        [request] = requests
        assert request.path == "/ws"
        assert request.headers["Host"] == f"localhost:{port}"
        assert not {"Authorization", "Origin", "Sec-WebSocket-Extensions"} & set(request.headers)


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    async with peer() as port, dialed(port) as (link, _):
        assert link.codes == []


async def test_the_link_hears_how_the_peer_closed() -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.close(4409, "duplicate")

    async with peer(leave) as port, dialed(port) as (link, serving):
        await serving
        assert link.codes == [4409]


async def test_the_link_hears_that_the_connection_broke() -> None:
    async def break_off(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with peer(break_off) as port, dialed(port) as (link, serving):
        await serving
        assert link.codes == [None]


async def test_closing_sends_what_was_sent_before_it() -> None:
    received: list[object] = []

    async def collect(connection: ServerConnection) -> None:
        received.extend([message async for message in connection])
        received.append((connection.close_code, connection.close_reason))

    async with peer(collect) as port, dialed(port) as (link, serving):
        for number in range(100):
            await link.wire.send(str(number))
        await link.wire.close(1000, "ü" * 100)
        await link.wire.send("too late")
        await link.wire.close(1000, "again")
        await serving
        await until(lambda: len(received) == 101)
        assert received == [*map(str, range(100)), (1000, "ü" * 61)]
        assert link.codes == [1000]


async def test_a_peer_that_answers_nothing_does_not_hold_the_close() -> None:
    connected: list[ServerConnection] = []

    async def freeze(connection: ServerConnection) -> None:
        connected.append(connection)
        connection.transport.pause_reading()
        await connection.wait_closed()

    async with peer(freeze, close_timeout=0.1) as port, dialed(port) as (link, serving):
        await until(lambda: connected)
        await link.wire.close(4413, "slow reader")
        await serving
        assert link.codes == [4413]


async def test_a_message_may_be_as_large_as_a_plain_peers_state() -> None:
    async def state(connection: ServerConnection) -> None:
        await connection.send("x" * MESSAGE_LIMIT)
        await connection.send("x" * (MESSAGE_LIMIT + 1))

    async with peer(state) as port, dialed(port) as (link, serving):
        await serving
        assert [len(frame) for frame in link.frames] == [MESSAGE_LIMIT]
        assert link.codes == [1009]


async def test_a_busy_node_is_waited_for() -> None:
    sent = 0

    async def flood(connection: ServerConnection) -> None:
        nonlocal sent
        while True:
            await connection.send("x" * 65_536)
            sent += 1

    class Busy(Link):
        def received(self, data: str | bytes) -> bool:
            return False

        async def room(self) -> None:
            await asyncio.Event().wait()

    hub = Listening()
    hub.link_type = Busy
    async with peer(flood) as port:
        serving = asyncio.create_task(
            WebsocketDialer(Resolver())(dial(f"ws://127.0.0.1:{port}/ws"), hub)
        )
        await until(lambda: sent)
        before = 0
        while sent != before:
            before = sent
            # Every task of both ends had many turns without another frame being taken.
            for _ in range(1_000):
                await asyncio.sleep(0)
        assert 0 < sent * 65_536 < 16 * 1_048_576
        serving.cancel()
        await asyncio.wait([serving])


async def test_a_cancelled_dial_closes_its_connection() -> None:
    ended = asyncio.Event()

    async def wait(connection: ServerConnection) -> None:
        await connection.wait_closed()
        ended.set()

    async with peer(wait) as port:
        async with dialed(port) as (link, _):
            pass
        await asyncio.wait_for(ended.wait(), 5)
        assert link.codes == [None]


async def test_nobody_there_is_evidence() -> None:
    refused = await refusal(dial(f"ws://127.0.0.1:{free_port()}/ws"))
    assert refused.refused


async def test_an_answer_that_is_no_websocket_is_no_evidence() -> None:
    def not_found(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(http.HTTPStatus.NOT_FOUND, "")

    async with peer(process_request=not_found) as port:
        refused = await refusal(dial(f"ws://127.0.0.1:{port}/ws"))
    assert not refused.refused
    assert "404" in str(refused)


async def test_no_redirect_is_followed() -> None:
    paths: list[str] = []

    def away(connection: ServerConnection, request: Request) -> Response | None:
        paths.append(request.path)
        response = connection.respond(http.HTTPStatus.FOUND, "")
        response.headers["Location"] = "/elsewhere/ws"
        return response

    async with peer(process_request=away) as port:
        refused = await refusal(dial(f"ws://127.0.0.1:{port}/ws"))
    assert paths == ["/ws"]
    assert not refused.refused


async def test_an_unknown_name_is_no_evidence() -> None:
    assert not (await refusal(dial("ws://node.invalid:3001/ws"))).refused


async def test_what_the_resolver_refuses_is_not_dialed() -> None:
    asked: list[ServerConnection] = []
    async with peer(asked.append) as port:
        refused = await refusal(dial(f"ws://localhost:{port}/ws", loopback_allowed=False))
    assert "loopback" in str(refused)
    assert not refused.refused
    assert asked == []
