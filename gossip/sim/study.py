"""What a cluster of some size does in some network: formed, at rest, written to, losing members.

The real core runs in virtual time; what is measured here is what an operator wants to know before
there is such a cluster. A `Plan` and its seed say everything: the same one gives the same figures.
"""

import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, inf
from typing import Any

import msgspec

from gossip.core.effects import NoticeKind
from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from gossip.sim.host import Host
from gossip.sim.ledger import InvariantBroken
from gossip.sim.network import End

HEADERS = 60
"""Bytes of TCP, IP and WebSocket headers that are counted for each frame."""
_JOINS = 50.0
"""Nodes that are started in a second, or more where that would take longer than `_STARTED`."""
_STARTED = 2.0
"""Seconds in which all are started at the latest."""
_FORMED_WITHIN = 300.0
_SETTLE = 20.0
"""Seconds between the phases, in which what the last one set off ends."""
_LULL = 10.0
"""Seconds of traffic that are compared with the ten before, until it falls no more."""
_FALLS = 0.8
"""Of the traffic before, or less: it still falls, by more than chance does in small clusters."""
_AT_REST_WITHIN = 300.0
_AWAY = 10.0
"""Seconds for which a node that crashed stays away."""
_WRITERS = 5
"""Nodes that write, by turns: who writes often has a tree (S3), the others' writes are flooded."""
_BETWEEN_WRITES = 0.1
_EVERYWHERE_WITHIN = 30.0
_NOTICED_WITHIN = 120.0
LOOK = 0.005
"""Seconds between two looks at who has a write: what times are exact to."""
LOOK_AT_LISTS = 0.05
"""Likewise at who lists a node that ended."""

