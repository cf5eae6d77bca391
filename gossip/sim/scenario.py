"""Scenarios: what is done to a cluster, as a value that prints itself.

The repr of a `Scenario` is the Python that builds it, so that a seed which fails can be pasted
into a test and cut down there.
"""

from typing import Any

import msgspec

from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions


class Operation(msgspec.Struct, frozen=True):
    """One step of a scenario."""

    def apply(self, cluster: Cluster) -> None:
        """Do it."""
        raise NotImplementedError


class Start(Operation, frozen=True):
    """Start the nodes of these hosts, or of all, so many seconds apart."""

    hosts: tuple[str, ...] = ()
    apart: float = 0.0

    def apply(self, cluster: Cluster) -> None:
        cluster.start(*self.hosts, apart=self.apart)


class Run(Operation, frozen=True):
    """Let virtual time pass."""

    seconds: float

    def apply(self, cluster: Cluster) -> None:
        cluster.run(self.seconds)


class Write(Operation, frozen=True):
    """Write normalised JSON, or delete (None), at this host if its node is up."""

    host: str
    key: str
    value: bytes | None
    lifetime: int | None = None
    """Milliseconds until it expires, if it does."""

    def apply(self, cluster: Cluster) -> None:
        cluster.write(self.host, self.key, self.value, self.lifetime)


class Kill(Operation, frozen=True):
    """End a process without warning; a dark host does not even reset its connections."""

    host: str
    dark: bool = False

    def apply(self, cluster: Cluster) -> None:
        cluster.kill(self.host, dark=self.dark)


class Stall(Operation, frozen=True):
    """Let a process do nothing for so many seconds."""

    host: str
    seconds: float

    def apply(self, cluster: Cluster) -> None:
        cluster.stall(self.host, self.seconds)


class Stop(Operation, frozen=True):
    """Ask a node to stop in order."""

    host: str

    def apply(self, cluster: Cluster) -> None:
        cluster.stop(self.host)


class Restart(Operation, frozen=True):
    """Start a node that ended, on its disk or on an empty one."""

    host: str
    keep_disk: bool = True

    def apply(self, cluster: Cluster) -> None:
        cluster.restart(self.host, keep_disk=self.keep_disk)


class Partition(Operation, frozen=True):
    """Cut these hosts off from others, or from all others."""

    hosts: tuple[str, ...]
    reset: bool = False
    others: tuple[str, ...] | None = None

    def apply(self, cluster: Cluster) -> None:
        cluster.partition(self.hosts, self.others, reset=self.reset)


class Heal(Operation, frozen=True):
    """End all partitions."""

    def apply(self, cluster: Cluster) -> None:
        cluster.heal()


class SetClock(Operation, frozen=True):
    """Set a host's wall clock so many milliseconds ahead of the true time."""

    host: str
    ahead: int

    def apply(self, cluster: Cluster) -> None:
        cluster.hosts[self.host].skew = self.ahead


class FailDisk(Operation, frozen=True):
    """Let a host's disk fail, or work again."""

    host: str
    failing: bool

    def apply(self, cluster: Cluster) -> None:
        cluster.hosts[self.host].disk.failing = self.failing


class SetConditions(Operation, frozen=True):
    """Let the network treat frames otherwise from now on."""

    conditions: Conditions

    def apply(self, cluster: Cluster) -> None:
        cluster.world.network.conditions = self.conditions


class Converge(Operation, frozen=True):
    """Wait until all nodes but these hold the same entries; fail when it takes longer."""

    within: float
    but: tuple[str, ...] = ()

    def apply(self, cluster: Cluster) -> None:
        cluster.wait_for(lambda: cluster.equal(but=self.but), within=self.within, every=1.0)


class Settle(Operation, frozen=True):
    """Wait until they also list each other as active and nobody else; fail when it takes longer."""

    within: float

    def apply(self, cluster: Cluster) -> None:
        cluster.wait_for(
            lambda: cluster.equal() and cluster.complete(), within=self.within, every=1.0
        )


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster and what is done to it, in order."""

    seed: int
    size: int
    conditions: Conditions = Conditions()
    settings: dict[str, Any] = {}
    bootstraps: int = 1
    unreachable: tuple[str, ...] = ()
    """Hosts that nobody can dial (M8)."""
    left_out: tuple[str, ...] = ()
    """Nodes that need not hold what the others hold at the end: their clocks are impossible."""
    operations: tuple[Operation, ...]

    def run(self, keep_trace: int = 0) -> Cluster:
        """Carry it out and verify the cluster at the end. Raises `InvariantBroken`."""
        cluster = Cluster(
            self.seed,
            self.size,
            conditions=self.conditions,
            settings=self.settings,
            bootstraps=self.bootstraps,
            unreachable=self.unreachable,
            keep_trace=keep_trace,
        )
        for operation in self.operations:
            operation.apply(cluster)
        cluster.verify(but=self.left_out)
        return cluster
