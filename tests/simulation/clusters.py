"""Clusters to begin with, and what is asked of them in more than one test."""

from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions


def formed(size: int, *, seed: int = 1, conditions: Conditions | None = None) -> Cluster:
    """A cluster whose nodes list and link each other, past everything that its start set off."""
    cluster = Cluster(seed, size, conditions=conditions)
    cluster.start(apart=0.1)
    cluster.wait_for(lambda: cluster.complete() and meshed(cluster), within=15)
    cluster.run(6)
    return cluster


def meshed(cluster: Cluster) -> bool:
    """Whether each pair of running nodes shares exactly one connection (L2)."""
    links, size = cluster.links(), len(cluster.up)
    return len(links) == size * (size - 1) // 2 and set(links.values()) <= {1}


def parts(cluster: Cluster) -> list[set[str]]:
    """The parts of the graph that its links make."""
    beside: dict[str, set[str]] = {host.name: set() for host in cluster.up}
    for one, other in cluster.links():
        if one in beside and other in beside:
            beside[one].add(other)
            beside[other].add(one)
    found, left = [], set(beside)
    while left:
        part, edge = set[str](), [next(iter(left))]
        while edge:
            if (name := edge.pop()) not in part:
                part.add(name)
                edge += beside[name]
        found.append(part)
        left -= part
    return found


def suspected_by_all(cluster: Cluster, name: str) -> bool:
    return all(cluster.statuses(host.name).get(name) == "suspected" for host in cluster.up)


def written(cluster: Cluster, keys: int = 10) -> Cluster:
    """The same cluster with so many keys, `key 0` and on, that are everywhere."""
    for number in range(keys):
        cluster.write("n000", f"key {number}", b"0")
    cluster.wait_for(cluster.equal, within=1)
    return cluster
