"""The fetcher against a real server."""

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Callable

import pytest

from gossip.core.effects import Fetch
from gossip.kinds import HostRule
from gossip.runtime.ports import FetchRefused
from gossip.transport.fetcher import READ_SIZE, HttpFetcher
from gossip.transport.resolver import Candidates, Resolver
from tests.support.http_peer import answer, chunked, chunks, http_peer, sized
from tests.support.ports import free_port
from tests.support.runtime import until

BODY = b'{"data":{}}'
CHUNKED = "Transfer-Encoding: chunked"
MOST = 1_000


class Pinned(Resolver):
    """Says where every name leads."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self._addresses = [ipaddress.ip_address(address) for address in addresses]

    async def __call__(self, host: str, port: int, *, loopback_allowed: bool) -> Candidates:
        return Candidates(list(self._addresses), [])


def fetch(port: int, host: str = "127.0.0.1", *, loopback_allowed: bool = True) -> Fetch:
    return Fetch(f"http://{host}:{port}/gossip/state", loopback_allowed, MOST)


async def refusal(effect: Fetch, fetcher: HttpFetcher | None = None) -> str:
    with pytest.raises(FetchRefused) as refused:
        await (fetcher or HttpFetcher(Resolver()))(effect)
    return str(refused.value)


@pytest.mark.parametrize(
    "said",
    [
        sized(BODY),
        chunked(BODY[:3], BODY[3:]),
        answer(BODY),
        answer(BODY, media_type="Application/JSON; charset=utf-8"),
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + sized(BODY),
        sized(BODY).replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["sized", "chunked", "closed", "charset", "informed", "old"],
)
async def test_a_body_is_read_to_its_end(said: bytes) -> None:
    async with http_peer(said) as peer:
        assert await HttpFetcher(Resolver())(fetch(peer.port)) == BODY


async def test_a_peer_that_keeps_the_connection_is_left() -> None:
    async with http_peer(sized(BODY), stays=True) as peer:
        assert await HttpFetcher(Resolver())(fetch(peer.port)) == BODY
        await asyncio.wait_for(peer.gone.wait(), 5)


async def test_the_request_says_what_the_url_says_and_no_more() -> None:
    async with http_peer(sized(BODY)) as peer:
        await HttpFetcher(Resolver())(fetch(peer.port, "localhost"))
    [request] = peer.requests
    assert request.decode().splitlines() == [
        "GET /gossip/state HTTP/1.1",
        f"Host: localhost:{peer.port}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "Connection: close",
        "",
    ]


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    async with http_peer(sized(BODY)) as peer:
        fetcher = HttpFetcher(Pinned("127.0.0.1"))
        assert await fetcher(fetch(peer.port, "peer.invalid")) == BODY
    assert f"\r\nHost: peer.invalid:{peer.port}\r\n".encode() in peer.requests[0]


async def test_the_next_address_is_tried_where_nobody_listens() -> None:
    async with http_peer(sized(BODY)) as peer:
        fetcher = HttpFetcher(Pinned("::1", "127.0.0.1"))
        assert await fetcher(fetch(peer.port, "peer.invalid")) == BODY


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    async with http_peer(sized(BODY)) as peer:
        assert await HttpFetcher(Resolver())(fetch(peer.port)) == BODY


@pytest.mark.parametrize("status", ["204 No Content", "404 Not Found", "500 Oops", "206 Partial"])
async def test_any_other_status_is_refused(status: str) -> None:
    async with http_peer(answer(b"", status=status)) as peer:
        assert await refusal(fetch(peer.port)) == f"status {status[:3]}"


async def test_no_redirect_is_followed() -> None:
    async with http_peer(answer(b"", "Location: /elsewhere", status="302 Found")) as peer:
        assert await refusal(fetch(peer.port)) == "status 302"
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (answer(BODY, media_type="text/html"), "not JSON"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, "not JSON"),
        (answer(BODY, "Content-Encoding: gzip"), "packed"),
        (b"", "not HTTP"),
        (b"220 mail.example ESMTP\r\n\r\n", "not HTTP"),
        (sized(BODY)[:-1], "not HTTP"),
        (answer(chunks(BODY), CHUNKED), "not HTTP"),
        (answer(b"xyz\r\n", CHUNKED), "not HTTP"),
        (answer(BODY, "Content-Length: -1"), "not HTTP"),
        (answer(b"", "Connection: upgrade", status="101 Switching Protocols"), "not HTTP"),
        (answer(BODY, "X: " + "x" * 1_000_000), "not HTTP"),
    ],
    ids=[
        *("html", "untyped", "packed", "silent", "mail", "cut", "cut-chunk", "bad-chunk"),
        *("bad-length", "switching", "large-head"),
    ],
)
async def test_what_is_no_whole_json_answer_is_refused(said: bytes, reason: str) -> None:
    async with http_peer(said) as peer:
        assert (await refusal(fetch(peer.port))).startswith(reason)


@pytest.mark.parametrize("frame", [sized, chunked, answer])
async def test_a_body_may_be_as_large_as_asked_for_and_no_larger(
    frame: Callable[[bytes], bytes],
) -> None:
    async with http_peer(frame(b"x" * MOST)) as peer:
        assert await HttpFetcher(Resolver())(fetch(peer.port)) == b"x" * MOST
    async with http_peer(frame(b"x" * (MOST + 1))) as peer:
        assert await refusal(fetch(peer.port)) == f"over {MOST} bytes"


async def test_an_announced_size_is_refused_before_the_body() -> None:
    head = answer(b"", f"Content-Length: {MOST + 1}")
    async with http_peer(head, stays=True) as peer:
        assert await refusal(fetch(peer.port)) == f"over {MOST} bytes"
        await asyncio.wait_for(peer.gone.wait(), 5)


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (answer(b"", CHUNKED), chunks(b"x" * 100)),
        (answer(b""), b"x" * 100),
    ],
    ids=["chunked", "closed"],
)
async def test_an_endless_body_is_broken_off(head: bytes, endless: bytes) -> None:
    async with http_peer(head, endless=endless) as peer:
        assert await refusal(fetch(peer.port)) == f"over {MOST} bytes"
        await asyncio.wait_for(peer.gone.wait(), 5)


@pytest.mark.parametrize(
    ("said", "endless"),
    [
        (b"", b""),
        (sized(BODY)[:-1], b""),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ],
    ids=["nothing", "not-all", "hints"],
)
async def test_a_peer_that_takes_too_long_is_left(said: bytes, endless: bytes) -> None:
    async with http_peer(said, stays=True, endless=endless) as peer:
        fetcher = HttpFetcher(Resolver(), timeout=0.1)
        assert await refusal(fetch(peer.port), fetcher) == "timed out"
        await asyncio.wait_for(peer.gone.wait(), 5)


async def test_a_peer_that_resets_the_connection_is_refused() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        # Not to linger at all makes a close into a reset.
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await refusal(fetch(port))).startswith("broke off: ")


async def test_a_cancelled_fetch_closes_its_connection() -> None:
    async with http_peer(b"", stays=True) as peer:
        fetching = asyncio.ensure_future(HttpFetcher(Resolver())(fetch(peer.port)))
        await until(lambda: peer.requests)
        fetching.cancel()
        await asyncio.wait([fetching])
        assert fetching.cancelled()
        await asyncio.wait_for(peer.gone.wait(), 5)


async def test_a_body_in_many_pieces_lets_others_run() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    pieces = [b"x"] * 30_000
    async with http_peer(chunked(*pieces)) as peer:
        counting = asyncio.create_task(count())
        effect = Fetch(f"http://127.0.0.1:{peer.port}/", loopback_allowed=True, most=len(pieces))
        assert len(await HttpFetcher(Resolver())(effect)) == len(pieces)
        counting.cancel()
    assert turns > len(chunks(*pieces)) / READ_SIZE


async def test_nobody_there_is_told() -> None:
    assert "127.0.0.1: " in await refusal(fetch(free_port()))


@pytest.mark.parametrize(
    ("loopback_allowed", "deny", "reason"),
    [(False, [], "loopback"), (True, ["localhost"], "GOSSIP_DIAL_DENY")],
)
async def test_what_the_resolver_refuses_is_not_asked(
    loopback_allowed: bool, deny: list[HostRule], reason: str
) -> None:
    async with http_peer(sized(BODY)) as peer:
        effect = fetch(peer.port, "localhost", loopback_allowed=loopback_allowed)
        assert reason in await refusal(effect, HttpFetcher(Resolver(deny=deny)))
    assert peer.requests == []
