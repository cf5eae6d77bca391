"""Links that we dial."""

import asyncio
import errno
from typing import Final
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from gossip.core.effects import Dial
from gossip.runtime.ports import DialRefused, Hub, OpenLink
from gossip.runtime.websocket import MESSAGE_LIMIT, PING_INTERVAL, PING_TIMEOUT, shortened
from gossip.transport.resolver import Address, Resolver

OPEN_TIMEOUT: Final = 5.0
"""Seconds for name, connection and handshake together (W1)."""
CLOSE_TIMEOUT: Final = 1.5
"""Seconds for the peer to return a close frame (`Wire.close` has two in all)."""

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}


class WebsocketDialer:
    """Opens WebSocket connections to the addresses that the resolver admits."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

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
        found = await self._resolver(host, port, loopback_allowed=dial.loopback_allowed)
        failures = [DialRefused(reason) for reason in found.refusals]
        for address in found.admitted:
            try:
                return await _connect(dial.url, str(address), port), address
            except DialRefused as failure:
                failures.append(failure)
        everywhere = all(failure.refused for failure in failures)
        raise DialRefused("; ".join(map(str, failures)), refused=everywhere)


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
                await self._connection.close(code, shortened(reason))
        except TimeoutError:
            self._connection.transport.abort()


class _Connect(connect):
    """A connection attempt that follows no redirect: where it leads was not checked (L4)."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


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
            if not link.received(await connection.recv()):
                await link.room()
    except ConnectionClosed as closed:
        frame = closed.rcvd or closed.sent
        code = None if frame is None else frame.code
    finally:
        # Also when we are cancelled, with the connection still open.
        connection.transport.abort()
        link.closed(code)
