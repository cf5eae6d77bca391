"""Requests as an ASGI server makes them, for what HTTP clients would tidy up first."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from gossip.asgi import Application, Message, Scope


class Answer(msgspec.Struct):
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes
    parts: list[bytes]

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def scope(
    method: str,
    raw_path: bytes,
    *,
    query: bytes = b"",
    headers: Mapping[str, str] | None = None,
    **changes: Any,
) -> Scope:
    """The scope that Daphne makes of a request line, from this machine."""
    sent = {"host": "localhost:3001", **(headers or {})}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": unquote(raw_path.decode("ascii")),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 3001),
        **changes,
    }


async def ask(
    application: Application,
    request: Scope,
    body: bytes = b"",
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> Answer:
    """Send one request and collect the answer. The client stays until it has all of it.

    `meanwhile` is called whenever a part of the answer has come.
    """
    events: list[Message] = []
    incoming = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return incoming.pop() if incoming else await stays_connected()

    async def send(event: Message) -> None:
        events.append(event)
        meanwhile()

    await application(request, receive, send)
    start, *rest = events
    parts = [event.get("body", b"") for event in rest]
    headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(parts), parts)


async def stays_connected() -> Message:
    """What `receive` does while the client neither sends nor leaves."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets that event")
