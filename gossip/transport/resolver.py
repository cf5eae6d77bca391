"""Which addresses of a name may be connected to (L4).

Whoever connects does so to an address, never to the name: a second look-up could give another.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import NamedTuple

from gossip.core.addresses import forbidden
from gossip.kinds import HostRule

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Candidates(NamedTuple):
    """The addresses of a name, in the resolver's order."""

    admitted: list[Address]
    refusals: list[str]
    """Why each of the others is not, or why the name has none."""


class Resolver:
    """Looks names up, and admits what L4 and the operator's lists admit.

    `allow` admits everything when it is empty; `deny` wins over it.
    """

    def __init__(self, allow: Iterable[HostRule] = (), deny: Iterable[HostRule] = ()) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)

    async def __call__(self, host: str, port: int, *, loopback_allowed: bool) -> Candidates:
        """Resolve a host name in lower case, or an address."""
        try:
            addresses = await _look_up(host, port)
        except (OSError, UnicodeError) as error:
            return Candidates([], [f"{host}: {error}"])
        candidates = Candidates([], [])
        for address in addresses:
            reason = self._refusal(host, address, loopback_allowed=loopback_allowed)
            if reason is None:
                candidates.admitted.append(address)
            else:
                candidates.refusals.append(f"{address}: {reason}")
        return candidates

    def _refusal(self, host: str, address: Address, *, loopback_allowed: bool) -> str | None:
        reason = forbidden(str(address), loopback_allowed=loopback_allowed)
        if reason is not None:
            return f"forbidden ({reason})"
        if _matches(self._deny, host, address):
            return "in GOSSIP_DIAL_DENY"
        if self._allow and not _matches(self._allow, host, address):
            return "not in GOSSIP_DIAL_ALLOW"
        return None


async def _look_up(host: str, port: int) -> list[Address]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A scope id, as in fe80::1%eth0, is only for link-local addresses, which are forbidden.
    names = dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found)
    return [ipaddress.ip_address(name) for name in names]


def _matches(rules: Iterable[HostRule], host: str, address: Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    real = mapped or address
    return any(host == rule if isinstance(rule, str) else real in rule for rule in rules)
