"""Requests below `/admin/`: for Django's stock handler, with its middleware and its threads.

All else goes to the short handler. The admin is loaded at the first request for it: a node without
an administrator does without its modules.
"""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestAborted, RequestDataTooBig

from gossip.api.handler import BoundedHandler
from gossip.asgi import Application, Message, Receive, Scope, Send
from gossipnode.late import Late

PATH: Final = "/admin"
URLS: Final = "gossip.admin.urls"
AT_ONCE: Final = 4
"""Requests that are answered at a time, each by a thread of its own; others wait."""


class AdminBranch:
    """Serves the admin; everything else goes to `application`."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._admin = Late(_load)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path = scope["path"]
        admin = path == PATH or path.startswith(f"{PATH}/")
        await (self._admin if admin else self._application)(scope, receive, send)


class AdminHandler(BoundedHandler):
    """Looks paths up in the URLs of the admin."""

    max_body = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def __init__(self) -> None:
        super().__init__()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._answering: set[asyncio.Task[list[Message]]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Who sends or reads slowly holds nobody up."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        except RequestDataTooBig:
            await self.send_response(self.too_large(), send)
            return
        # To its end, for its thread cannot be stopped: a client that leaves frees no turn.
        task = asyncio.create_task(self._answer(scope, body.read()))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        for message in await asyncio.shield(task):
            await send(message)

    async def _answer(self, scope: Scope, body: bytes) -> list[Message]:
        incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        answer: list[Message] = []

        async def receive() -> Message:
            if not incoming:
                await asyncio.Event().wait()
            return incoming.pop()

        async def send(message: Message) -> None:
            answer.append(message)

        async with self._turns:
            await super().__call__(scope, receive, send)
        return answer

    def create_request(self, scope: Mapping[str, Any], body_file: Any) -> Any:
        request, refusal = super().create_request(scope, body_file)
        if request is not None:
            request.urlconf = URLS
        return request, refusal


def _load() -> Application:
    import_module(URLS)
    return AdminHandler()
