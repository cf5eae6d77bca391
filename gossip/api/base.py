"""What all views have in common."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from gossip import services
from gossip.api import errors
from gossip.api.access import CHALLENGE, WriteAccess
from gossip.api.responses import empty

Handler: TypeAlias = Callable[..., Awaitable[HttpResponseBase]]

FRESH: Final = 2.0
"""Seconds. What the node said so lately counts as said now."""


class NodeView(APIView):
    """An `APIView` whose handlers are coroutines.

    A request that waits for its commit holds a coroutine, not a thread. Handlers return finished
    responses: a DRF `Response` is rendered later, in a thread.
    """

    authentication_classes = ()
    permission_classes = (WriteAccess,)
    parser_classes = ()
    renderer_classes = (JSONRenderer,)
    tells_age = True
    """Whether reading this is reading what the node said, so that it may be old."""

    async def dispatch(  # type: ignore[override]  # Django awaits the views of a class like this
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers: dict[str, str] = {}
        try:
            # First of all: that a method does not exist is no matter of permissions.
            handler = self._handler(request.method or "")
            self.initial(self.request, *args, **kwargs)
            response = await handler(request, *args, **kwargs)
            if self.tells_age and request.method in {"GET", "HEAD"}:
                _tell_age(response)
        except errors.EXPECTED as error:
            response = self.handle_exception(error)
        if request.method == "HEAD":
            return empty(response.status_code, response.headers)
        return response

    async def options(  # type: ignore[override]
        self, _request: HttpRequest, *_args: Any, **_kwargs: Any
    ) -> HttpResponseBase:
        return empty(204, {"Allow": ", ".join(self.allowed_methods)})

    def perform_content_negotiation(
        self,
        request: Request,  # noqa: ARG002  (DRF's signature)
        force: bool = False,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        """Answers are JSON whatever `Accept` says."""
        return JSONRenderer(), JSONRenderer.media_type

    def get_authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return CHALLENGE

    def get_exception_handler(self) -> Callable[..., HttpResponse | None]:
        return errors.respond

    def _handler(self, method: str) -> Handler:
        if method not in self.allowed_methods:
            raise MethodNotAllowed(method)
        handler: Handler = getattr(self, method.lower())
        return handler


def _tell_age(response: HttpResponseBase) -> None:
    """Say for how long nobody has known this to be true (RFC 9111, 5.1)."""
    age = services.stale_for()
    if age > FRESH:
        response.headers["Age"] = str(int(age))
