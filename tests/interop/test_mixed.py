"""Three plain peers and three nodes of ours are one cluster (W4, S2, E3, E5, A4, M2, M3).

The tests share the cluster and run in this order: the fewer keys there are, the sooner the random
draws of a plain peer find one, and who comes back is dialed again, so that it is not quiet.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.interop.double.double import Double
from tests.interop.mixed import (
    SETTINGS,
    TEN_MINUTES,
    active,
    agree,
    data,
    listed,
    plain,
    running,
    soon,
    versions,
)
from tests.interop.raw import NOWHERE, about
from tests.support.client import Client, dialed
from tests.support.cluster import Cluster
from tests.support.process import Launch
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Mixed(NamedTuple):
    """The cluster: ours by their HTTP interface."""

    plain: list[Double]
    ours: list[Client]
    ids: set[str]

    @property
    def everybody(self) -> list[Double | Client]:
        return [*self.plain, *self.ours]

    @property
    def bootstrap(self) -> str:
        """Where a further peer may join."""
        return f"ws://127.0.0.1:{self.ours[0].port}/ws"

    def is_whole(self) -> bool:
        """Whether everybody lists everybody else, and nobody more."""
        for peer in self.plain:
            assert active(peer) == listed(peer) == self.ids - {peer.settings.node_id}
        for client in self.ours:
            assert client.statuses() == dict.fromkeys(self.ids - {client.node_id()}, "active")
        return True


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mixed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mixed]:
    directory = tmp_path_factory.mktemp("mixed")
    ours = Cluster(directory, 3, settings=SETTINGS)
    ours.nodes[2].launch = Launch.DAPHNE
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(*ours))
        # One meets the first of ours, the next meets both kinds, and one of ours will be met last.
        bootstraps = [[ours.nodes[0].url], [ours.nodes[0].url, ours.nodes[1].url]]
        peers: list[Double] = []
        for number in range(3):
            urls = bootstraps[number] if number < 2 else [peers[0].url]
            double = plain(f"plain-{number}", bootstrap=urls)
            peers.append(await stack.enter_async_context(double))
        ids = {peer.settings.node_id for peer in peers}
        ids |= {await asyncio.to_thread(client.node_id) for client in ours.clients}
        yield Mixed(peers, ours.clients, ids)


async def test_everybody_lists_everybody(mixed: Mixed) -> None:
    await soon(mixed.is_whole)


async def test_e3_ties_end_equal_everywhere(mixed: Mixed) -> None:
    peer, client = mixed.plain[0], mixed.ours[1]
    keys = [f"tie/{number:02}" for number in range(20)]
    for key in keys:
        assert peer.node.state.merge({"key": key, "value": "plain", "version": 7}, 0, 0)
    entries = [{"key": key, "value": f"ours {key}", "version": 7} for key in keys]
    await asyncio.to_thread(_push, client.port, entries)
    await soon(lambda: agree(mixed.everybody).keys() == set(keys), within=40)
    # Somebody had to give way: the hash of the value decides, at one version more.
    assert set(versions(peer).values()) == {8}


def _push(port: int, entries: list[dict[str, object]]) -> None:
    """Hand entries to a node of ours as any peer may."""
    with dialed(port) as stranger:
        stranger.send("sync", entries)
        eventually(lambda: {entry["key"] for entry in entries} <= Client(port).data().keys())


async def test_a_key_written_on_either_side_is_on_all(mixed: Mixed) -> None:
    written = {}
    for number, client in enumerate(mixed.ours):
        written[f"ours/{number}"] = number
        await asyncio.to_thread(client.set, f"ours/{number}", number)
    for number, peer in enumerate(mixed.plain):
        written[f"plain/{number}"] = number
        peer.set(f"plain/{number}", number)
    await soon(lambda: written.items() <= agree(mixed.everybody).items(), within=40)


async def test_e5_a_delete_at_ours_is_not_found_at_plain_peers(mixed: Mixed) -> None:
    deleted = await asyncio.to_thread(mixed.ours[0].delete, "plain/0")
    assert deleted.status == 200
    await soon(lambda: "plain/0" not in agree(mixed.everybody))
    for peer in mixed.plain:
        answer = await asyncio.to_thread(Client(peer.port).read, "plain/0")
        assert answer.json == {"success": False, "message": "Key 'plain/0' not found"}


async def test_s2_a_thousand_keys_written_at_ours_reach_plain_peers(mixed: Mixed) -> None:
    written = {f"thousand/{number:03}": number for number in range(1_000)}

    def write() -> None:
        with ThreadPoolExecutor(8) as writers:
            list(writers.map(mixed.ours[0].set, written.keys(), written.values()))

    await asyncio.to_thread(write)
    await soon(lambda: all(written.items() <= data(node).items() for node in mixed.everybody))


async def test_a4_what_a_plain_peer_learned_alone_is_fetched(mixed: Mixed) -> None:
    learned = {f"alone/{number:03}": number for number in range(1_000)}
    for key, value in learned.items():
        mixed.plain[1].set(key, value)
    ours = mixed.ours
    await soon(lambda: all(learned.items() <= data(node).items() for node in ours), within=60)
    await soon(lambda: learned.items() <= agree(mixed.everybody).items(), within=60)


async def test_l1_nothing_happens_in_ten_quiet_minutes(mixed: Mixed) -> None:
    await soon(lambda: agree(mixed.everybody))
    before = [await asyncio.to_thread(client.stats) for client in mixed.ours]
    sockets = [peer.open_sockets for peer in mixed.plain]
    held = versions(mixed.plain[0])

    def over() -> bool:
        stats = mixed.ours[0].stats()
        return bool(stats["gossipRounds"] >= before[0]["gossipRounds"] + TEN_MINUTES)

    await soon(over, within=90)
    for client, earlier in zip(mixed.ours, before, strict=True):
        stats = await asyncio.to_thread(client.stats)
        for name in ("dials", "linksOpened", "linksClosed", "links"):
            assert stats[name] == earlier[name], name
    assert [peer.open_sockets for peer in mixed.plain] == sockets
    # No repair is repeated.
    for node in mixed.everybody:
        assert await asyncio.to_thread(versions, node) == held


async def test_a_plain_peer_brings_what_it_knew_before(mixed: Mixed) -> None:
    known = {f"before/{number:03}": number for number in range(1_000)}
    async with plain("plain-late", bootstrap=[mixed.bootstrap]) as late:
        # It dials as soon as we let it run.
        for key, value in known.items():
            late.set(key, value)
        await soon(lambda: all(known.items() <= data(node).items() for node in mixed.everybody))
        await soon(lambda: data(late) == data(mixed.ours[0]))
    await soon(mixed.is_whole)


async def test_a_plain_peer_that_starts_again_empty_gets_everything_back(mixed: Mixed) -> None:
    lost = mixed.plain[2]
    everything = data(lost)
    await lost.end()
    again = plain("plain-2", port=lost.port, bootstrap=[mixed.plain[0].url])
    async with again:
        now = mixed._replace(plain=[*mixed.plain[:2], again])
        await soon(lambda: data(again) == everything)
        await soon(now.is_whole)


async def test_m3_a_plain_peer_that_was_killed_is_suspected_then_removed(mixed: Mixed) -> None:
    first = mixed.ours[0]
    async with plain("plain-doomed", bootstrap=[mixed.bootstrap]) as doomed:
        await soon(lambda: all("plain-doomed" in active(client) for client in mixed.ours))
        await doomed.end()
        await soon(lambda: first.statuses()["plain-doomed"] == "suspected")
        await soon(lambda: all("plain-doomed" not in listed(client) for client in mixed.ours))


async def test_m2_w9_what_a_plain_peer_tells_of_others_harms_nobody(mixed: Mixed) -> None:
    names = ["plain-doomed", *(f"name-{number}" for number in range(10_000))]
    bad = ["http://127.0.0.1:9/ws", "nonsense", 7]
    lists: list[list[dict[str, object]]] = [
        [{"id": name, "gossipEndpoint": NOWHERE} for name in names],
        [{"id": "bad", "gossipEndpoint": endpoint} for endpoint in bad],
    ]
    rest = mixed._replace(plain=mixed.plain[:2], ids=mixed.ids - {"plain-2"})

    def lie(client: Client) -> None:
        refused = client.stats()["refused"].get("peer-record", 0)
        with dialed(client.port, "plain-liar") as liar:
            liar.send("join", about("plain-liar", None))
            for names in lists:
                liar.send("join", {"type": "peer_discovery", "peers": names})
            for name in lists[1]:
                announcement = {"type": "peer_announcement", "peer": name}
                liar.send("join", announcement, ttl=5)
            liar.send("join", about("plain-liar", "http://127.0.0.1:9/ws"), ttl=5)
            # Of 10,001 names a thousand are taken, and the rest counts once; of the bad ones none.
            expected = refused + 1 + 2 * len(bad)
            eventually(lambda: client.stats()["refused"].get("peer-record") == expected)
        eventually(lambda: client.stats()["dialsFailed"] > 0)

    for client in mixed.ours:
        await asyncio.to_thread(lie, client)
        assert await asyncio.to_thread(listed, client) <= mixed.ids | {"plain-liar"}
    # Passed on, such a name would kill a plain peer two seconds later.
    await soon(rest.is_whole)
    assert [peer.died for peer in rest.plain] == [None, None]
