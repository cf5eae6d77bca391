"""Each row of docs/plain-peer.md about frames, shown by a double."""

import asyncio
import re
import signal
import socket
import struct
import sys
import uuid
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.interop.double.double import Double
from tests.interop.double.settings import Settings
from tests.interop.double.sockets import MAX_FRAME
from tests.interop.double.wire import now_ms
from tests.interop.raw import (
    DEADLINE,
    FAST,
    NOWHERE,
    QUICK_HEARTBEATS,
    QUICK_ROUNDS,
    RawServer,
    about,
    dialed,
    gossip,
    settings,
    until,
)

ENVELOPE = ["type", "from", "data", "timestamp", "ttl", "messageId", "version"]


def me(peer: Double) -> dict[str, Any]:
    """What the double says of itself."""
    return {
        "nodeId": "0xd9d6",
        "publicKey": "0xpub",
        "apiEndpoint": peer.api,
        "gossipEndpoint": peer.url,
        "region": "local",
        "capabilities": ["bls-signing", "message-aggregation"],
        "version": "1.0.0",
        "status": "active",
    }


# The handshake and the frames


async def test_a_server_negotiates_no_compression_and_wants_no_origin() -> None:
    async with Double(settings()) as peer, connect(peer.url, origin=None) as connection:
        assert connection.response is not None
        assert "Sec-WebSocket-Extensions" not in connection.response.headers
        assert connection.subprotocol is None


@pytest.mark.parametrize("path", ["/", "x", "?query"])
async def test_only_one_path_upgrades(path: str) -> None:
    async with Double(settings()) as peer:
        if path == "?query":
            async with dialed(peer, path) as raw:
                await raw.join()
            return
        with pytest.raises(InvalidStatus) as refused:
            async with dialed(peer, path):
                pass
        assert refused.value.response.status_code == 400


async def test_a_client_offers_compression_and_sends_no_origin() -> None:
    async with RawServer() as server, Double(replace(settings(), bootstrap=(server.url,))):
        request = (await server.socket(0)).connection.request
        assert request is not None
        offered = request.headers["Sec-WebSocket-Extensions"]
        assert offered == "permessage-deflate; client_max_window_bits"
        assert "Origin" not in request.headers


async def test_compression_that_a_server_accepts_works_both_ways() -> None:
    async with RawServer() as server, Double(replace(settings(), bootstrap=(server.url,))) as peer:
        raw = await server.socket(0)
        assert raw.connection.protocol.extensions
        await raw.send("gossip", gossip("k", value="long " * 100))
        await raw.join()
        assert peer.get("k") == "long " * 100


async def test_binary_and_fragmented_json_is_taken() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send_text(b'{"type":"gossip","data":{"key":"k","value":1,"version":1}}')
        parts = ['{"messageId":1,"type":"gossip",', '"data":{"key":"l","value":2,"version":1}}']
        await raw.connection.send(parts)
        assert await raw.came() == []
        assert (peer.get("k"), peer.get("l")) == (1, 2)


async def test_a_frame_above_a_mebibyte_is_taken() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send("gossip", gossip("k", value="x" * 2**20))
        assert await raw.came() == []
        assert peer.get("k") == "x" * 2**20


async def test_a_frame_above_a_hundred_mebibytes_closes() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        header = b"\x81\xff" + struct.pack("!Q", MAX_FRAME + 1) + b"mask"
        raw.connection.transport.write(header)
        assert MAX_FRAME == 104_857_600
        assert await raw.closed() == 1009


async def test_invalid_utf_8_closes() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.connection.send(b"\xff", text=True)
        assert await raw.closed() == 1007


@pytest.mark.parametrize("text", ["{", "[]", "5", "null", '"x"', "{}", '{"type":"x"}', b"\xff"])
async def test_what_is_no_message_is_ignored(text: str | bytes) -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send_text(text)
        assert await raw.came() == []


async def test_the_end_comes_without_a_word() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.join()
        await peer.end()
        assert await raw.closed() == 1006


