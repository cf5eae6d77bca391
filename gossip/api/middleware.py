"""The short stack in front of every view: whose name we answer to, and which pages may read us.

Both are coroutines, so that no request hops to a thread for them.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from gossip.api.responses import empty, failure

GetResponse: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

ANY_NAME = frozenset({"/healthz", "/readyz", "/ws"})
"""Paths that peers and orchestrators reach by names that we cannot know."""
HEALTH = "/gossip/health"
"""Likewise, for reading."""

METHODS = "GET, HEAD, POST, PUT, DELETE"
HEADERS = "Authorization, Content-Type, If-Match, If-None-Match"
PREFLIGHT_AGE = "600"
"""Seconds for which a browser may remember a preflight. Chrome's upper bound is 7200."""


class _Middleware(ABC):
    sync_capable = False
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        markcoroutinefunction(self)

    @abstractmethod
    async def __call__(self, request: HttpRequest) -> HttpResponseBase: ...


class HostCheck(_Middleware):
    """Refuses a `Host` that is not ours: DNS rebinding turns a browser into a local client."""

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        self._allowed = settings.GOSSIP.allowed_hosts

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        host = request.META.get("HTTP_HOST", "")
        domain, _port = split_domain_port(host)
        if (domain and validate_host(domain, self._allowed)) or _reached_by_any_name(request):
            return await self.get_response(request)
        return failure(400, f"Host '{host}' is not ours: name it in GOSSIP_ALLOWED_HOSTS")


class Cors(_Middleware):
    """Lets pages of `GOSSIP_CORS_ORIGINS` read our answers. Without any it steps aside."""

    def __init__(self, get_response: GetResponse) -> None:
        super().__init__(get_response)
        self._origins: frozenset[str] = settings.GOSSIP.cors_origins
        if not self._origins:
            raise MiddlewareNotUsed

    async def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = empty(204, {})
        else:
            response = await self.get_response(request)
        patch_vary_headers(response, ("Origin",))
        for name, value in self._permissions(request).items():
            response[name] = value
        return response

    def _permissions(self, request: HttpRequest) -> Mapping[str, str]:
        origin = request.headers.get("Origin", "")
        if origin not in self._origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": HEADERS,
            "Access-Control-Expose-Headers": "Age, ETag, Retry-After",
            "Access-Control-Max-Age": PREFLIGHT_AGE,
        }


def _reached_by_any_name(request: HttpRequest) -> bool:
    path = request.path_info.removesuffix("/")
    return path in ANY_NAME or (path == HEALTH and request.method in {"GET", "HEAD"})
