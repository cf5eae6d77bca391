"""Django's ASGI handler without its detours through threads.

The stock handler tells `request_started` and `request_finished` in a thread made for each request,
so that connections to the database are looked after. Our views are coroutines and never touch the
database: measured, the two detours cost 1.4 ms of CPU a request, and all the rest 0.2 ms. It also
starts a thread for each request under way, so 1,000 waiting writes would hold 1,000 threads.

Its middleware is its own two, both coroutines, whatever `MIDDLEWARE` says: that is for the stock
handler, which serves the admin. For views that touch no database only.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from io import BytesIO
from typing import Any

from django.core.exceptions import MiddlewareNotUsed, RequestAborted, RequestDataTooBig
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from gossip.api.middleware import Cors, HostCheck
from gossip.api.requests import MAX_BODY
from gossip.api.responses import failure
from gossip.asgi import Receive, Scope, Send

MIDDLEWARE = (HostCheck, Cors)
"""Outermost first."""


class BoundedHandler(ASGIHandler):
    """Django's, refusing bodies that are too large: the stock one writes all that comes to disk."""

    max_body: int

    async def read_body(self, receive: Receive) -> BytesIO:
        """The whole body. Raises `RequestDataTooBig` as soon as it is larger than `max_body`."""
        body = BytesIO()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RequestAborted
            body.write(message.get("body", b""))
            if body.tell() > self.max_body:
                raise RequestDataTooBig
            if not message.get("more_body", False):
                body.seek(0)
                return body

    def too_large(self) -> HttpResponse:
        """The answer to that. What remains of the body would be read as the next request."""
        message = f"The body is larger than {self.max_body} bytes"
        return failure(413, message, headers={"Connection": "close"})


class ApiHandler(BoundedHandler):
    """An ASGI application for HTTP. Create it once Django is set up."""

    max_body = MAX_BODY

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: ARG002  (Django's signature)
        """Put `MIDDLEWARE` of this module around the views."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        views = self._get_response_async  # type: ignore[attr-defined]  # left out of the stubs
        handler: Any = convert_exception_to_response(views)
        for middleware in reversed(MIDDLEWARE):
            with suppress(MiddlewareNotUsed):
                handler = convert_exception_to_response(middleware(handler))
        self._middleware_chain = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(scope, receive)
        if response is None:
            return
        sending = self.send_response(response, send)
        # A write goes on when its client has gone: it is on its way. A stream would be for nobody.
        await (_send_while_connected(sending, receive) if response.streaming else sending)

    async def _respond(self, scope: Scope, receive: Receive) -> HttpResponseBase | None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return None
        except RequestDataTooBig:
            return self.too_large()
        set_script_prefix(get_script_prefix(scope))
        request, _refusal = self.create_request(scope, body)
        if request is None:
            return failure(400, "The query string is not valid UTF-8")
        return await self.run_get_response(request)


async def _send_while_connected(sending: Awaitable[None], receive: Receive) -> None:
    answer = asyncio.ensure_future(sending)
    gone = asyncio.ensure_future(receive())
    try:
        await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            answer.result()
    finally:
        answer.cancel()
        gone.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)
