"""Who may write.

With `GOSSIP_API_TOKENS`, whoever has one. Without, this very machine, as long as nothing but this
machine reaches the node: a first try with curl just works, and an exposed node, or one behind a
proxy, is not open to the world. Pages of other sites never, whatever they know.
"""

import hmac
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from gossip.conf import NodeSettings
from gossip.loopback import is_forwarded, is_loopback_address

CHALLENGE = 'Bearer realm="gossip"'


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
    elif not (node.binds_itself or node.host_given):
        raise PermissionDenied(
            "This server does not tell where it listens: set HOST to the address that it binds,"
            " or GOSSIP_API_TOKENS to write"
        )
    elif not node.bound_to_loopback:
        raise PermissionDenied(
            "This node is reachable from other machines (HOST, PUBLIC_URL, GOSSIP_PUBLIC_URL):"
            " set GOSSIP_API_TOKENS to write"
        )
    elif not is_loopback_address(request.META.get("REMOTE_ADDR", "")):
        raise PermissionDenied("Only this machine may write: set GOSSIP_API_TOKENS for others")
    elif is_forwarded(request.headers):
        raise PermissionDenied("This came through a proxy: set GOSSIP_API_TOKENS to write")


def _is_ours(origin: str, request: HttpRequest, node: NodeSettings) -> bool:
    if origin in node.cors_origins or origin == node.public_url:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # `Host` is one of ours here, or this is no write: HostCheck comes first.
    return parts.scheme == request.scheme and parts.netloc == request.headers.get("Host", "")


def _has_token(request: HttpRequest, tokens: frozenset[str]) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # All are compared, so that the time tells nothing.
    equal = [hmac.compare_digest(given.strip().encode(), token.encode()) for token in tokens]
    return scheme.lower() == "bearer" and any(equal)
