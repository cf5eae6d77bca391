"""A large cluster on a bad network, some of whose nodes stall: nobody who lives is given up.

The network loses packets, which TCP sends again: what travels on a connection is late, and what
follows it as well. At any time one node in twenty does nothing for five seconds.
"""

import random
import time
from collections import Counter
from typing import Any

from gossip.core.config import Config
from gossip.core.effects import NoticeKind
from gossip.core.node import Node
from gossip.sim.cluster import Cluster
from gossip.sim.conditions import Conditions
from tests.support import proof

NODES = 100
HOUR = 3_600.0
STALL = 5.0
STALLED = 0.05
LOSSES = 0.2, 0.5
"""By turns, from seed to seed."""
RESEND = 0.2
"""Seconds; the shortest that Linux waits."""
COMPARED = 0.1
"""The part of the time for which the first seeds run again, with self-doubt and without."""
KEPT = "nobody removed"


class Run(proof.Run, frozen=True, kw_only=True):
    """One line of the record."""

    loss: float
    nodes: int = NODES
    virtual_seconds: float = HOUR
    removed: int = 0
    """Removals, from any list, of nodes that live."""
    suspected_stalled: int = 0
    """Suspicions, on any list, of nodes that stalled then or within ten seconds before."""
    suspected: int = 0
    """Of others."""
    suspected_without_self_doubt: int | None = None
    """The same of a tenth of the time, where nodes never doubt themselves; and with self-doubt."""
    suspected_with_self_doubt: int | None = None


class Trusting(Node):
    """A node that takes every silence for the fault of the other."""

    def __init__(self, config: Config, rng: random.Random) -> None:
        super().__init__(config, rng)
        self._probes._judge_ourselves = lambda change: None  # type: ignore[method-assign]


class Trial:
    """One cluster, watched."""

    def __init__(self, seed: int, *, nodes: int = NODES, loss: float, **more: Any) -> None:
        calm = Conditions(latency=0.02, jitter=0.02)
        self.cluster = Cluster(seed, nodes, conditions=calm, bootstraps=3, **more)
        self.cluster.start(apart=0.05)
        self.cluster.wait_for(self.cluster.complete, within=60, every=0.5)
        self.cluster.run(20)
        self.cluster.world.network.conditions = Conditions(
            latency=0.02, jitter=0.02, loss=loss, resend=RESEND
        )
        self._rng = random.Random(seed)
        self._stalled_until: dict[str, float] = {}
        self.removed = 0
        self.suspected: Counter[bool] = Counter()
        """By whether the node had stalled."""

    def run(self, seconds: float) -> None:
        """Stall some nodes after others, for so long."""
        cluster = self.cluster
        count = max(1, round(STALLED * len(cluster.hosts)))
        seen = len(cluster.world.notices)
        for _ in range(round(seconds / STALL)):
            for name in self._rng.sample(list(cluster.hosts), count):
                cluster.stall(name, STALL)
                self._stalled_until[name] = cluster.now + STALL
            cluster.run(STALL)
            for noticed in cluster.world.notices[seen:]:
                self._note(noticed.time, noticed.notice.kind, noticed.notice.subject)
            del cluster.world.notices[:]
            seen = 0

    def _note(self, at: float, kind: NoticeKind, name: str) -> None:
        if kind is NoticeKind.PEER_REMOVED:
            self.removed += 1
        elif kind is NoticeKind.PEER_SUSPECTED:
            stalled = at - self._stalled_until.get(name, float("-inf")) < 10
            self.suspected[stalled] += 1


def prove(seed: int, at: str, *, seconds: float = HOUR, nodes: int = NODES) -> Run:
    """Run one seed; of the first two, a tenth again without self-doubt."""
    begun, loss = time.monotonic(), LOSSES[seed % len(LOSSES)]
    trial = Trial(seed, nodes=nodes, loss=loss)
    trial.run(seconds)
    compared: dict[str, int] = {}
    if seed <= len(LOSSES):
        for name, more in (("without", {"make_node": Trusting}), ("with", {})):
            short = Trial(seed, nodes=nodes, loss=loss, **more)
            short.run(COMPARED * seconds)
            compared[f"suspected_{name}_self_doubt"] = short.suspected[False]
    return Run(
        revision=at,
        seed=seed,
        outcome=f"{trial.removed} removals" if trial.removed else KEPT,
        seconds=round(time.monotonic() - begun, 1),
        date=proof.today(),
        loss=loss,
        nodes=nodes,
        virtual_seconds=seconds,
        removed=trial.removed,
        suspected_stalled=trial.suspected[True],
        suspected=trial.suspected[False],
        **compared,
    )
