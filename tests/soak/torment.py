"""The plan carried out: one thread for each node, and one for the connections."""

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random

from tests.soak.nodes import SoakNode
from tests.soak.plan import Disorder, Mishap, Wrong
from tests.support.ledger import Ledger
from tests.support.proxy import Disturbance, Link, Network
from tests.support.waiting import eventually

STOPS_WITHIN = 10.0
"""Seconds; a node stops in five, on a machine that it has for itself."""
RECOVERS_WITHIN = 30.0
"""Seconds for a store to be tried again, which happens every five."""
SPREADS_WITHIN = 15.0
"""Seconds to wait for what is to be lost at one node to be on the disks of others."""
COPIES = 2
"""Disks that hold all that was acknowledged before another one is emptied."""

Tell = Callable[[str], None]


class Torment:
    """What goes wrong with nodes and network, until it is over."""

    def __init__(
        self, nodes: Sequence[SoakNode], network: Network, ledger: Ledger, tell: Tell
    ) -> None:
        self._nodes = nodes
        self._network = network
        self._ledger = ledger
        self._tell = tell
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._wiping = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.done: Counter[str] = Counter()
        """Faults by kind."""
        self.errors: list[BaseException] = []

    def start(self, mishaps: Mapping[int, list[Mishap]], disorders: Sequence[Disorder]) -> None:
        """Let everything happen at its time."""
        works: list[Callable[[], None]] = [lambda: self._disturb(disorders)]
        for index, each in mishaps.items():
            works.append(lambda node=self._nodes[index], each=each: self._mistreat(node, each))  # type: ignore[misc]
        self._threads = [threading.Thread(target=self._guard, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Let nothing more begin, and return once everything that began is over."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # told by whoever waits for the end
            self.errors.append(error)

    def _wait_until(self, at: float) -> bool:
        """Whether the time came before the end."""
        return not self._stop.wait(max(0.0, self._began + at - time.monotonic()))

    # Processes

    def _mistreat(self, node: SoakNode, mishaps: Sequence[Mishap]) -> None:
        for mishap in mishaps:
            if not self._wait_until(mishap.at):
                return
            self._tell(f"node {node.index}: {mishap.wrong.value}, {mishap.seconds:.1f} s")
            self._happen(node, mishap)

    def _happen(self, node: SoakNode, mishap: Mishap) -> None:
        kind = mishap.wrong
        match kind:
            case Wrong.FREEZE:
                with node.frozen():
                    self._stop.wait(mishap.seconds)
            case Wrong.FULL:
                with node.full_disk():
                    self._stop.wait(mishap.seconds)
                eventually(node.client.is_ready, within=RECOVERS_WITHIN)
            case Wrong.KILL | Wrong.STOP:
                with node.away():
                    self._end_process(node, kind)
                    self._stop.wait(mishap.seconds)
                    node.come_up()
            case Wrong.WIPE:
                with node.away():
                    kind = self._wipe(node)
                    self._stop.wait(mishap.seconds)
                    node.come_up()
        self.done[kind.value] += 1

    @staticmethod
    def _end_process(node: SoakNode, kind: Wrong) -> None:
        if kind is Wrong.STOP:
            assert node.stop(STOPS_WITHIN) == 0, f"node {node.index} did not stop in order"
        else:
            node.kill()

    def _wipe(self, node: SoakNode) -> Wrong:
        """Take its disk as well, if what was acknowledged is safe; returns what was done."""
        # One at a time: two that rely on each other's disk must not both lose it.
        with self._wiping, node.writing:
            safe = self._spread(self._ledger.versions(), but=node)
            node.kill()
            if safe:
                node.forget()
                return Wrong.WIPE
        self._tell(f"node {node.index}: kept its disk, which was needed")
        return Wrong.KILL

    def _spread(self, versions: Mapping[str, int], but: SoakNode) -> bool:
        others = [node for node in self._nodes if node is not but]

        def spread() -> bool:
            holding = [node for node in others if _holds(_on_disk(node), versions)]
            return len(holding) >= COPIES

        try:
            return eventually(spread, within=SPREADS_WITHIN, pause=0.5)
        except AssertionError:
            return False

    # Connections

    def _disturb(self, disorders: Sequence[Disorder]) -> None:
        under_way: list[tuple[float, Disturbance]] = []
        for disorder in disorders:
            while under_way and min(under_way, key=_ends)[0] <= disorder.at:
                if not self._end_one(under_way):
                    return
            if not self._wait_until(disorder.at):
                break
            under_way.append((disorder.at + disorder.seconds, self._begin(disorder)))
        while under_way:
            self._end_one(under_way)

    def _end_one(self, under_way: list[tuple[float, Disturbance]]) -> bool:
        first = min(under_way, key=_ends)
        goes_on = self._wait_until(first[0])
        under_way.remove(first)
        first[1].end()
        return goes_on

    def _begin(self, disorder: Disorder) -> Disturbance:
        trouble = disorder.trouble
        self.done[trouble.value] += 1
        if disorder.node is not None:
            self._tell(f"network: {trouble.value} before node {disorder.node}")
            return self._network.disturb_node(trouble, disorder.node, disorder.delay)

        def chosen(links: list[Link]) -> list[Link]:
            count = max(1, round(len(links) * disorder.share))
            return Random(disorder.seed).sample(links, min(count, len(links)))

        self._tell(f"network: {trouble.value} on {disorder.share:.0%} of the connections")
        return self._network.disturb_links(trouble, chosen, disorder.delay)


def _on_disk(node: SoakNode) -> dict[str, int]:
    try:
        return node.on_disk()
    except sqlite3.OperationalError:
        # Its disk was taken a moment ago, and it is only just starting.
        return {}


def _ends(disturbance: tuple[float, Disturbance]) -> float:
    return disturbance[0]


def _holds(held: Mapping[str, int], versions: Mapping[str, int]) -> bool:
    return all(held.get(key, 0) >= version for key, version in versions.items())
