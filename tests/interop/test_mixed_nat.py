"""Nodes of ours and plain peers that nobody can dial (M8)."""

import asyncio
from pathlib import Path
from typing import Any

from tests.interop.double.double import Double
from tests.interop.double.settings import Settings
from tests.interop.mixed import SETTINGS, TIMERS, active, agree, listed, plain, running, soon
from tests.interop.raw import NOWHERE
from tests.support.client import Client
from tests.support.ports import free_ports
from tests.support.process import NodeProcess

THREE_MINUTES = 36
"""Rounds."""
LISTS = {
    "public": {"nated-0", "nated-1", "plain"},
    "plain": {"nated-0", "nated-1", "public"},
    # Two that nobody can dial never meet, but the public one vouches for each.
    "nated-0": {"public", "plain", "nated-1"},
    "nated-1": {"public", "plain", "nated-0"},
}


async def test_m8_nodes_that_nobody_can_dial_are_stable_members(tmp_path: Path) -> None:
    own, *others = free_ports(3)
    public = _node(tmp_path, own, "public")
    nated = [
        _node(tmp_path, port, f"nated-{number}", GOSSIP_PUBLIC_URL="none", bootstrap=public.url)
        for number, port in enumerate(others)
    ]
    async with running(public), plain("plain", bootstrap=[public.url]) as peer, running(*nated):
        clients = [node.client for node in (public, *nated)]
        await soon(lambda: _all_list(peer, clients))
        peer.set("plain", 1)
        for client in clients:
            await asyncio.to_thread(client.set, f"ours/{client.port}", 1)
        await soon(lambda: len(agree([peer, *clients])) == 4, within=40)

        before = [await asyncio.to_thread(client.stats) for client in clients]
        await soon(lambda: _rounds(clients[0]) >= before[0]["gossipRounds"] + THREE_MINUTES)
        assert await asyncio.to_thread(_all_list, peer, clients)
        for client, earlier in zip(clients, before, strict=True):
            stats = await asyncio.to_thread(client.stats)
            assert (stats["dials"], stats["links"]) == (earlier["dials"], earlier["links"])


def _node(directory: Path, port: int, node_id: str, **settings: str) -> NodeProcess:
    bootstrap = settings.pop("bootstrap", "")
    own = {"NODE_ID": node_id, "GOSSIP_BOOTSTRAP_PEERS": bootstrap}
    return NodeProcess(port, directory / node_id, settings={**SETTINGS, **own, **settings})


def _all_list(peer: Double, clients: list[Client]) -> bool:
    lists: dict[str, Any] = {client.node_id(): listed(client) for client in clients}
    assert lists | {"plain": active(peer)} == LISTS
    for client in clients:
        assert active(client) == listed(client)
    return True


def _rounds(client: Client) -> int:
    rounds: int = client.stats()["gossipRounds"]
    return rounds


async def test_m8_a_plain_peer_that_nobody_can_dial_takes_part_over_what_it_dials(
    tmp_path: Path,
) -> None:
    ports = free_ports(2)
    ours = [_node(tmp_path, port, f"ours-{port}") for port in ports]
    ours[1].settings["GOSSIP_BOOTSTRAP_PEERS"] = ours[0].url
    clients = [node.client for node in ours]
    hidden = Settings("hidden", bootstrap=(ours[0].url,), gossip_endpoint=NOWHERE, timers=TIMERS)
    async with running(*ours), Double(hidden) as peer:
        ids = {f"ours-{port}" for port in ports}
        await soon(lambda: active(peer) == ids)
        await soon(lambda: all("hidden" in active(client) for client in clients))
        peer.set("theirs", 1)
        await asyncio.to_thread(clients[1].set, "ours", 2)
        await soon(lambda: agree([peer, *clients]) == {"theirs": 1, "ours": 2}, within=40)

        before = await asyncio.to_thread(_rounds, clients[0])
        await soon(lambda: _rounds(clients[0]) >= before + THREE_MINUTES)
        for client in clients:
            assert await asyncio.to_thread(active, client) == (ids | {"hidden"}) - {
                await asyncio.to_thread(client.node_id)
            }
        await peer.end()
        await soon(lambda: not any("hidden" in active(client) for client in clients))
