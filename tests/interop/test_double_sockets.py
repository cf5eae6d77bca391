"""Each row of docs/plain-peer.md about sockets: whom a double dials, maps and forgets."""

from dataclasses import replace

from tests.interop.double.double import Double
from tests.interop.double.wire import now_ms
from tests.interop.raw import (
    NOWHERE,
    QUICK_DIALS,
    RawServer,
    about,
    dialed,
    settings,
    until,
)


async def test_it_dials_a_newcomer_back_and_sends_on_the_newest() -> None:
    timed = replace(settings(), timers=QUICK_DIALS)
    async with RawServer() as server, Double(timed) as peer, dialed(peer) as raw:
        await raw.join(endpoint=server.url)
        newest = await server.socket(0)
        peer.outgoing.heartbeat(0)
        assert (await newest.next())["type"] == "heartbeat"
        assert await raw.came() == []


async def test_it_dials_without_looking_whether_a_connection_exists() -> None:
    timed = replace(settings(), timers=QUICK_DIALS)
    async with RawServer() as server, Double(replace(timed, bootstrap=(server.url,))) as peer:
        await (await server.socket(0)).join(endpoint=server.url)
        await server.socket(1)
        assert peer.open_sockets == 2
    careful = replace(timed, quirks=settings(dials_without_looking=False).quirks)
    async with RawServer() as server, Double(replace(careful, bootstrap=(server.url,))) as peer:
        raw = await server.socket(0)
        await raw.join("0xone", endpoint=server.url)
        async with RawServer() as other:
            await raw.send("join", about("0xtwo", other.url), **{"from": "0xtwo"})
            await other.socket(0)  # which was due after the one that did not come
        assert len(server.sockets) == 1


async def test_it_dials_every_name_that_it_learns() -> None:
    timed = replace(settings(), timers=QUICK_DIALS)
    names = [{"id": f"0x{index}", "gossipEndpoint": NOWHERE} for index in range(10_000)]
    names.append({"id": "0xd9d6", "gossipEndpoint": NOWHERE})  # itself, which it skips
    async with Double(timed) as peer, dialed(peer) as raw:
        await raw.send("join", {"type": "peer_discovery", "peers": names})
        await until(lambda: peer.node.stats.dials == 10_000)
        await raw.send("join", {"type": "peer_discovery", "peers": names})
        await raw.came()
        assert len(peer.node.peers.active()) == 10_001
    modest = replace(timed, quirks=settings(dials_every_name=False).quirks)
    async with Double(modest) as peer, dialed(peer) as raw:
        await raw.send("join", {"type": "peer_discovery", "peers": names})
        await until(lambda: peer.node.stats.dials == 16)


async def test_an_announced_peer_is_dialed() -> None:
    timed = replace(settings(), timers=QUICK_DIALS)
    async with RawServer() as server, Double(timed) as peer, dialed(peer) as raw:
        named = {"id": "0xnew", "gossipEndpoint": server.url}
        await raw.send("join", {"type": "peer_announcement", "peer": named})
        await server.socket(0)
        assert [known.node_id for known in peer.node.peers.active()] == ["0xnew"]


async def test_a_dial_back_that_fails_leaves_a_peer_listed_and_unreachable() -> None:
    timed = replace(settings(), timers=QUICK_DIALS)
    async with Double(timed) as peer, dialed(peer) as raw:
        await raw.join()
        assert len(peer.node.connections) == 1
        await until(lambda: len(peer.node.connections) == 0)
        assert [known.node_id for known in peer.node.peers.active()] == ["0xraw"]
        assert peer.open_sockets == 1


async def test_a_peer_that_closes_the_first_socket_is_lost_until_the_tick() -> None:
    """The experiment of the document: answered with a `join`, then closed; three sockets came."""
    timers = replace(QUICK_DIALS, redial=0.5)
    async with RawServer() as server:
        started = replace(settings(), timers=timers, bootstrap=(server.url,))
        async with Double(started) as peer:
            first = await server.socket(0)
            await first.join(endpoint=server.url)
            await server.socket(1)
            peer.node.check_liveness(now_ms() + 31_000)
            await first.connection.close()
            await until(lambda: len(peer.node.connections) == 0)
            assert peer.open_sockets == 1
            await until(lambda: len(server.sockets) == 5)
            assert peer.node.stats.dials == 5


async def test_the_tick_dials_who_has_no_connection_and_the_bootstrap_only_alone() -> None:
    timers = replace(QUICK_DIALS, redial=0.05)
    async with RawServer() as server, RawServer() as boot:
        timed = replace(settings(), timers=timers, bootstrap=(boot.url,))
        async with Double(timed) as peer, dialed(peer) as raw:
            await raw.join(endpoint=server.url)
            await server.socket(0)
            await boot.socket(0)
            for index in range(1, 4):  # each time alone without it
                await server.sockets[index - 1].connection.close()
                await server.socket(index)
            assert len(boot.sockets) == 1
            await boot.sockets[0].connection.close()
            await until(lambda: len(peer.node.connections) == 1)
            await server.sockets[3].connection.close()
            await boot.socket(1)


async def test_without_the_quirk_the_bootstrap_is_dialed_in_company_too() -> None:
    timers = replace(QUICK_DIALS, redial=0.05)
    quirks = settings(bootstraps_only_alone=False).quirks
    async with RawServer() as boot:
        timed = replace(settings(), timers=timers, bootstrap=(boot.url,), quirks=quirks)
        async with Double(timed) as peer, dialed(peer) as raw:
            await raw.join(endpoint="ws://127.0.0.1:9/raw")
            await (await boot.socket(0)).connection.close()
            await boot.socket(1)
