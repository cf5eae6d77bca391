"""Whether somebody speaks from this very machine, and for nobody else.

One rule for who may write without a token, and for whose endpoints may name this machine (L4).
"""

import ipaddress
from collections.abc import Iterable

_PREFIX = "x-forwarded-"
_NAMES = frozenset({"forwarded", "via", "x-real-ip"})


def is_loopback(host: str) -> bool:
    """Whether a host name or address, with or without brackets, means this very machine."""
    bare = host.strip("[]").lower()
    return bare == "localhost" or is_loopback_address(bare)


def is_loopback_address(text: str) -> bool:
    """Likewise for an address alone; IPv4 addresses wrapped in IPv6 are judged as what they are.

    What is no address, such as the path of a Unix socket, is not this machine but a proxy.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def is_forwarded(headers: Iterable[str]) -> bool:
    """Whether one of these header names, in any case, is what proxies add for somebody else."""
    names = (name.lower() for name in headers)
    return any(name in _NAMES or name.startswith(_PREFIX) for name in names)
