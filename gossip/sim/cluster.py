"""A cluster in virtual time: what can be done to it, and what can be asked of it.

Hosts are named `n000`, `n001` and so on; the first `bootstraps` of them are everybody's bootstrap
peers. The same seed and the same calls give the same trace.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from gossip.core.config import Config
from gossip.core.effects import NoticeKind
from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.core.node import Node
from gossip.sim.conditions import Conditions
from gossip.sim.host import Host, MakeNode
from gossip.sim.ledger import InvariantBroken
from gossip.sim.world import Noticed, World


def name_of(index: int) -> str:
    """The name and node id of the host with this number."""
    return f"n{index:03}"


def url_of(name: str) -> str:
    """Where the node on this host accepts links."""
    return f"ws://{name}.example:3000/ws"


class Cluster:
    """Hosts in one world."""

    def __init__(
        self,
        seed: int,
        size: int,
        *,
        conditions: Conditions | None = None,
        settings: Mapping[str, Any] | None = None,
        bootstraps: int = 1,
        unreachable: Collection[str] = (),
        make_node: MakeNode = Node,
        keep_trace: int = 0,
        keep_notices: Collection[NoticeKind] = tuple(NoticeKind),
    ) -> None:
        """`settings` are fields of `Config` for all hosts; `keep_trace` see `Trace`.

        `keep_notices`: the kinds worth their memory; everybody notices everybody who joins.
        Nobody can dial the hosts named in `unreachable` (M8).
        """
        self.world = World(seed, conditions or Conditions(), keep_trace, keep_notices)
        self.hosts: dict[str, Host] = {}
        entrances = [url_of(name_of(index)) for index in range(bootstraps)]
        for name in map(name_of, range(size)):
            own = url_of(name)
            fields: dict[str, Any] = {
                "node_id": name,
                "public_key": f"key of {name}",
                "gossip_endpoint": None if name in unreachable else own,
                "api_endpoint": f"http://{name}.example:3000",
                "bootstrap": tuple(url for url in entrances if url != own),
                **(settings or {}),
            }
            self.hosts[name] = Host(name, Config(**fields), self.world, make_node)

    # Time

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self.world.scheduler.now

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.world.scheduler.run_until(self.now + seconds)

    def wait_for(
        self, condition: Callable[[], bool], *, within: float, every: float = 0.01
    ) -> float:
        """Let time pass until the condition holds; return how many seconds it took.

        Looks every `every` seconds. Raises `InvariantBroken` with a description of the cluster
        when `within` seconds are over.
        """
        begun = self.now
        while not condition():
            if self.now - begun >= within:
                raise InvariantBroken(f"not within {within} s; {self.describe()}")
            self.run(every)
        return self.now - begun

    # Operations

    def start(self, *names: str, apart: float = 0.0) -> None:
        """Start the nodes of these hosts, or of all, one after another, `apart` seconds apart."""
        for name in names or self.hosts:
            self.hosts[name].start()
            self.run(apart)

    def kill(self, name: str, *, dark: bool = False) -> None:
        """`kill -9`, or loss of power when `dark`: then nobody gets as much as a reset."""
        self.hosts[name].kill(dark=dark)

    def stall(self, name: str, seconds: float) -> None:
        """Let a process do nothing for so long, as by SIGSTOP and SIGCONT."""
        self.hosts[name].stall(seconds)

    def stop(self, name: str) -> None:
        """Ask a node to stop in order, as by SIGTERM."""
        self.hosts[name].stop()

    def restart(self, name: str, *, keep_disk: bool = True) -> None:
        """Start a node that ended, on its disk or on an empty one."""
        host = self.hosts[name]
        if not keep_disk:
            host.lose_disk()
            self.world.ledger.release(other.disk for other in self.hosts.values())
        host.start()

    def write(
        self, name: str, key: str, value: bytes | None, lifetime: int | None = None
    ) -> RequestId | None:
        """Write normalised JSON, or delete (None), as a client of this node, if it is up.

        `lifetime`: milliseconds until it expires, if it does.
        """
        return self.hosts[name].write(key, value, lifetime)

    def partition(
        self, one: Iterable[str], other: Iterable[str] | None = None, *, reset: bool = False
    ) -> None:
        """Cut these hosts off from the others, or from all others, until `heal`."""
        here = frozenset(one)
        there = self.hosts.keys() - here if other is None else frozenset(other)
        self.world.network.partition(here, there, reset=reset)

    def heal(self) -> None:
        """End all partitions."""
        self.world.network.heal()

    # Questions

    @property
    def up(self) -> list[Host]:
        """The hosts whose node runs and was not asked to stop."""
        return [host for host in self.hosts.values() if host.up]

    def get(self, name: str, key: str) -> Entry | None:
        """What a read of this key gives on this host."""
        return self.hosts[name].node.get(key)

    def visible(self, key: str, value: bytes | None) -> bool:
        """Whether every running node holds this value, or a tombstone (None)."""
        entries = (host.node.get(key) for host in self.up)
        return all(entry is not None and entry.value == value for entry in entries)

    def equal(self, *, but: Collection[str] = ()) -> bool:
        """Whether all running nodes hold the same entries (A1), these left out."""
        first, *others = (host for host in self.up if host.name not in but)
        reference = list(first.node.entries())
        return all(list(host.node.entries()) == reference for host in others)

    def complete(
        self, *, statuses: tuple[str, ...] = ("active",), but: Collection[str] = ()
    ) -> bool:
        """Whether every running node lists all others and nobody else, with such a status.

        These are left out.
        """
        judges = (host for host in self.up if host.name not in but)
        return not any(self._misjudged(host, statuses).keys() - set(but) for host in judges)

    def statuses(self, name: str) -> dict[str, str]:
        """Who is listed how on this host."""
        members = self.hosts[name].node.members()
        return {member.record.node_id: member.status for member in members}

    def links(self) -> Counter[tuple[str, str]]:
        """Open connections for each pair of hosts."""
        return Counter(
            (min(host.name, end.peer.owner.name), max(host.name, end.peer.owner.name))
            for host in self.up
            if host.process is not None
            for end in host.process.ends()
            # Of two open ends count the one that dialed.
            if end.dialed or not end.peer.open
        )

    def links_of_each(self) -> Counter[str]:
        """Open connections of each host that has any."""
        held: Counter[str] = Counter()
        for pair, count in self.links().items():
            for host in pair:
                held[host] += count
        return held

    def notices(self, *kinds: NoticeKind) -> list[Noticed]:
        """What nodes told their operators, of these kinds."""
        return [noticed for noticed in self.world.notices if noticed.notice.kind in kinds]

    def verify(self, *, but: Collection[str] = ()) -> None:
        """Require that all is equal, nothing acknowledged is lost, and the lists are right.

        These nodes may hold other entries.
        """
        for host in self.up:
            if host.name in but:
                continue
            if missing := self.world.ledger.missing(host.node.get):
                raise InvariantBroken(f"{host.name} lacks what was acknowledged: {missing!r}")
            if invented := self.world.ledger.invented(host.node.entries()):
                raise InvariantBroken(f"{host.name} holds what nobody wrote: {invented!r}")
        if not self.equal(but=but) or not self.complete(statuses=("active", "suspected"), but=but):
            raise InvariantBroken(self.describe())

    def describe(self) -> str:
        """What is wrong with the cluster, for people who read a failed test."""
        lines = [f"seed {self.world.seed}, {self.now:.3f} s, {len(self.up)} nodes up"]
        judged = ((host.name, self._misjudged(host, ("active",))) for host in self.up)
        lines += [f"{name} misjudges {misjudged}" for name, misjudged in judged if misjudged]
        lines += [f"{key}: {versions}" for key, versions in self._differing().items()]
        return "\n  ".join([*lines[:30], *self.world.trace.latest])

    def _misjudged(self, host: Host, statuses: tuple[str, ...]) -> dict[str, str]:
        others = {other.name for other in self.up} - {host.name}
        listed = self.statuses(host.name)
        wrong = {name: status for name, status in listed.items() if status not in statuses}
        wrong |= {name: "ghost" for name in listed if name not in others}
        return wrong | {name: "hole" for name in sorted(others) if name not in listed}

    def _differing(self) -> dict[str, dict[str, int | None]]:
        held = {host.name: {e.key: e for e in host.node.entries()} for host in self.up}
        keys = sorted({key for entries in held.values() for key in entries})
        return {
            key: {
                name: entry.version if (entry := entries.get(key)) else None
                for name, entries in held.items()
            }
            for key in keys
            if len({entries.get(key) for entries in held.values()}) > 1
        }
