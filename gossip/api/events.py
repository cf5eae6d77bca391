"""`GET /gossip/events`: what happens to the data and the members, as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from gossip import services
from gossip.api import requests
from gossip.api.base import NodeView
from gossip.api.responses import Begun, empty, iso
from gossip.services import Change, ChangeKind, Watch

HEARTBEAT: Final = 15.0
"""Seconds of silence after which a comment tells client and proxies that the stream lives; common
time-outs are 30 and 60."""
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store",
    # nginx would hold events back until its buffer is full.
    "X-Accel-Buffering": "no",
}

_text = msgspec.json.Encoder().encode


class EventsView(NodeView):
    """`GET /gossip/events`."""

    tells_age = False

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        kinds = requests.several_of(request, "types", tuple(ChangeKind))
        events = stream(
            frozenset(map(ChangeKind, kinds)),
            request.GET.get("prefix", ""),
            request.headers.get("Last-Event-ID") or None,
        )
        # Refused watchers get a status, so the watch begins before the answer does.
        content = Begun(await anext(events), events)
        return StreamingHttpResponse(content, headers=HEADERS)

    async def head(self, _request: HttpRequest) -> HttpResponseBase:
        return empty(200, HEADERS)


async def stream(
    kinds: frozenset[ChangeKind], prefix: str, after: str | None, heartbeat: float = HEARTBEAT
) -> AsyncIterator[bytes]:
    """The lines of a stream that begins behind the event of the id `after`.

    Raises `WatchRefused`, `Unavailable` and `NoEngine` at the first step only.
    """
    async with services.watch(kinds=kinds, prefix=prefix, after=after) as watch:
        yield await _opening(watch, after)
        try:
            while True:
                yield await _next(watch, heartbeat)
        except services.WatchEnded as ended:
            yield _event("end", {"reason": ended.reason, "message": str(ended)})


async def _opening(watch: Watch, after: str | None) -> bytes:
    me = (await services.aoverview()).me
    about = {"nodeId": me.node_id, "startedAt": iso(me.incarnation), "resumed": watch.resumed}
    opened = _event("hello", about, watch.start)
    if after is None or watch.resumed:
        return opened
    message = "What came since is not known any more: look at everything again"
    return opened + _event("gap", {"message": message})


async def _next(watch: Watch, heartbeat: float) -> bytes:
    try:
        async with asyncio.timeout(heartbeat):
            changes = await watch.batch()
    except TimeoutError:
        return b":\n\n"
    return b"".join(_event(change.kind, _about(change), change.id) for change in changes)


def _about(change: Change) -> dict[str, object]:
    entry = change.entry
    if entry is None:
        return {"nodeId": change.subject, "detail": change.detail}
    about: dict[str, object] = {"key": entry.key}
    if entry.value is not None:
        about["value"] = msgspec.Raw(entry.value)
        if entry.expires_at is not None:
            about["expiresAt"] = entry.expires_at
    about["version"] = entry.version
    about["timestamp"] = entry.timestamp or entry.version
    about["origin"] = entry.origin
    return about


def _event(kind: str, about: object, event_id: str | None = None) -> bytes:
    # JSON text has no line breaks, which would end the line.
    named = b"" if event_id is None else b"id: %b\n" % event_id.encode()
    return named + b"event: %b\ndata: %b\n\n" % (kind.encode(), _text(about))