async def test_without_the_quirk_it_says_goodbye() -> None:
    async with Double(settings(ends_without_leave=False)) as peer, dialed(peer) as raw:
        await raw.join()
        await peer.end()
        goodbye = await raw.next()
        assert (goodbye["type"], goodbye["data"], goodbye["ttl"]) == (
            "leave",
            {"reason": "shutdown"},
            5,
        )
        assert await raw.closed() == 1001


# What it sends


async def test_the_first_frame_on_a_dialed_connection_is_a_join() -> None:
    async with RawServer() as server, Double(replace(settings(), bootstrap=(server.url,))) as peer:
        await until(lambda: server.sockets)
        message = await server.sockets[0].next()
        assert list(message) == ENVELOPE
        assert list(message["data"].items()) == list(me(peer).items())
        assert (message["type"], message["from"], message["ttl"]) == ("join", "0xd9d6", 0)
        assert str(uuid.UUID(message["messageId"])) == message["messageId"]
        assert abs(now_ms() - message["timestamp"]) < 60_000
        assert message["version"] == 0


async def test_a_frame_is_written_like_the_sample() -> None:
    fixed = Settings("0xd9d6", gossip_endpoint="ws://127.0.0.1:17001/ws", timers=QUICK_ROUNDS)
    async with Double(fixed) as peer, dialed(peer) as raw:
        peer.set("wire-a", {"x": 1})
        await raw.send("join", about("0xraw"))
        texts = [str(await raw.connection.recv()) for _ in range(2)]
    sample = (
        r'{"type":"%s","from":"0xd9d6","data":%s,"timestamp":\d{13},"ttl":%d,'
        r'"messageId":"[0-9a-f-]{36}","version":1}'
    )
    entry = r'{"key":"wire-a","value":{"x":1},"version":(\d{13})'
    assert re.fullmatch(sample % ("sync", rf'\[{entry},"timestamp":\1}}\]', 0), texts[0])
    assert re.fullmatch(sample % ("gossip", entry + "}", 5), texts[1])


async def test_a_server_sends_nothing_until_a_join_arrives() -> None:
    async with Double(replace(settings(), timers=FAST)) as peer, dialed(peer) as raw:
        peer.set("k", 1)
        await until(lambda: peer.node.stats.rounds > 3)
        assert (await raw.came(), peer.node.stats.sent.total()) == ([], 1)


async def test_an_unknown_id_gets_the_state_and_a_known_one_nothing() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.join()
        await raw.send("join", about("0xraw"))
        assert await raw.came() == []


async def test_an_empty_state_is_an_empty_array() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send("join", about("0xraw"))
        message = await raw.next()
        assert (message["data"], message["ttl"], list(message)) == ([], 0, ENVELOPE)


async def test_without_the_quirk_a_known_id_gets_the_state_again() -> None:
    async with Double(settings(known_ids_get_no_sync=False)) as peer, dialed(peer) as raw:
        await raw.join()
        await raw.join()


async def test_a_join_is_not_answered_with_a_join() -> None:
    async with (
        Double(settings()) as peer,
        dialed(peer) as raw,
        Double(settings("0xpolite", never_joins_in_answer=False)) as polite,
        dialed(polite) as other,
    ):
        await raw.join()
        await other.send("join", about("0xraw"))
        assert (await other.next())["type"] == "join"
        assert (await other.next())["type"] == "sync"


async def test_a_newcomer_gets_the_others_and_the_others_get_the_newcomer() -> None:
    async with Double(settings()) as peer, dialed(peer) as first, dialed(peer) as second:
        await first.join("0xone", "ws://127.0.0.1:9/one")
        await second.join("0xtwo", "ws://127.0.0.1:9/two")
        discovery, announcement = await second.next(), await first.next()
        assert (discovery["type"], discovery["ttl"]) == ("join", 0)
        assert discovery["data"] == {
            "type": "peer_discovery",
            "peers": [{"id": "0xone", "gossipEndpoint": "ws://127.0.0.1:9/one"}],
        }
        assert (announcement["type"], announcement["ttl"]) == ("join", 1)
        assert announcement["data"] == {
            "type": "peer_announcement",
            "peer": {"id": "0xtwo", "gossipEndpoint": "ws://127.0.0.1:9/two"},
        }


