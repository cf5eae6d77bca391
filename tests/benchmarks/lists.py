"""Who was missing on the lists of nodes that all live, at any time while they are watched."""

import re
import time
from collections.abc import Collection, Mapping
from itertools import cycle
from typing import NamedTuple

from tests.support.cluster import Cluster

LOOK = 1.0
"""Seconds between two looks, each at one list: what starves is not to be starved by who looks."""

_TOLD = re.compile(r" event=(peer_suspected|peer_removed|peer_left) subject=(\S+)")


class Told(NamedTuple):
    """What the log of a node said of the members."""

    gone: set[str]
    suspicions: int


def told(log: str) -> Told:
    """Whom these lines have as removed or stopped, and how often they suspect anybody."""
    gone, suspicions = set[str](), 0
    for event, subject in _TOLD.findall(log):
        if event == "peer_suspected":
            suspicions += 1
        else:
            gone.add(subject)
    return Told(gone, suspicions)


def lacking(statuses: Mapping[str, str], living: Collection[str]) -> set[str]:
    """Who of the living is not on this list, or on it as stopped; suspected is neither."""
    return {each for each in living if statuses.get(each, "inactive") == "inactive"}


class Watch:
    """The lists and logs of a cluster from now on.

    The lists are looked at by turns. Each misses what comes and goes between two looks at it, and
    that is in the log.
    """

    def __init__(self, nodes: Cluster) -> None:
        self._nodes = nodes
        self._ids = {node.port: node.client.node_id() for node in nodes}
        self._read = {node.port: node.output.stat().st_size for node in nodes}
        self._lacked: dict[int, set[str]] = {node.port: set() for node in nodes}
        self._turn = cycle(nodes.clients)

    def watch(self, seconds: float) -> None:
        """Look on for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._look()
            time.sleep(LOOK)

    def result(self) -> tuple[int, int]:
        """The most living nodes that one list lacked at some time, and all suspicions."""
        suspicions = 0
        for _ in self._nodes:
            self._look()
        for node in self._nodes:
            log = node.output.read_bytes()[self._read[node.port] :].decode(errors="replace")
            said = told(log)
            self._lacked[node.port] |= said.gone
            suspicions += said.suspicions
        return max(map(len, self._lacked.values())), suspicions

    def _look(self) -> None:
        client = next(self._turn)
        others = set(self._ids.values()) - {self._ids[client.port]}
        self._lacked[client.port] |= lacking(client.statuses(), others)
