"""Requests below `/admin/`: for Django's stock handler, with its middleware and its threads.

All else goes to the short handler. The admin is loaded at the first request for it: a node without
an administrator does without its modules.
"""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from gossip.api.handler import BoundedHandler
from gossip.asgi import Application, Receive, Scope, Send
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

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().handle(scope, receive, send)
        except RequestDataTooBig:
            await self.send_response(self.too_large(), send)

    def create_request(self, scope: Mapping[str, Any], body_file: Any) -> Any:
        request, refusal = super().create_request(scope, body_file)
        if request is not None:
            request.urlconf = URLS
        return request, refusal

    async def run_get_response(self, request: HttpRequest) -> HttpResponseBase:
        # Whoever has not sent all of a body holds nobody up.
        async with self._turns:
            return await super().run_get_response(request)


def _load() -> Application:
    import_module(URLS)
    return AdminHandler()