async def test_a_peer_is_mentioned_with_seven_fields() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send("join", me(peer) | {"nodeId": "0xone", "extra": 1}, **{"from": "0xone"})
        await raw.send("join", about("0xtwo"), **{"from": "0xtwo"})
        await raw.next_of("sync")
        await raw.next_of("sync")
        [mentioned] = (await raw.next())["data"]["peers"]
        given = me(peer)
        del given["nodeId"], given["status"]
        assert list(mentioned.items()) == [("id", "0xone"), *given.items()]


async def test_the_join_at_the_end_of_start_up_goes_to_who_is_connected() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.join()
        peer.outgoing.introduce()
        message = await raw.next()
        assert (message["type"], message["ttl"], message["data"]) == ("join", 5, me(peer))


async def test_each_connection_gets_one_key_drawn_for_it() -> None:
    async with Double(replace(settings(), timers=QUICK_ROUNDS)) as peer, dialed(peer) as raw:
        await raw.join()
        for index in range(20):
            peer.set(f"k{index}", index)
        frames = [await raw.next() for _ in range(10)]
        assert {frame["type"] for frame in frames} == {"gossip"}
        assert {frame["ttl"] for frame in frames} == {5}
        assert all(list(frame["data"]) == ["key", "value", "version"] for frame in frames)
        assert len({frame["data"]["key"] for frame in frames}) > 1


async def test_a_round_reaches_no_more_than_fanout() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        for index in range(5):
            await raw.send("join", about("0xraw", f"ws://127.0.0.1:9/{index}"))
        await raw.came()
        assert len(peer.node.connections) == 5
        peer.set("k", 1)
        peer.outgoing.round(now_ms())
        assert peer.node.stats.sent["gossip"] == 3


async def test_a_write_waits_for_the_draw() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.join()
        peer.set("k", 1)
        assert await raw.came() == []
    async with Double(settings(writes_wait_for_the_draw=False)) as peer, dialed(peer) as raw:
        await raw.join()
        peer.set("k", 1)
        assert (await raw.next())["type"] == "gossip"


async def test_heartbeats_go_to_every_mapped_connection() -> None:
    timed = replace(settings(), timers=QUICK_HEARTBEATS)
    async with Double(timed) as peer, dialed(peer) as first, dialed(peer) as second:
        await first.join("0xone", "ws://127.0.0.1:9/one")
        await second.join("0xtwo", "ws://127.0.0.1:9/two")
        for raw in (first, second):
            message = await raw.next_of("heartbeat")
            assert message["ttl"] == 1
            # Two looks at the clock: the second may be a millisecond later.
            assert message["data"].pop("timestamp") <= message["timestamp"]
            assert message["data"] == {"status": "active", "version": 0}


# As a process


async def test_it_runs_by_hand() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.interop.double", "--node-id", "0xhand"),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE):
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode().split()
        async with connect(line[2]) as connection:
            process.send_signal(signal.SIGTERM)
            await connection.wait_closed()
            assert connection.close_code == 1006
        assert (line[0], await process.wait()) == ("0xhand", 0)


async def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            async with Double(Settings("0x1", port=taken.getsockname()[1])):
                pass


async def test_nothing_is_left_over() -> None:
    async with RawServer() as server:
        before = asyncio.all_tasks()
        async with Double(replace(settings(), bootstrap=(server.url, NOWHERE))) as peer:
            await (await server.socket(0)).join()
            assert asyncio.all_tasks() > before
        await until(lambda: asyncio.all_tasks() <= before)
        assert peer.open_sockets == 0
