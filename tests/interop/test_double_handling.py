"""Each row of docs/plain-peer.md about handling: what a double makes of a message."""

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.interop.double.double import Double
from tests.interop.double.javascript import UNDEFINED
from tests.interop.double.wire import now_ms
from tests.interop.raw import (
    QUICK_DIALS,
    QUICK_ROUNDS,
    RawServer,
    RawSocket,
    about,
    dialed,
    gossip,
    settings,
    until,
)

DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000


async def test_a_duplicate_id_is_dropped_across_types() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send("heartbeat", {}, messageId="same")
        await raw.send("gossip", gossip("k"), messageId="same")
        await raw.came()
        assert peer.get("k") is UNDEFINED


@pytest.mark.parametrize(("quirk", "value"), [(True, UNDEFINED), (False, 1)])
async def test_the_id_of_a_bad_message_counts(quirk: bool, value: Any) -> None:
    async with Double(settings(remembers_bad_messages=quirk)) as peer, dialed(peer) as raw:
        await raw.send("nonsense", messageId="same")
        await raw.send("gossip", gossip("k"), messageId="same")
        await raw.came()
        assert peer.get("k") == value


@pytest.mark.parametrize(("quirk", "kept"), [(True, False), (False, True)])
async def test_the_history_believes_the_senders_clock(quirk: bool, kept: bool) -> None:
    small = replace(settings(ages_history_by_sender=quirk), max_message_history=0)
    async with Double(small) as peer, dialed(peer) as raw:
        old = await raw.send("gossip", gossip("k"), timestamp=now_ms() - 61_000)
        await raw.came()
        assert (old["messageId"] in peer.node.history) is kept


async def forwarded(raw: RawSocket, other: RawSocket, ttl: Any, kind: object = "gossip") -> Any:
    """What a mapped connection gets of a message with this `ttl`; None if it stops."""
    sent = await raw.send(kind, gossip("k"), ttl=ttl, mine="kept")
    await raw.send("heartbeat", {}, ttl=1)
    message = await other.next()
    if message["messageId"] != sent["messageId"]:
        return None
    await other.next_of("heartbeat")
    return message


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [(5, 4), (1, 0), (10**9, 999_999_999), (1.5, 0.5), ("7", 6), (True, 0)],
)
async def test_the_ttl_is_counted_as_javascript_does(ttl: Any, expected: float) -> None:
    async with Double(settings()) as peer, dialed(peer) as raw, dialed(peer) as other:
        await other.join()
        message = await forwarded(raw, other, ttl)
        assert message["ttl"] == expected
        assert message["mine"] == "kept"


@pytest.mark.parametrize("ttl", [0, -5, None, False, "x", {}])
async def test_a_message_stops_without_a_positive_ttl(ttl: Any) -> None:
    async with Double(settings()) as peer, dialed(peer) as raw, dialed(peer) as other:
        await other.join()
        assert await forwarded(raw, other, ttl) is None


@pytest.mark.parametrize(("ttl", "expected"), [(10**9, 4), (1, 0)])
async def test_without_the_quirk_the_ttl_is_clamped(ttl: int, expected: int) -> None:
    careful = settings(trusts_ttl=False)
    async with Double(careful) as peer, dialed(peer) as raw, dialed(peer) as other:
        await other.join()
        assert (await forwarded(raw, other, ttl))["ttl"] == expected
        assert await forwarded(raw, other, "7") is None


async def test_a_message_goes_back_to_its_sender_on_another_socket_only() -> None:
    async with Double(settings()) as peer, dialed(peer) as mapped, dialed(peer) as second:
        await mapped.join()
        sent = await second.send("gossip", gossip("k"), ttl=1, **{"from": "0xraw"})
        assert (await mapped.next())["messageId"] == sent["messageId"]
        await mapped.send("gossip", gossip("k"), ttl=1)
        assert await mapped.came() == []


async def test_no_more_than_fanout_get_a_message() -> None:
    async with Double(replace(settings(), fanout=2)) as peer, AsyncExitStack() as stack:
        raw = await stack.enter_async_context(dialed(peer))
        for index in range(4):
            other = await stack.enter_async_context(dialed(peer))
            await other.join(f"0x{index}", f"ws://127.0.0.1:9/{index}")
        await raw.send("gossip", gossip("k"), ttl=1)
        await raw.came()
        assert peer.node.stats.sent["gossip"] == 2


@pytest.mark.parametrize("quirk", [True, False])
async def test_unknown_types_go_on(quirk: bool) -> None:
    plain = settings(forwards_unknown_types=quirk)
    async with Double(plain) as peer, dialed(peer) as raw, dialed(peer) as other:
        await other.join()
        assert (await forwarded(raw, other, 1, "nonsense") is not None) is quirk


