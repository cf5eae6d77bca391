"""A large cluster whose bootstrap peers are gone is cut into halves for an hour, and healed.

Both halves are written to, at keys of their own and at the same ones, and by the end of it each has
removed the members of the other. Nobody's list of bootstrap peers names a node that still runs.
"""

import time

from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from gossip.sim.ledger import InvariantBroken
from tests.simulation.clusters import parts
from tests.support import proof

NODES = 1_000
HOUR = 3_600.0
WITHIN = 30.0
"""Seconds from healing until there is one cluster with one state."""
GIVEN_UP = 600.0
_BOOTSTRAPS = 3
_BETWEEN_WRITES = 30.0
ONE = "one cluster and one state in time"


class Run(proof.Run, frozen=True, kw_only=True):
    """One line of the record. Times are seconds of virtual time."""

    nodes: int
    apart: float
    whole: float | None = None
    """From healing until all listed all."""
    equal: float | None = None
    """The same, and all states were equal."""
    keys: int = 0
    frames: int = 0


class Trial:
    """One cluster, cut and healed."""

    def __init__(self, seed: int, nodes: int) -> None:
        calm = Conditions(latency=0.02, jitter=0.01)
        self.cluster = cluster = Cluster(seed, nodes, conditions=calm, bootstraps=_BOOTSTRAPS)
        cluster.start(apart=2 / nodes)
        cluster.wait_for(cluster.complete, within=300, every=1.0)
        for name in list(cluster.hosts)[:_BOOTSTRAPS]:
            cluster.stop(name)
        cluster.run(90)
        left = [host.name for host in cluster.up]
        self.halves = left[::2], left[1::2]
        self.keys = 0

    def part(self, seconds: float) -> None:
        """Cut the network between the halves, and write at both."""
        cluster = self.cluster
        cluster.partition(self.halves[0])
        for number in range(round(seconds / _BETWEEN_WRITES)):
            for half, names in enumerate(self.halves):
                writer = names[number % len(names)]
                cluster.write(writer, f"half {half}, {number}", b"1")
                cluster.write(writer, f"both, {number}", b"%d" % half)
            cluster.run(_BETWEEN_WRITES)
            self.keys += 3
        if len(parts(cluster)) != len(self.halves):
            raise InvariantBroken(f"{len(parts(cluster))} parts before healing")

    def heal(self) -> tuple[float, float]:
        """Seconds until all list all, and until they are equal as well."""
        cluster, healed = self.cluster, self.cluster.now
        cluster.heal()
        cluster.wait_for(cluster.complete, within=GIVEN_UP, every=0.5)
        whole = cluster.now - healed
        cluster.wait_for(cluster.equal, within=GIVEN_UP, every=0.5)
        if sum(1 for _ in cluster.up[0].node.entries()) != self.keys:
            raise InvariantBroken("a write is lost")
        return whole, cluster.now - healed


def prove(seed: int, at: str, *, nodes: int = NODES, seconds: float = HOUR) -> Run:
    """Run one seed."""
    begun = time.monotonic()
    trial = Trial(seed, nodes)
    whole = equal = None
    try:
        trial.part(seconds)
        whole, equal = trial.heal()
        outcome = ONE if equal <= WITHIN else f"{equal} s"
    except InvariantBroken as broken:
        outcome = str(broken)
    return Run(
        revision=at,
        seed=seed,
        outcome=outcome,
        seconds=round(time.monotonic() - begun, 1),
        date=proof.today(),
        nodes=nodes,
        apart=seconds,
        whole=whole,
        equal=equal,
        keys=trial.keys,
        frames=trial.cluster.world.network.traffic.frames,
    )
