"""Answers: JSON bytes made by one encoder, whole or as a stream."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from typing import Generic, Self, TypeVar

import msgspec
from django.http import HttpResponse, StreamingHttpResponse

from gossip.core.entries import Entry

CONTENT_TYPE = "application/json"
CHUNK = 65_536
"""Bytes after which a stream hands over what it has: what Django sends in one message."""

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class Begun(Generic[T]):
    """An iterator of which the first item was taken already: what fails there gets a status."""

    def __init__(self, first: T, rest: AsyncIterator[T]) -> None:
        self._first: T | None = first
        self._rest = rest

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if self._first is None:
            return await anext(self._rest)
        first, self._first = self._first, None
        return first


def success(
    *, status: int = 200, headers: Mapping[str, str] | None = None, **fields: object
) -> HttpResponse:
    """`{"success":true,…}` with these fields in this order."""
    return _json({"success": True, **fields}, status, headers)


def failure(
    status: int, message: str, *, headers: Mapping[str, str] | None = None, **fields: object
) -> HttpResponse:
    """`{"success":false,"message":…}`, the one form of errors, with further fields behind it."""
    return _json({"success": False, "message": message, **fields}, status, headers)


def empty(status: int, headers: Mapping[str, str]) -> HttpResponse:
    """These headers and no body at all."""
    response = HttpResponse(status=status, headers=headers)
    if "Content-Type" not in headers:
        del response["Content-Type"]
    return response


async def stream(
    head: bytes, slices: AsyncIterator[list[Entry]], member: Callable[[Entry], bytes], tail: bytes
) -> StreamingHttpResponse:
    """`head`, then the members of an object, then `tail`; the event loop is never held for long.

    Raises what the first step raises; at a later one the answer breaks off.
    """
    first: list[Entry] = await anext(slices, [])
    parts = _parts(head, Begun(first, slices), member, tail)
    return StreamingHttpResponse(parts, content_type=CONTENT_TYPE)


def iso(millis: int | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as JavaScript writes a date; None for never."""
    if not millis:
        return None
    moment = datetime.fromtimestamp(millis // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03}Z"


def _json(
    content: Mapping[str, object], status: int, headers: Mapping[str, str] | None
) -> HttpResponse:
    body = _encode(content)
    # Without a length the server would have to send chunks.
    return HttpResponse(
        body,
        status=status,
        headers={"Content-Type": CONTENT_TYPE, "Content-Length": str(len(body)), **(headers or {})},
    )


async def _parts(
    head: bytes, slices: AsyncIterator[list[Entry]], member: Callable[[Entry], bytes], tail: bytes
) -> AsyncIterator[bytes]:
    buffer = bytearray(head)
    separator = b""
    async for entries in slices:
        for entry in entries:
            buffer += separator
            buffer += member(entry)
            separator = b","
            if len(buffer) >= CHUNK:
                yield bytes(buffer)
                buffer.clear()
                # Sending need not wait for anything, so it gives nobody a turn by itself.
                await asyncio.sleep(0)
    yield bytes(buffer + tail)
