"""Lists that are stale or made up, in a crowd (M2, M3, L1): who is dead stays dead."""

import json
from itertools import count, product
from random import Random

import pytest

from gossip.core.config import Config
from gossip.core.effects import NoticeKind, Send
from gossip.core.node import Node
from gossip.sim.cluster import Cluster, url_of
from gossip.sim.conditions import Conditions
from tests.support.crowd import record
from tests.support.frames import Frame, exchange, heartbeat

CALM = Conditions(latency=0.02, jitter=0.01)
SIZE = 30
DEAD, TELLER = "n020", "n007"
HOUR = 3_600_000
"""Milliseconds: a life begun in the future, by less than half of the allowed skew (M1)."""

_message_numbers = count(1)


class Liar(Node):
    """Of all nodes the one that tells its peers every second that somebody lives."""

    def __init__(self, config: Config, rng: Random) -> None:
        super().__init__(config, rng)
        self.lies: list[Frame] = []

    def _tick(self) -> None:
        super()._tick()
        links = tuple(link.id for link in self._context.links.best() if link.extended)
        if links:
            for lie in self.lies:
                told = lie | {"messageId": f"lie {next(_message_numbers)}"}
                self._context.emit(Send(links, json.dumps(told).encode()))


def buried(seed: int) -> Cluster:
    """A crowd whose lists are without the dead one, all but the teller's, which slept."""
    cluster = Cluster(seed, SIZE, conditions=CALM, bootstraps=2, make_node=Liar)
    cluster.start(apart=0.1)
    cluster.wait_for(cluster.complete, within=20, every=0.5)
    cluster.run(40)
    cluster.stall(TELLER, 130)
    cluster.kill(DEAD)
    cluster.wait_for(lambda: not listing(cluster), within=120, every=1.0)
    return cluster


def listing(cluster: Cluster) -> set[str]:
    """Whose lists, but for the teller's, have the dead one, whatever they say of it."""
    return {host.name for host in cluster.up if DEAD in cluster.statuses(host.name)} - {TELLER}


def _sees(cluster: Cluster, name: str) -> bool:
    return cluster.statuses(name).get(DEAD) == "active"


@pytest.mark.parametrize("seed", range(1, 4))
def test_m3_a_stale_list_brings_nobody_back(seed: int) -> None:
    cluster = buried(seed)
    assert cluster.statuses(TELLER)[DEAD] == "active"
    for _ in range(180):
        cluster.run(1)
        assert listing(cluster) == set()
    assert DEAD not in cluster.statuses(TELLER)
    assert cluster.complete()


@pytest.mark.parametrize("seed", range(1, 4))
def test_l1_one_liar_brings_nobody_back_and_keeps_nobody_out(seed: int) -> None:
    cluster = buried(seed)
    cluster.wait_for(cluster.complete, within=200, every=1.0)
    liar = cluster.hosts[TELLER].node
    assert isinstance(liar, Liar)
    life = cluster.hosts[DEAD].disk.incarnation
    now = cluster.hosts[TELLER].clock().wall
    for incarnation in (life, now, now + HOUR):
        named = record(DEAD, incarnation=incarnation, gossipEndpoint=url_of(DEAD))
        unreachable = record(DEAD, incarnation=incarnation, gossipEndpoint=None)
        for peer, answer in product((named, unreachable), (True, False)):
            liar.lies.append(exchange(TELLER, "members", peers=[peer], answer=answer))
        news = [[DEAD, incarnation, "alive"]]
        liar.lies.append(heartbeat(TELLER, timestamp=now, news=news))
    for _ in range(120):
        cluster.run(1)
        assert listing(cluster) == set()

    # Nor is it of any harm to who it is about, once that is back.
    cluster.restart(DEAD)
    others = set(cluster.hosts) - {TELLER, DEAD}
    cluster.wait_for(lambda: all(_sees(cluster, name) for name in others), within=5)
    liar.lies.clear()
    cluster.run(60)
    assert cluster.complete()
    removed = {n.notice.subject for n in cluster.notices(NoticeKind.PEER_REMOVED)}
    assert removed <= {DEAD, TELLER}