Tell = Callable[[str], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate. Times are seconds."""

    nodes: int = 100
    seed: int = 1
    conditions: Conditions = Conditions()
    settings: dict[str, Any] = {}
    """Fields of `Config` for all nodes."""
    quiet: float = 60.0
    """How long the cluster is watched at rest."""
    churn: float = 0.0
    """Nodes a minute that are killed meanwhile, and come back ten seconds later; two stay."""
    writes: int = 100
    """Ten a second, at five nodes by turns."""
    kills: int = 6
    """Half of them by the end of the process, half by the end of the host, which resets nothing."""


class Study(msgspec.Struct, kw_only=True):
    """What came of it. Times are seconds of virtual time."""

    nodes: int
    formed: float | None = None
    """From the last start until all listed all; None where they did not in time."""
    settled: float | None = None
    """From then until traffic fell no more; None where it still did after five minutes."""
    links: list[int] = []
    """Of each node, at rest."""
    crashes: int = 0
    """Nodes that crashed and came back meanwhile."""
    frames: float = 0.0
    """Sent by a node that runs in a second at rest."""
    bytes: float = 0.0
    """Likewise, headers included."""
    arrivals: list[list[float]] = []
    """Of each write: from it to its arrival at one node after the other."""
    everywhere: list[float | None] = []
    """From a write to its arrival at the last node; None where that took too long."""
    hops: Counter[int] = msgspec.field(default_factory=Counter)
    """How many nodes had a write first after so many hops."""
    copies: float = 0.0
    """How often a write arrived at each node."""
    noticed: list[float] = []
    """From the end of a process to each list on which it is no longer active."""
    hosts_noticed: list[float] = []
    """The same of hosts that went dark."""
    missed: int = 0
    """Lists on which a node stayed active whose process had ended."""
    hosts_missed: int = 0
    """The same of hosts that went dark."""
    suspected: int = 0
    """Suspicions of nodes that ran, on any list."""
    removed: int = 0
    """Removals of nodes that ran, from any list."""
    gone: list[float] = []
    """From the end of a process or host to its removal from each list."""

    @property
    def coverage(self) -> list[float]:
        """From a write to its arrival, at each node for each write."""
        return [taken for arrivals in self.arrivals for taken in arrivals]

    def reached(self, share: float) -> float | None:
        """From a write until this share of the nodes had it, in the median; None: most never had.

        There must have been a write.
        """
        place = ceil(share * self.nodes) - 1
        median = statistics.median_low(
            arrivals[place] if place < len(arrivals) else inf for arrivals in self.arrivals
        )
        return None if median == inf else median


class _Spreading(msgspec.Struct):
    """A write on its way."""

    key: str
    began: float
    lacking: list[Host]
    arrivals: list[float]
    away: dict[str, int]
    """Hops to the nodes where it arrived."""


_written = re.compile(rb'"(study/\d+)"').findall


def study(plan: Plan, tell: Tell) -> Study:
    """Carry out a plan; `tell` hears of each phase as it begins and ends."""
    return _Run(plan, tell).run()


class _Run:
    def __init__(self, plan: Plan, tell: Tell) -> None:
        self._plan = plan
        self._tell = tell
        self._cluster = Cluster(
            plan.seed,
            plan.nodes,
            conditions=plan.conditions,
            settings=plan.settings,
            bootstraps=min(3, plan.nodes),
            keep_notices=(NoticeKind.PEER_SUSPECTED, NoticeKind.PEER_REMOVED),
        )
        self._rng = self._cluster.world.rng
        self._study = Study(nodes=plan.nodes)
        self._seen_notices = 0
        self._ran = 0.0
        """Seconds for which nodes ran while the cluster was watched, of all together."""

    def run(self) -> Study:
        self._form()
        self._watch()
        self._write()
        self._kill()
        return self._study

    # Phases

    def _form(self) -> None:
        cluster, plan = self._cluster, self._plan
        apart = min(1 / _JOINS, _STARTED / plan.nodes)
        for number, name in enumerate(cluster.hosts, 1):
            cluster.start(name, apart=apart)
            if number % 100 == 0:
                self._tell(f"{number} of {plan.nodes} nodes started")
        try:
            self._study.formed = cluster.wait_for(
                self._all_listed, within=_FORMED_WITHIN, every=0.1
            )
            self._tell(f"all list all after {self._study.formed:.1f} s")
        except InvariantBroken:
            self._tell(f"some do not list all after {_FORMED_WITHIN:.0f} s")
        self._settle()
        self._count_notices()
        held = cluster.links_of_each()
        self._study.links = [held[name] for name in cluster.hosts]

    def _settle(self) -> None:
        """Wait until traffic falls no more: what a start sets off ends late where much is lost."""
        cluster, began = self._cluster, self._cluster.now
        before = inf
        while cluster.now - began < _AT_REST_WITHIN:
            _, sent = self._sent_in(_LULL)
            if sent >= _FALLS * before and cluster.now - began >= _SETTLE:
                self._study.settled = cluster.now - began
                self._tell(f"at rest {self._study.settled:.0f} s later")
                return
            before = sent
        self._tell(f"traffic still falls after {_AT_REST_WITHIN:.0f} s")

    def _sent_in(self, seconds: float) -> tuple[int, int]:
        """Frames and bytes, headers included, that all send in so many seconds from now."""
        traffic = self._cluster.world.network.traffic
        frames, sent = traffic.frames, traffic.bytes
        self._cluster.run(seconds)
        frames = traffic.frames - frames
        return frames, traffic.bytes - sent + HEADERS * frames

    def _all_listed(self) -> bool:
        return all(host.node.listed >= self._plan.nodes - 1 for host in self._cluster.up)

    def _watch(self) -> None:
        cluster, plan, study = self._cluster, self._plan, self._study
        self._ran = plan.nodes * plan.quiet
        if plan.churn:
            end = cluster.now + plan.quiet
            cluster.world.scheduler.after(30 / plan.churn, self._crash, end)
        frames, sent = self._sent_in(plan.quiet)
        each = max(self._ran, 1e-9)
        study.frames, study.bytes = frames / each, sent / each
        if plan.churn:
            cluster.run(_AWAY + _SETTLE)
        self._count_notices()
        self._tell(f"at rest: {study.bytes:.0f} bytes/s from each node")

    def _crash(self, end: float) -> None:
        """Let a node crash if two others stay, and the next one later; until `end`."""
        cluster = self._cluster
        if cluster.now >= end:
            return
        scheduler, up = cluster.world.scheduler, cluster.up
        scheduler.after(60 / self._plan.churn, self._crash, end)
        if len(up) <= 2:
            return
        self._count_notices()
        victim = self._rng.choice(up)
        victim.kill(dark=False)
        self._study.crashes += 1
        self._ran -= min(_AWAY, end - cluster.now)
        scheduler.after(_AWAY, self._return, victim)

    def _return(self, host: Host) -> None:
        self._count_notices()
        host.start()

    def _write(self) -> None:
        cluster, plan = self._cluster, self._plan
        writers = self._rng.sample(cluster.up, min(_WRITERS, len(cluster.up)))
        spreading: dict[bytes, _Spreading] = {}
        with self._tracing(spreading):
            for number in range(plan.writes):
                writer, key = writers[number % len(writers)], f"study/{number}"
                write = _Spreading(key, cluster.now, list(cluster.up), [], {writer.name: 0})
                spreading[key.encode()] = write
                self._study.arrivals.append(write.arrivals)
                cluster.write(writer.name, key, b"true")
                due = cluster.now + _BETWEEN_WRITES
                while cluster.now < due:
                    self._see_who_has(spreading)
            last = cluster.now
            while spreading and cluster.now - last < _EVERYWHERE_WITHIN:
                self._see_who_has(spreading)
            cluster.run(0.5)
        self._study.everywhere += [None] * len(spreading)
        self._study.copies /= max(1, plan.writes * len(cluster.up))
        done = [time for time in self._study.everywhere if time is not None]
        if done:
            self._tell(f"{len(done)} of {plan.writes} writes everywhere, last {max(done):.3f} s")
        self._count_notices()

    def _see_who_has(self, spreading: dict[bytes, _Spreading]) -> None:
        """Let a little time pass; note where each write arrived, and drop those everywhere."""
        cluster, study = self._cluster, self._study
        cluster.run(LOOK)
        for name, write in list(spreading.items()):
            taken = cluster.now - write.began
            still = [host for host in write.lacking if cluster.get(host.name, write.key) is None]
            write.arrivals += [taken] * (len(write.lacking) - len(still))
            write.lacking = still
            if not still:
                study.everywhere.append(taken)
                study.hops.update(write.away.values())
                del spreading[name]

    @contextmanager
    def _tracing(self, spreading: dict[bytes, _Spreading]) -> Iterator[None]:
        """Count how often these keys arrive, and by how many hops each node has them first."""
        network, study = self._cluster.world.network, self._study

        def arrived(end: End, frame: bytes) -> None:
            for key in _written(frame):
                study.copies += 1
                if key in spreading:
                    away = spreading[key].away
                    away.setdefault(end.owner.name, away.get(end.peer.owner.name, 0) + 1)

        network.arrived = arrived
        try:
            yield
        finally:
            network.arrived = None

    def _kill(self) -> None:
        ended: dict[str, float] = {}
        for number in range(self._plan.kills):
            dark = number % 2 == 1
            victim = self._rng.choice(self._cluster.up)
            self._count_notices()
            victim.kill(dark=dark)
            ended[victim.name] = self._cluster.now
            times, missed = self._until_noticed(victim.name)
            if dark:
                self._study.hosts_noticed += times
                self._study.hosts_missed += missed
            else:
                self._study.noticed += times
                self._study.missed += missed
            self._tell(f"{len(times)} lists noticed the end of a {'host' if dark else 'process'}")
        self._count_notices()
        if ended:
            self._until_gone(ended)

    def _until_gone(self, ended: dict[str, float]) -> None:
        """Wait for all lists to be without these, which ended at these times."""
        cluster, up = self._cluster, self._cluster.up
        config = up[0].config
        due = cluster.now + config.cleanup_timeout + config.suspicion_timeout + _SETTLE
        while cluster.now < due and any(
            host.node.status_of(name) is not None for host in up for name in ended
        ):
            cluster.run(1.0)
        self._study.gone = [
            noticed.time - ended[noticed.notice.subject]
            for noticed in cluster.world.notices
            if noticed.notice.kind is NoticeKind.PEER_REMOVED and noticed.notice.subject in ended
        ]

    def _until_noticed(self, name: str) -> tuple[list[float], int]:
        """When each list showed the end of this node, and how many never did."""
        cluster = self._cluster
        began, unaware, times = cluster.now, list(cluster.up), list[float]()
        while unaware and cluster.now - began < _NOTICED_WITHIN:
            cluster.run(LOOK_AT_LISTS)
            still = [host for host in unaware if host.node.status_of(name) == "active"]
            times += [cluster.now - began] * (len(unaware) - len(still))
            unaware = still
        return times, len(unaware)

    def _count_notices(self) -> None:
        """Count what was noticed of nodes that ran all the time since the last count."""
        notices = self._cluster.world.notices
        up = {host.name for host in self._cluster.up}
        for noticed in notices[self._seen_notices :]:
            if noticed.notice.subject in up:
                self._study.suspected += noticed.notice.kind is NoticeKind.PEER_SUSPECTED
                self._study.removed += noticed.notice.kind is NoticeKind.PEER_REMOVED
        self._seen_notices = len(notices)
