"""How nodes fare meanwhile: memory, and how late they answer."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression
from typing import NamedTuple

from tests.soak.nodes import Condition, SoakNode
from tests.support.client import Client

ASK_EVERY = 0.1
"""Seconds between two questions to one node."""
WEIGH_EVERY = 1.0
"""Seconds between two looks at its memory."""
TIMEOUT = 10.0


class Weight(NamedTuple):
    """The memory of a process."""

    at: float
    resident: int


class Answer(NamedTuple):
    """How long an answer took, in seconds."""

    took: float
    waited: float
    """The part in which the node, or we, wanted a processor that others had."""

    @property
    def net(self) -> float:
        """What is left: the lag of the node's event loop, and the work of one request."""
        return max(0.0, self.took - self.waited)


class Watch:
    """Asks one node again and again for its health, while anything is expected of it."""

    def __init__(self, node: SoakNode, stop: threading.Event) -> None:
        self._node = node
        self._client = Client(node.port, timeout=TIMEOUT)
        self._stop = stop
        self.answers: list[Answer] = []
        self.failures: list[str] = []
        self.weights: list[Weight] = []
        self.thread = threading.Thread(target=self._run, name=f"watch-{node.index}", daemon=True)

    def _run(self) -> None:
        due = 0.0
        while not self._stop.wait(ASK_EVERY):
            if self._node.condition is Condition.AWAY:
                continue
            self._ask()
            if time.monotonic() >= due:
                due = time.monotonic() + WEIGH_EVERY
                self._weigh()

    def _ask(self) -> None:
        life = self._node.life
        began, waiting = time.monotonic(), self._waiting()
        problem = ""
        try:
            if (status := self._client.get("/gossip/health").status) != 200:
                problem = f"status {status}"
        except OSError as error:
            problem = repr(error)
        took, waited = time.monotonic() - began, self._waiting() - waiting
        if self._node.condition is Condition.AWAY or self._node.life != life:
            return
        self.answers.append(Answer(took, waited))
        if problem:
            self.failures.append(f"node {self._node.index}: {problem} after {took:.3f} s")

    def _waiting(self) -> float:
        """Seconds that the node's main thread and this one have waited for a processor so far."""
        return _waiting(f"/proc/{self._node.pid}") + _waiting("/proc/thread-self")

    def _weigh(self) -> None:
        life = self._node.life
        try:
            weight = Weight(time.monotonic(), self._node.resident())
        except OSError:
            return
        if self._node.condition is not Condition.AWAY and self._node.life == life:
            self.weights.append(weight)


def _waiting(process: str) -> float:
    try:
        return int(Path(process, "schedstat").read_text().split()[1]) / 1e9
    except OSError:
        # It is gone, or the kernel does not count.
        return 0.0


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which this part of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0


def slope(weights: Sequence[Weight], since: float) -> float:
    """Bytes a second by which a process grew from then on, by a straight line through its samples.

    Raises ValueError if there are fewer than two.
    """
    times, sizes = zip(*(weight for weight in weights if weight.at >= since), strict=True)
    return linear_regression(times, sizes).slope
