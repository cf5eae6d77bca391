"""Requests below `/admin/`: for Django's stock handler, with its middleware and its threads.

All else goes to the short handler. The admin is loaded at the first request for it: a node without
an administrator does without its modules.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from django.core.handlers.asgi import ASGIHandler

from gossip.asgi import Application, Receive, Scope, Send
from gossipnode.late import Late

PATH: Final = "/admin"
URLS: Final = "gossip.admin.urls"


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


class _AdminHandler(ASGIHandler):
    """Looks paths up in the URLs of the admin."""

    def create_request(self, scope: Mapping[str, Any], body_file: Any) -> Any:
        request, refusal = super().create_request(scope, body_file)
        if request is not None:
            request.urlconf = URLS
        return request, refusal


def _load() -> Application:
    import_module(URLS)
    return _AdminHandler()
