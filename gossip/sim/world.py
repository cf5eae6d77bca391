"""What all hosts of a simulation share."""

import random
from collections.abc import Collection

import msgspec

from gossip.core.effects import Notice, NoticeKind
from gossip.sim.conditions import Conditions
from gossip.sim.ledger import Ledger
from gossip.sim.network import Network
from gossip.sim.scheduler import Scheduler
from gossip.sim.trace import Trace


class Noticed(msgspec.Struct, frozen=True):
    """A node told its operator something."""

    time: float
    host: str
    notice: Notice


class World:
    """Virtual time, the network, and the books that are kept on what happens."""

    def __init__(
        self,
        seed: int,
        conditions: Conditions,
        keep_trace: int = 0,
        keep_notices: Collection[NoticeKind] = tuple(NoticeKind),
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed)  # noqa: S311  # a run must be repeatable
        self.scheduler = Scheduler()
        self.network = Network(self.scheduler, self.rng, conditions)
        self.trace = Trace(keep_trace)
        self.ledger = Ledger()
        self.notices: list[Noticed] = []
        self._keep_notices = frozenset(keep_notices)

    def note(self, host: str, notice: Notice) -> None:
        """A node tells its operator something."""
        if notice.kind in self._keep_notices:
            self.notices.append(Noticed(self.scheduler.now, host, notice))

    @property
    def conditions(self) -> Conditions:
        return self.network.conditions
