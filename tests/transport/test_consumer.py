import asyncio
from typing import Any

import pytest

from gossip.asgi import Message
from gossip.transport.consumer import remote_is_loopback
from gossip.transport.routing import own_origins, websocket_application
from tests.support.hub import Listening

HEADERS = [(b"host", b"node.example:3001")]


class Connection:
    """The server's side of one connection: it says everything at once and remembers answers."""

    def __init__(self, *said: Message, path: str = "/ws", **scope: Any) -> None:
        self.scope = {
            "type": "websocket",
            "path": path,
            "headers": HEADERS,
            "client": ["127.0.0.1", 5000],
            **scope,
        }
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        for message in ({"type": "websocket.connect"}, *said):
            self.events.put_nowait(message)
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def serve(self, hub: Listening | None, *origins: str) -> list[str]:
        """Serve it to its end; return the types of what was sent."""
        application = websocket_application(lambda: hub, origins)
        await application(self.scope, self.events.get, self.send)
        return [message["type"] for message in self.sent]


def text(frame: str) -> Message:
    return {"type": "websocket.receive", "text": frame}


def gone(**said: Any) -> Message:
    return {"type": "websocket.disconnect", **said}


async def test_frames_reach_the_hub_in_order_and_as_they_came() -> None:
    hub = Listening()
    both = {"type": "websocket.receive", "text": None, "bytes": b"c"}
    said = (text("a"), text(""), {"type": "websocket.receive", "bytes": b"b"}, both)
    assert await Connection(*said, gone(code=1000)).serve(hub) == ["websocket.accept"]
    [link] = hub.links
    assert link.frames == ["a", "", b"b", b"c"]
    assert link.codes == [1000]


@pytest.mark.parametrize(
    ("said", "code"),
    [({"code": 4413}, 4413), ({"code": 1006}, None), ({}, 1005), ({"code": None}, None)],
)
async def test_the_link_hears_how_it_closed(said: dict[str, Any], code: int | None) -> None:
    hub = Listening()
    await Connection(gone(**said)).serve(hub)
    assert hub.links[0].codes == [code]


async def test_a_close_without_an_answer_counts_with_our_code() -> None:
    hub = Listening()
    connection = Connection()
    serving = asyncio.create_task(connection.serve(hub))
    await asyncio.sleep(0)
    wire = hub.links[0].wire
    await wire.send("one")
    await wire.close(4400, "faults")
    await wire.send("two")
    await wire.close(1000, "")
    connection.events.put_nowait(gone(code=1006))
    await serving
    assert connection.sent[1:] == [
        {"type": "websocket.send", "text": "one"},
        {"type": "websocket.close", "code": 4400, "reason": "faults"},
    ]
    assert hub.links[0].codes == [4400]


async def test_a_cancelled_connection_is_closed_once() -> None:
    hub = Listening()
    serving = asyncio.create_task(Connection().serve(hub))
    await asyncio.sleep(0)
    serving.cancel()
    await asyncio.wait([serving])
    assert hub.links[0].codes == [None]


async def test_a_send_that_fails_is_the_end_of_sending() -> None:
    hub = Listening()
    connection = Connection()
    serving = asyncio.create_task(connection.serve(hub))
    await asyncio.sleep(0)
    failures: list[str] = []

    async def broken(message: Message) -> None:
        failures.append(message["type"])
        raise BrokenPipeError

    hub.links[0].wire._send = broken  # type: ignore[attr-defined]  # the server's end breaks
    await hub.links[0].wire.send("lost")
    await hub.links[0].wire.send("not tried")
    connection.events.put_nowait(gone(code=1006))
    await serving
    assert failures == ["websocket.send"]


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/x", "/WS", "/gossip/ws"])
async def test_there_is_one_path(path: str) -> None:
    hub = Listening()
    assert await Connection(path=path).serve(hub) == ["websocket.close"]
    assert hub.links == []


@pytest.mark.parametrize(
    ("origin", "sent"),
    [
        (b"https://allowed.example", "websocket.accept"),
        (b"HTTPS://Allowed.example", "websocket.accept"),
        (b"http://allowed.example", "websocket.close"),
        (b"https://allowed.example:8443", "websocket.close"),
        # A name that another site made point here is no reason.
        (b"http://node.example:3001", "websocket.close"),
        (b"null", "websocket.close"),
        (b"", "websocket.close"),
        (b"\xff", "websocket.close"),
    ],
)
async def test_browsers_come_from_allowed_origins_only(origin: bytes, sent: str) -> None:
    connection = Connection(gone(code=1000), headers=[*HEADERS, (b"origin", origin)])
    assert await connection.serve(Listening(), "https://Allowed.example") == [sent]


async def test_without_a_node_the_peer_is_asked_to_come_again() -> None:
    connection = Connection()
    assert await connection.serve(None) == ["websocket.accept", "websocket.close"]
    assert connection.sent[1]["code"] == 1013


@pytest.mark.parametrize(
    ("client", "header", "expected"),
    [
        (["127.0.0.1", 1], b"accept", True),
        (["127.9.9.9", 1], b"accept", True),
        (["::1", 1], b"accept", True),
        (["::ffff:127.0.0.1", 1], b"accept", True),
        (["::ffff:10.0.0.1", 1], b"accept", False),
        (["10.0.0.1", 1], b"accept", False),
        (["localhost", 1], b"accept", False),
        (None, b"accept", False),
        (["127.0.0.1", 1], b"x-forwarded-for", False),
        (["127.0.0.1", 1], b"x-forwarded-proto", False),
        (["127.0.0.1", 1], b"forwarded", False),
    ],
)
def test_loopback_is_this_machine_and_no_proxy(
    client: list[Any] | None, header: bytes, expected: bool
) -> None:
    assert remote_is_loopback({"client": client, "headers": [(header, b"x")]}) is expected


async def test_the_hub_is_told_where_the_peer_is() -> None:
    hub = Listening()
    await Connection(gone()).serve(hub)
    await Connection(gone(), client=["192.0.2.1", 5000]).serve(hub)
    assert [link.remote_is_loopback for link in hub.links] == [True, False]


def test_a_node_allows_its_own_pages() -> None:
    assert own_origins("https://node.example", 3001) == {
        "https://node.example",
        "http://localhost:3001",
        "http://127.0.0.1:3001",
        "http://[::1]:3001",
    }
