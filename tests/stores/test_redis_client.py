"""Clients by every kind of URL, and what they say of a Redis that does not serve."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.asyncio import Redis
from redis.asyncio.sentinel import SentinelConnectionPool

from gossip.stores.redis_client import ViewUnavailable, answering, layer_host, open_redis
from tests.support.certificate import certified
from tests.support.ports import free_port
from tests.support.valkey import Valkey, replicated, valkey

GENEROUS = 20
"""Seconds for what is over in two."""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey(password="pass:word") as running:
        yield running


def with_password(url: str) -> str:
    """The URL of a server, with the password that it wants."""
    return url.replace("://", "://:pass%3Aword@", 1)


async def ping(url: str) -> bool:
    async with open_redis(url) as redis, answering():
        return await redis.ping()


async def complaint(url: str) -> str:
    with pytest.raises(ViewUnavailable) as caught:
        await ping(url)
    return str(caught.value)


@asynccontextmanager
async def tls_before(port: int, certificate: Path) -> AsyncIterator[int]:
    """The port of a server that speaks TLS and passes on what it is told to this port.

    The Valkey of the wheel is built without TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError):
            await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context) as front:
        yield front.sockets[0].getsockname()[1]


async def test_by_a_socket_file_and_by_tcp(server: Valkey) -> None:
    assert await ping(with_password(server.url))
    assert await ping(with_password(server.tcp_url))
    assert await ping(f"{server.url}?password=pass%3Aword")


async def test_the_database_is_the_one_of_the_url(server: Valkey) -> None:
    for url in (with_password(server.url) + "?db=3", with_password(server.tcp_url) + "/3"):
        async with open_redis(url) as redis:
            assert (await redis.client_info())["db"] == 3


async def test_a_wrong_password_is_told_and_not_repeated(server: Valkey) -> None:
    line = await complaint(server.tcp_url.replace("://", "://:wrong@", 1))
    assert "invalid username-password pair" in line
    assert "wrong" not in line.replace("WRONGPASS", "")


async def test_tls_asks_for_a_certificate_that_is_trusted(server: Valkey, tmp_path: Path) -> None:
    certificate = certified("localhost", tmp_path)
    async with tls_before(server.port, certificate) as port:
        url = f"rediss://:pass%3Aword@localhost:{port}"
        assert "CERTIFICATE_VERIFY_FAILED" in await complaint(url)
        assert await ping(f"{url}?ssl_ca_certs={certificate}")
        assert await ping(f"{url}?ssl_cert_reqs=none")


async def test_tls_asks_for_the_name_in_the_url(server: Valkey, tmp_path: Path) -> None:
    certificate = certified("other.invalid", tmp_path)
    async with tls_before(server.port, certificate) as port:
        url = f"rediss://:pass%3Aword@localhost:{port}?ssl_ca_certs={certificate}"
        assert "Hostname mismatch" in await complaint(url)
        assert await ping(f"{url}&ssl_check_hostname=false")


async def test_a_layer_of_channels_takes_the_same_urls(server: Valkey, tmp_path: Path) -> None:
    certificate = certified("localhost", tmp_path)
    async with tls_before(server.port, certificate) as port:
        for url in (
            with_password(server.url),
            with_password(server.tcp_url),
            f"rediss://:pass%3Aword@localhost:{port}?ssl_ca_certs={certificate}",
        ):
            assert await echo(url) == {"type": "echo"}


async def echo(url: str) -> object:
    """What comes back of a message on a layer at this URL."""
    layer = RedisPubSubChannelLayer(hosts=[layer_host(url)], prefix="test")
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "echo"})
    message: object = await layer.receive(channel)
    pools = [shard._redis.connection_pool for shard in layer._shards]
    await layer.flush()
    for pool in pools:
        # A layer never closes its connections to Sentinels.
        if isinstance(pool, SentinelConnectionPool):
            await pool.sentinel_manager.aclose()
    return message


async def test_a_dead_peer_is_noticed_by_the_kernel(server: Valkey) -> None:
    async with open_redis(with_password(server.tcp_url)) as redis:
        connection = await redis.connection_pool.get_connection()
        end: socket.socket = connection._writer.get_extra_info("socket")
        assert end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 5_000
        await redis.connection_pool.release(connection)


async def test_nobody_there() -> None:
    port = free_port()
    assert f"127.0.0.1:{port}" in await complaint(f"redis://127.0.0.1:{port}")
    assert "/no/such.sock" in await complaint("unix:///no/such.sock")


async def test_a_server_that_hangs_is_given_up(server: Valkey) -> None:
    async with open_redis(with_password(server.tcp_url)) as redis:
        async with answering():
            await redis.ping()
        with server.paused():
            # Both over the connection that there is, and over a new one.
            for _ in range(2):
                with pytest.raises(ViewUnavailable, match="Timeout"):
                    async with asyncio.timeout(GENEROUS), answering():
                        await redis.ping()
        async with answering():
            assert await redis.ping()


async def test_what_takes_too_long_in_all_is_given_up() -> None:
    with pytest.raises(ViewUnavailable, match="did not answer within 2 seconds"):
        async with asyncio.timeout(GENEROUS), answering():
            await asyncio.Event().wait()


async def test_a_server_that_restarted_is_found_again() -> None:
    with valkey() as server:
        async with open_redis(server.url) as redis:
            async with answering():
                await redis.ping()
            server.kill()
            with pytest.raises(ViewUnavailable):
                async with answering():
                    await redis.ping()
            server.start()
            async with answering():
                assert await redis.ping()


async def test_sentinels_name_the_server_and_its_successor(
    tmp_path: Path,
) -> None:
    nobody = free_port()
    with replicated(tmp_path, "secret") as (master, replica, sentinel):
        url = f"redis+sentinel://:secret@127.0.0.1:{nobody},127.0.0.1:{sentinel.port}/main/2"
        assert await echo(url) == {"type": "echo"}
        async with open_redis(url) as redis:
            assert await port_of(redis) == master.port
            master.kill()
            assert await port_of(redis) is None
            async with asyncio.timeout(GENEROUS):
                while await port_of(redis) != replica.port:
                    await asyncio.sleep(0.05)


async def port_of(redis: Redis) -> int | None:
    """Of the server that a client finds."""
    with suppress(ViewUnavailable):
        async with answering():
            return int((await redis.config_get("port"))["port"] or 0)
    return None