async def test_entries_come_by_gossip_and_by_sync_from_anyone() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send("gossip", gossip("a"), **{"from": 5})
        await raw.send("sync", [gossip("b"), gossip("c", version="7"), None, {}])
        await raw.send("sync", gossip("d"))
        await raw.came()
        assert sorted(peer.node.state.entries) == ["a", "b", "c"]


async def test_an_infinite_version_goes_on_as_null() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send_text('{"type":"gossip","data":{"key":"k","value":1,"version":1e999}}')
        await raw.send("join", about("0xraw"))
        assert (await raw.next())["data"][0]["version"] is None


async def test_an_entry_without_value_is_gossiped_without_value() -> None:
    async with Double(replace(settings(), timers=QUICK_ROUNDS)) as peer, dialed(peer) as raw:
        await raw.send("gossip", {"key": "k", "version": 1, "deleted": True})
        await raw.send("join", about("0xraw"))
        await raw.next_of("sync")
        assert (await raw.next_of("gossip"))["data"] == {"key": "k", "version": 1}


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9/ws", "x", "ws://", 5])
async def test_a_direct_join_without_a_websocket_url_is_dropped(endpoint: Any) -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send("join", {"gossipEndpoint": endpoint}, **{"from": "0xbad"})
        assert await raw.came() == []
        assert peer.node.peers.get("0xbad") is None


async def test_its_own_id_is_ignored() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        await raw.send("join", about("0xd9d6"), **{"from": "0xd9d6"})
        assert await raw.came() == []


async def test_ids_of_any_type_are_told_apart() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw:
        for node_id in (5, "5", True):
            await raw.send("join", {}, **{"from": node_id})
            await raw.next_of("sync")
        assert len(peer.node.peers.active()) == 3


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nonsense", "ws://127.0.0.1:99999/ws"])
@pytest.mark.parametrize("shape", ["peer_discovery", "peer_announcement"])
async def test_a_bad_endpoint_kills_and_goes_on_to_the_next(endpoint: str, shape: str) -> None:
    timed = replace(settings(), timers=QUICK_DIALS)
    named = {"id": "0xbad", "gossipEndpoint": endpoint}
    async with RawServer() as server, Double(timed) as peer, dialed(peer) as raw:
        await raw.join(endpoint=server.url)
        victim = await server.socket(0)
        await raw.send("join", {"type": shape, "peer": named, "peers": [named]}, ttl=1)
        assert (await victim.next())["data"]["type"] == shape
        assert await victim.closed() == 1006
        assert peer.died == f"dialed {endpoint!r}"
        with pytest.raises(OSError, match="Connect"):
            await connect(peer.url)


async def test_without_the_quirk_a_bad_endpoint_is_left_alone() -> None:
    timed = replace(settings(dies_of_bad_endpoints=False), timers=QUICK_DIALS)
    names = [{"id": "0xbad", "gossipEndpoint": "http://x"}]
    async with RawServer() as server, Double(timed) as peer, dialed(peer) as raw:
        names.append({"id": "0xgood", "gossipEndpoint": server.url})
        await raw.send("join", {"type": "peer_discovery", "peers": names})
        await server.socket(0)
        assert peer.died is None


@pytest.mark.parametrize("quirk", [True, False])
async def test_a_value_nested_deep_kills(quirk: bool) -> None:
    async with Double(settings(dies_of_deep_values=quirk)) as peer, dialed(peer) as raw:
        await raw.send_text(f'{{"type":"gossip","data":{{"key":"k","version":1,"value":{DEEP}}}}}')
        if quirk:
            assert await raw.closed() == 1006
            assert peer.died == "a value nested too deep"
        else:
            assert await raw.came() == []


async def test_a_heartbeat_revives_whom_it_knows() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw, dialed(peer) as liar:
        await raw.join()
        peer.node.check_liveness(now_ms() + 30_001)
        assert peer.node.peers.active() == []
        await liar.send("heartbeat", {}, **{"from": "0xstranger"})
        await liar.send("heartbeat", {}, **{"from": "0xraw"})
        await until(peer.node.peers.active)
        assert peer.node.peers.get("0xstranger") is None


async def test_anyone_may_say_that_another_left() -> None:
    async with Double(settings()) as peer, dialed(peer) as raw, dialed(peer) as liar:
        await raw.join()
        await liar.send("leave", {"reason": "shutdown"}, **{"from": "0xraw"})
        assert await raw.closed() == 1005
        left = peer.node.peers.get("0xraw")
        assert left is not None
        assert left.status == "inactive"


async def test_without_the_quirk_only_oneself_may() -> None:
    async with Double(settings(believes_from=False)) as peer, dialed(peer) as raw:
        async with dialed(peer) as liar:
            await raw.join()
            await liar.send("leave", {}, **{"from": "0xraw"})
            await liar.came()
            assert peer.node.peers.count("active") == 2
        await raw.send("leave", {}, **{"from": "0xraw"})
        assert await raw.closed() == 1005
