"""Who may write.

With `GOSSIP_API_TOKENS`, whoever has one. Without, this very machine, as long as nothing but this
machine reaches the node: a first try with curl just works, and an exposed node, or one behind a
proxy, is not open to the world. Pages of other sites never, whatever they know.
"""

import hmac
import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from gossip.conf import NodeSettings

CHALLENGE = 'Bearer realm="gossip"'

_FORWARDED = "HTTP_X_FORWARDED_"
_FORWARDING = frozenset({"HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP"})


class WriteAccess(BasePermission):
    """Reading is open; writing is for whom `admit` lets through."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002
        if request.method not in SAFE_METHODS:
            admit(request._request, settings.GOSSIP)  # noqa: SLF001  (DRF's name for it)
        return True


def admit(request: HttpRequest, node: NodeSettings) -> None:
    """Return if this request may write, else raise; the text says which variable to set.

    Raises `NotAuthenticated` or `PermissionDenied`.
    """
    origin = request.headers.get("Origin")
    if origin is not None and not _is_ours(origin, request, node):
        raise PermissionDenied(f"Pages of {origin} may not write: see GOSSIP_CORS_ORIGINS")
    if node.api_tokens:
        if not _has_token(request, node.api_tokens):
            raise NotAuthenticated("Writing needs a bearer token of GOSSIP_API_TOKENS")
    elif not node.bound_to_loopback:
        raise PermissionDenied(
            "This node is reachable from other machines (HOST, PUBLIC_URL, GOSSIP_PUBLIC_URL):"
            " set GOSSIP_API_TOKENS to write"
        )
    elif not _is_loopback(request.META.get("REMOTE_ADDR", "")):
        raise PermissionDenied("Only this machine may write: set GOSSIP_API_TOKENS for others")
    elif _is_forwarded(request):
        raise PermissionDenied("This came through a proxy: set GOSSIP_API_TOKENS to write")


def _is_ours(origin: str, request: HttpRequest, node: NodeSettings) -> bool:
    if origin in node.cors_origins or origin == node.public_url:
        return True
    parts = urlsplit(origin)
    # `Host` is one of ours here, or this is no write: HostCheck comes first.
    return parts.scheme == request.scheme and parts.netloc == request.headers.get("Host", "")


def _has_token(request: HttpRequest, tokens: frozenset[str]) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # All are compared, so that the time tells nothing.
    equal = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in tokens]
    return scheme.lower() == "bearer" and any(equal)


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False  # no address at all: a Unix socket, so a proxy
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _is_forwarded(request: HttpRequest) -> bool:
    return any(name in _FORWARDING or name.startswith(_FORWARDED) for name in request.META)
