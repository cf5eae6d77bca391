"""Clients of the Redis that the processes of one node share.

Every call ends soon, whatever has become of Redis: nothing is tried again in here. Whoever calls
knows better what to do meanwhile, and what has changed by the time Redis answers.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis, SSLConnection
from redis.asyncio.connection import Connection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gossip.redis_url import RedisUrl, parse_redis_url
from gossip.runtime.ports import Unavailable

CONNECT: Final = 1.0
"""Seconds for a connection to be made."""
ANSWER: Final = 1.0
"""Seconds for the answer to one command."""
FIND: Final = 0.4
"""Seconds for a Sentinel to connect, and again to answer: two may be gone, and a third is asked."""
CALL: Final = 2.0
"""Seconds for a call and whatever it needs, within the term of the lease that a call renews."""
SILENT: Final = 5
"""Seconds after which the kernel gives up a connection to a machine that is gone. A subscriber
sends nothing, and would never notice."""


class ViewUnavailable(Unavailable):
    """Redis does not answer, or what it holds is not complete. The text is for people."""


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Calls of a client, which have `CALL` seconds in all.

    Raises `ViewUnavailable` when one fails. A command that was sent may have been carried out, or
    still be: a server that was stopped reads on from connections that we closed meanwhile.
    """
    try:
        async with asyncio.timeout(CALL):
            yield
    except TimeoutError as error:
        raise ViewUnavailable(f"Redis did not answer within {CALL:g} seconds") from error
    except RedisError as error:
        raise ViewUnavailable(f"Redis: {str(error) or type(error).__name__}") from error


class Script:
    """A script of one client, which is sent in full only to a Redis that does not know it."""

    def __init__(self, redis: Redis, source: str) -> None:
        self._run = redis.register_script(source)

    async def __call__(self, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        """What it returns. Raises `ViewUnavailable`, as `answering` does."""
        async with answering():
            return await self._run(keys=keys, args=arguments)


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """A client for this event loop. It connects when it is used, and is closed in the end."""
    options = layer_host(url)
    if "master_name" not in options:
        async with _closing(Redis.from_pool(ConnectionPool(**options))) as client:
            yield client
        return
    service, sentinels = options.pop("master_name"), options.pop("sentinels")
    async with Sentinel(sentinels, sentinel_kwargs=options.pop("sentinel_kwargs")) as sentinel:
        pool = SentinelConnectionPool(service, sentinel, **options)
        async with _closing(Redis.from_pool(pool)) as client:
            yield client


def layer_host(url: str) -> dict[str, Any]:
    """The same as an item of `hosts` for a layer of channels-redis."""
    parsed = parse_redis_url(url)
    options: dict[str, Any] = {
        "db": parsed.db,
        "username": parsed.username,
        "password": parsed.password,
        **_timeouts(CONNECT, ANSWER),
    }
    if parsed.path is not None:
        return options | {"connection_class": UnixDomainSocketConnection, "path": parsed.path}
    options |= _keepalive()
    if parsed.service is not None:
        return options | _tls(parsed) | _sentinels(parsed, parsed.service)
    host, port = parsed.hosts[0]
    options |= {"host": host, "port": port}
    if parsed.tls is None:
        return options | {"connection_class": Connection}
    return options | {"connection_class": SSLConnection, **parsed.tls}


@asynccontextmanager
async def _closing(client: Redis) -> AsyncIterator[Redis]:
    try:
        yield client
    finally:
        # A server that hangs does not take leave, as TLS asks it to; closed it is all the same.
        with suppress(RedisError):
            await client.aclose()


def _sentinels(url: RedisUrl, service: str) -> dict[str, Any]:
    return {
        "master_name": service,
        "sentinels": list(url.hosts),
        "sentinel_kwargs": {
            "username": url.sentinel_username,
            "password": url.sentinel_password,
            **_timeouts(FIND, FIND),
            **_tls(url),
            # The default is to try ten times.
            "retry": Retry(NoBackoff(), 0),
        },
    }


def _tls(url: RedisUrl) -> dict[str, Any]:
    return {} if url.tls is None else {"ssl": True, **url.tls}


def _timeouts(connect: float, answer: float) -> dict[str, Any]:
    return {
        "socket_connect_timeout": connect,
        "socket_timeout": answer,
        # Nothing of the third version is used here, and it costs a connection two round trips.
        "protocol": 2,
    }


def _keepalive() -> dict[str, Any]:
    wanted = {
        "TCP_KEEPIDLE": SILENT - 2,
        "TCP_KEEPINTVL": 1,
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": SILENT * 1000,
    }
    known = {
        getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)
    }
    return {"socket_keepalive": True, "socket_keepalive_options": known}
