"""Who begins a life elsewhere is known there, and who lies of one is found out (M1, M2, L1)."""

import json

import msgspec
import pytest

from gossip.core.effects import NoticeKind
from gossip.core.events import FrameReceived
from gossip.core.members import Status
from gossip.core.node import Node
from gossip.sim.cluster import Cluster, url_of
from gossip.sim.conditions import Conditions
from tests.support.crowd import record
from tests.support.frames import Frame, exchange, heartbeat

CALM = Conditions(latency=0.02, jitter=0.01)
SIZE = 60
MOVED = tuple(f"n{number:03}" for number in range(5, 45))
"""More than are named on where a peer answers with them."""


EVIL = "ws://evil.example:3000/ws"


def formed(*unreachable: str) -> Cluster:
    cluster = Cluster(1, SIZE, conditions=CALM, bootstraps=2, unreachable=unreachable)
    cluster.start(apart=0.05)
    if not unreachable:
        cluster.wait_for(cluster.complete, within=20, every=0.5)
    cluster.run(20)
    return cluster


def move(cluster: Cluster, name: str) -> None:
    """Let this node run on at another address; nobody answers at the old one."""
    host, network = cluster.hosts[name], cluster.world.network
    cluster.kill(name)
    del network._names[url_of(name)]
    network.register(moved_url(name), name)
    host.config = msgspec.structs.replace(host.config, gossip_endpoint=moved_url(name))
    cluster.restart(name)


def moved_url(name: str) -> str:
    return f"ws://{name}.moved.example:3000/ws"


def wrong(cluster: Cluster, names: tuple[str, ...]) -> set[tuple[str, str]]:
    """Who lists whom of these at another address than it has, or not at all."""
    return {
        (host.name, name)
        for host in cluster.up
        for name in names
        if name != host.name
        and cluster.hosts[name].config.gossip_endpoint
        not in [
            view.record.gossip_endpoint
            for view in host.node.members()
            if view.record.node_id == name
        ]
    }


def believed_at(cluster: Cluster, name: str, url: str) -> list[str]:
    """Who lists this member as active at this address."""
    return [
        host.name
        for host in cluster.up
        for view in host.node.members()
        if (view.record.node_id, view.record.gossip_endpoint, view.status)
        == (name, url, Status.ACTIVE)
    ]


def lie(cluster: Cluster, liar: str, frame: Frame) -> None:
    """Let all peers of a node hear this from it."""
    said = json.dumps(frame).encode()
    for host in cluster.up:
        for link in node_of(cluster, host.name)._context.links.best():
            if link.peer == liar and host.process is not None:
                host.process.feed(FrameReceived(link.id, said))


def roots(cluster: Cluster) -> int:
    """How many different tables of members there are."""
    contexts = [node_of(cluster, host.name)._context for host in cluster.up]
    return len({context.members.root(context.me) for context in contexts})


def node_of(cluster: Cluster, name: str) -> Node:
    node = cluster.hosts[name].node
    assert isinstance(node, Node)
    return node


