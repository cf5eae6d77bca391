"""Links that we dial."""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from gossip.core.addresses import forbidden
from gossip.core.effects import Dial
from gossip.kinds import HostRule
from gossip.runtime.ports import DialRefused, Hub, OpenLink

OPEN_TIMEOUT: Final = 5.0
"""Seconds for name, connection and handshake together."""
CLOSE_TIMEOUT: Final = 1.5
"""Seconds for the peer to return a close frame (`Wire.close` has two in all)."""
PING_INTERVAL: Final = 20.0
"""Seconds between pings of a socket that we dialed (L3)."""
PING_TIMEOUT: Final = 20.0
"""Seconds to answer one; then the socket is dropped."""
MESSAGE_LIMIT: Final = 16_777_216
"""Bytes of an incoming message: the whole state of a plain peer is one (W1)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


class WebsocketDialer:
    """Opens WebSocket connections to the addresses that L4 and the operator's lists admit.

    `allow` admits everything when it is empty; `deny` wins over it.
    """

    def __init__(self, allow: Iterable[HostRule] = (), deny: Iterable[HostRule] = ()) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)

    async def __call__(self, dial: Dial, hub: Hub) -> None:
        """Connect, introduce the connection to the hub and serve it until it closes.

        Raises `DialRefused` instead of introducing it; nothing after that.
        """
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                connection, address = await self._open(dial)
        except TimeoutError as error:
            raise DialRefused("timed out") from error
        wire = DialedWire(connection)
        link = hub.opened(wire, dialed=dial.url, remote_is_loopback=address.is_loopback)
        await _serve(link, connection)

    async def _open(self, dial: Dial) -> tuple[ClientConnection, Address]:
        parts = urlsplit(dial.url)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
        refusals: list[DialRefused] = []
        for address in await _resolve(host, port):
            try:
                self._check(host, address, loopback_allowed=dial.loopback_allowed)
                return await _connect(dial.url, str(address), port), address
            except DialRefused as refusal:
                refusals.append(refusal)
        everywhere = all(refusal.refused for refusal in refusals)
        raise DialRefused("; ".join(map(str, refusals)), refused=everywhere)

    def _check(self, host: str, address: Address, *, loopback_allowed: bool) -> None:
        reason = forbidden(str(address), loopback_allowed=loopback_allowed)
        if reason is not None:
            raise DialRefused(f"{address}: forbidden ({reason})")
        if _matches(self._deny, host, address):
            raise DialRefused(f"{address}: in GOSSIP_DIAL_DENY")
        if self._allow and not _matches(self._allow, host, address):
            raise DialRefused(f"{address}: not in GOSSIP_DIAL_ALLOW")


class DialedWire:
    """The sending half of a dialed connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, frame: str) -> None:
        """Send one text frame. Waits while the peer does not read. Does nothing once closed."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed:
            # The link hears of it from the receiving half.
            return

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame, behind what was sent, and release the socket within two seconds."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._connection.close(code, _shortened(reason))
        except TimeoutError:
            self._connection.transport.abort()


class _Connect(connect):
    """A connection attempt that follows no redirect: where it leads was not checked (L4)."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def _resolve(host: str, port: int) -> list[Address]:
    """All addresses of a name, in the resolver's order."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DialRefused(f"{host}: {error}") from error
    # A scope id, as in fe80::1%eth0, is only for link-local addresses, which are forbidden.
    names = dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found)
    return [ipaddress.ip_address(name) for name in names]


async def _connect(url: str, address: str, port: int) -> ClientConnection:
    """Connect to exactly this address. The URL says the rest: TLS name, `Host`, path."""
    try:
        return await _Connect(
            url,
            host=address,
            port=port,
            proxy=None,
            compression=None,
            user_agent_header=None,
            max_size=MESSAGE_LIMIT,
            open_timeout=None,
            close_timeout=CLOSE_TIMEOUT,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
        )
    except OSError as error:
        refused = error.errno == errno.ECONNREFUSED
        raise DialRefused(f"{address}: {error.strerror or error}", refused=refused) from error
    except InvalidHandshake as error:
        raise DialRefused(f"{address}: {error}") from error


async def _serve(link: OpenLink, connection: ClientConnection) -> None:
    code: int | None = None
    try:
        while True:
            await link.received(await connection.recv())
    except ConnectionClosed as closed:
        frame = closed.rcvd or closed.sent
        code = None if frame is None else frame.code
    finally:
        # Also when we are cancelled, with the connection still open.
        connection.transport.abort()
        link.closed(code)


def _matches(rules: Iterable[HostRule], host: str, address: Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    real = mapped or address
    return any(host == rule if isinstance(rule, str) else real in rule for rule in rules)


def _shortened(reason: str) -> str:
    """A close frame has room for 123 bytes, and they must be whole characters."""
    return reason.encode()[:123].decode(errors="ignore")
