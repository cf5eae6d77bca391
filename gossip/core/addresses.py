"""Which endpoints and addresses a node may dial, however it heard of them (W9, L4)."""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from gossip.core.config import Limits

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

# Cloud metadata services that are not link-local: AWS and others over IPv6, Alibaba, Oracle.
_METADATA = frozenset(
    ipaddress.ip_address(address) for address in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192")
)


# White space, what a URL may not hold, and what parsers disagree about; `@` ends credentials.
_unsafe = re.compile(r'[\x00-\x20"\\<>^`{|}@\x7f]').search


def gossip_url(text: object, limits: Limits) -> str | None:
    """Return a dialable gossip endpoint as it is, or None: `ws`/`wss`, a host, a path ending in
    `/ws`, no credentials, query or fragment, nothing that a URL parser could read in two ways.
    """
    parts = _split(text, limits)
    if parts is None or parts.scheme not in ("ws", "wss") or not parts.path.endswith("/ws"):
        return None
    return str(text)


def api_url(text: object, limits: Limits) -> str | None:
    """Return an HTTP origin (with an optional path prefix) as it is, or None."""
    parts = _split(text, limits)
    return None if parts is None or parts.scheme not in ("http", "https") else str(text)


def http_origin(url: str) -> str:
    """The HTTP origin of the host and port of a gossip endpoint: plain peers serve both there."""
    parts = urlsplit(url)
    return f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"


def same_host(one: str, other: str) -> bool:
    """Whether two URLs name the same host."""
    return urlsplit(one).hostname == urlsplit(other).hostname


def forbidden(address: str, *, loopback_allowed: bool) -> str | None:
    """Why this IP address must not be dialed; None if it may be (L4).

    IPv4 addresses wrapped in IPv6 are judged as what they are.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    wrapped = ip.ipv4_mapped or ip.sixtofour if isinstance(ip, ipaddress.IPv6Address) else None
    ip = wrapped or ip
    if ip in _METADATA:
        return "metadata"
    if ip.is_link_local:
        return "link-local"
    if ip.is_multicast or ip.is_unspecified or ip == ipaddress.ip_address("255.255.255.255"):
        return "not-unicast"
    if ip.is_loopback and not loopback_allowed:
        return "loopback"
    return None


@lru_cache(maxsize=4_096)
def names_loopback(url: str) -> bool:
    """Whether the host of this URL is a loopback name or address."""
    host = urlsplit(url).hostname or ""
    if host in _LOOPBACK_NAMES or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: object, limits: Limits) -> SplitResult | None:
    if not isinstance(text, str) or not text.isascii() or len(text) > limits.text:
        return None
    if _unsafe(text):
        return None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or port == 0 or "?" in text or "#" in text:
        return None
    return parts
