"""Requests below `/admin/`: for Django's stock handler, with its middleware and its threads.

All else goes to the short handler. The admin is loaded at the first request for it: measured, it
takes a third of a second, and several megabytes that a node without an administrator does not need.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

Message: TypeAlias = Mapping[str, Any]
Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PATH: Final = "/admin"
URLS: Final = "gossip.admin.urls"


class AdminBranch:
    """Serves the admin; everything else goes to `application`."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._loading: asyncio.Task[Application] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        path = scope["path"]
        if path != PATH and not path.startswith(f"{PATH}/"):
            await self._application(scope, receive, send)
            return
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(_load))
        # Shielded: others wait for the same.
        admin = await asyncio.shield(self._loading)
        await admin(scope, receive, send)


def _load() -> Application:
    from importlib import import_module

    from django.core.handlers.asgi import ASGIHandler

    class AdminHandler(ASGIHandler):
        """Looks paths up in the URLs of the admin."""

        def create_request(self, scope: Mapping[str, Any], body_file: Any) -> Any:
            request, refusal = super().create_request(scope, body_file)
            if request is not None:
                request.urlconf = URLS
            return request, refusal

    import_module(URLS)
    handler: Application = AdminHandler()
    return handler