def test_m1_who_moves_while_others_are_cut_off_is_known_there_after_healing() -> None:
    cluster = formed()
    cluster.partition(list(cluster.hosts)[-SIZE // 5 :])
    for name in MOVED:
        move(cluster, name)
        cluster.run(0.3)
    cluster.run(20)
    cluster.heal()
    cluster.wait_for(lambda: not wrong(cluster, MOVED), within=30, every=1.0)
    cluster.wait_for(lambda: roots(cluster) == 1, within=30, every=1.0)
    cluster.run(60)
    assert wrong(cluster, MOVED) == set(), "nor is an old address believed again"


@pytest.mark.parametrize("ahead", [0, 3_600_000], ids=["its incarnation", "a later one"])
def test_m2_an_address_that_somebody_made_up_lasts_no_longer_than_it_takes_to_refute(
    ahead: int,
) -> None:
    cluster = formed()
    victim, liar = "n020", "n007"
    cluster.kill(victim)
    cluster.run(2)
    cluster.restart(victim)
    cluster.run(20)
    life = node_of(cluster, victim)._context.me.life
    said = record(victim, incarnation=life + ahead, gossipEndpoint=EVIL)
    lie(cluster, liar, exchange(liar, "members", peers=[said]))
    believed = len(wrong(cluster, (victim,)))
    assert (believed > 0) == (ahead > 0), "of the life that it said itself nobody is told another"
    cluster.wait_for(lambda: not wrong(cluster, (victim,)), within=10, every=0.5)
    assert (node_of(cluster, victim)._context.me.life > life) == (ahead > 0)


@pytest.mark.parametrize("ending", ["killed", "stopped"])
def test_m8_who_comes_back_without_an_address_is_believed_at_the_old_one_by_nobody(
    ending: str,
) -> None:
    cluster = formed()
    name = "n020"
    host = cluster.hosts[name]
    if ending == "killed":
        cluster.kill(name)
    else:
        cluster.stop(name)
    cluster.run(1)
    del cluster.world.network._names[url_of(name)]
    host.config = msgspec.structs.replace(host.config, gossip_endpoint=None)
    cluster.restart(name)
    cluster.wait_for(lambda: not believed_at(cluster, name, url_of(name)), within=5, every=0.5)
    cluster.wait_for(lambda: roots(cluster) == 1, within=5, every=0.5)
    for _ in range(20):
        cluster.run(10)
        assert (believed_at(cluster, name, url_of(name)), roots(cluster)) == ([], 1)


def test_m8_an_address_made_up_of_whom_nobody_can_dial_is_believed_by_nobody_for_long() -> None:
    victim, liar = "n020", "n007"
    cluster = formed(victim)
    life = node_of(cluster, victim)._context.me.life
    said = record(victim, incarnation=life + 3_600_000, gossipEndpoint=EVIL)
    lie(cluster, liar, exchange(liar, "members", peers=[said]))
    assert believed_at(cluster, victim, EVIL)
    cluster.wait_for(lambda: not believed_at(cluster, victim, EVIL), within=5, every=0.5)
    cluster.wait_for(lambda: roots(cluster) == 1, within=5, every=0.5)
    cluster.run(200)
    assert (believed_at(cluster, victim, EVIL), roots(cluster)) == ([], 1)


def test_m2_that_somebody_made_up_a_later_incarnation_keeps_tables_apart_for_a_minute_at_most() -> (
    None
):
    cluster = formed()
    victim, liar = "n020", "n007"
    life = node_of(cluster, victim)._context.me.life
    told = life + 3_600_000
    lie(cluster, liar, heartbeat(liar, news=[[victim, told, "alive", life]]))
    cluster.run(5)
    cluster.wait_for(lambda: roots(cluster) == 1, within=60, every=1.0)
    assert node_of(cluster, victim)._context.me.incarnation > told


@pytest.mark.parametrize("hours", [11, 23])
@pytest.mark.parametrize("standing", ["alive", "suspect"])
def test_m1_who_was_told_of_from_the_future_is_known_while_it_lives_and_no_longer(
    hours: int, standing: str
) -> None:
    cluster = formed()
    victim, late = "n020", "n059"
    cluster.kill(late)
    cluster.run(100)
    context = node_of(cluster, victim)._context
    told = context.me.life + hours * 3_600_000
    liar = context.links.best()[0].peer or ""
    lie(cluster, liar, heartbeat(liar, news=[[victim, told, standing, context.me.life]]))
    cluster.run(5)
    lie(cluster, liar, heartbeat(liar, news=[[victim, told, "suspect"]]))
    cluster.run(50)
    assert cluster.complete()
    cluster.restart(late, keep_disk=False)
    cluster.wait_for(cluster.complete, within=5, every=0.5)
    cluster.kill(victim)
    cluster.run(120)
    assert all(view.record.node_id != victim for host in cluster.up for view in host.node.members())


@pytest.mark.parametrize("seed", range(1, 3))
def test_m8_no_member_without_an_address_is_given_up_because_some_were_cut_off(seed: int) -> None:
    hidden = tuple(f"n{number:03}" for number in range(10, 20))
    cluster = Cluster(seed, SIZE, conditions=CALM, bootstraps=2, unreachable=hidden)
    cluster.start(apart=0.05)
    cluster.run(20)
    cluster.partition(list(hidden[:5]))
    cluster.run(10)
    cluster.heal()
    cluster.run(120)
    assert cluster.notices(NoticeKind.PEER_REMOVED) == []
