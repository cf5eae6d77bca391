"""Eight real nodes on a bad network, mistreated and written to; then peace, and the reckoning."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from tests.soak.logs import complaints
from tests.soak.nodes import Condition, SoakNode
from tests.soak.plan import SPARED, disorders, mishaps
from tests.soak.torment import Torment
from tests.soak.watch import Watch, percentile, slope
from tests.soak.writers import Writer, fill
from tests.support.cluster import Cluster
from tests.support.ledger import Ledger
from tests.support.ports import free_ports
from tests.support.process import Launch
from tests.support.proxy import Network
from tests.support.waiting import eventually

NODES = 8
UNDER_DAPHNE = 0
"""One of those that are never ended; the other one runs under `rungossip`."""
WRITERS = (0, 1, 2, 3, 4, 5)
HEALS_WITHIN = 60.0
"""Seconds from the last fault to one cluster of equal nodes: twice what a split of half a minute
takes, since here nodes start at the same moment."""
LAG_MS = 50.0
"""Milliseconds that a node may take to answer, in 99 of 100 cases."""
GROWTH = 4_000_000
"""Bytes that a process may grow in the second half, by its slope, and that a younger one may be
heavier than the heaviest that lived throughout."""
CLOSES_WITHIN = 60.0
"""Seconds until a node holds as many descriptors as at the start, when it had the same links:
connections whose other end is silent are dropped by then."""
DESCRIPTORS = 2
"""Descriptors that come and go: the connection of whoever asks just then."""

Tell = Callable[[str], None]


class Report(msgspec.Struct, kw_only=True):
    """What a soak came to."""

    seed: int
    seconds: float
    outcome: str = "passed"
    failures: list[str] = []
    faults: dict[str, int] = {}
    acknowledged: int = 0
    """Writes acknowledged."""
    refused: int = 0
    unanswered: int = 0
    keys: int = 0
    healed_seconds: float = 0.0
    answers: int = 0
    """Answers to `GET /gossip/health` whose time was taken, from outside."""
    answer_ms: dict[str, float] = {}
    """Median, 99th percentile and greatest of those times."""
    lag_ms: dict[str, float] = {}
    """The same without the time in which the node or we waited for a processor that others had."""
    slopes: list[float] = []
    """Bytes a second by which those that lived throughout grew in the second half."""
    heaviest_mb: list[float] = []
    """Of each node, whenever that was."""
    descriptors: dict[str, list[int]] = {}
    """Of each node, before and after."""


class Soak:
    """One run. `seconds` is the time in which things go wrong."""

    def __init__(self, directory: Path, *, seed: int, seconds: float, tell: Tell) -> None:
        self.report = Report(seed=seed, seconds=seconds)
        self._tell = tell
        ports = free_ports(2 * NODES)
        self._public, own = ports[:NODES], ports[NODES:]
        self._ledger = Ledger()
        self._stop = threading.Event()
        self._nodes = [
            SoakNode(index, port, directory, self._launch(index)) for index, port in enumerate(own)
        ]
        self._cluster = Cluster.of(self._nodes)
        bootstrap = ",".join(self._url(index) for index in range(NODES))
        for node in self._nodes:
            node.tell(
                {
                    # With an id of its own making it would be another one once its disk is lost.
                    "NODE_ID": f"soak-{node.index}",
                    "GOSSIP_PUBLIC_URL": self._url(node.index),
                    "GOSSIP_BOOTSTRAP_PEERS": bootstrap,
                }
            )

    def run(self) -> Report:
        """Start everything, let it go wrong, heal it, judge it, and end everything."""
        with ExitStack() as stack:
            stack.callback(self._end_nodes)
            network = stack.enter_context(
                Network(zip(self._public, (node.port for node in self._nodes), strict=True))
            )
            stack.callback(self._stop.set)
            self._begin()
            before = [node.descriptors() for node in self._nodes]
            watches = self._torment(network)
            self._heal()
            self._judge_state()
            self._judge_memory(watches)
            self._judge_answers(watches)
            self._judge_descriptors(before)
            self._judge_disks()
        self._judge_logs()
        self._count()
        return self.report

    def tails(self) -> str:
        """The ends of all logs, for who looks into a failure."""
        return "\n".join(f"--- node {node.index}\n{node.tail()}" for node in self._nodes)

    @staticmethod
    def _launch(index: int) -> Launch:
        return Launch.DAPHNE if index == UNDER_DAPHNE else Launch.RUNGOSSIP

    def _url(self, index: int) -> str:
        return f"ws://localhost:{self._public[index]}/ws"

    def _begin(self) -> None:
        for node in self._nodes:
            node.start()
        self._cluster.wait_whole(60)
        for node in self._nodes:
            node.condition = Condition.UP
        fill(self._nodes[0], self._ledger)
        self._cluster.wait_equal(within=60)

    def _torment(self, network: Network) -> list[Watch]:
        seed, seconds = self.report.seed, self.report.seconds
        self._half = time.monotonic() + seconds / 2
        watches = [Watch(node, self._stop) for node in self._nodes]
        writers = [Writer(self._nodes[at], self._ledger, seed, self._stop) for at in WRITERS]
        threads = [watch.thread for watch in watches] + [writer.thread for writer in writers]
        for thread in threads:
            thread.start()
        torment = Torment(self._nodes, network, self._ledger, self._tell)
        plans = {node.index: mishaps(seed, node.index, seconds) for node in self._nodes}
        torment.start(plans, list(disorders(seed, NODES, seconds)))
        try:
            self._look_on(torment, network, seconds)
        finally:
            torment.end()
            self._stop.set()
        for thread in threads:
            thread.join()
        self.report.faults = dict(sorted(torment.done.items()))
        for error in torment.errors:
            self._fail(f"a fault could not be carried out or undone: {error!r}")
        return watches

    def _look_on(self, torment: Torment, network: Network, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not torment.errors:
            self._stop.wait(min(10.0, left))
            up = sum(node.condition is not Condition.AWAY for node in self._nodes)
            self._tell(
                f"{max(0, end - time.monotonic()):.0f} s left, {up} nodes up,"
                f" {network.open_links} connections, {torment.done.total()} faults,"
                f" {self._ledger.acknowledged} writes acknowledged"
            )

    def _heal(self) -> None:
        began = time.monotonic()
        try:
            self._cluster.wait_whole(HEALS_WITHIN)
            left = HEALS_WITHIN - (time.monotonic() - began)
            self._cluster.wait_equal(within=left)
        except AssertionError as error:
            self._fail(f"not one cluster of equal nodes within {HEALS_WITHIN:g} s: {error}")
        self.report.healed_seconds = round(time.monotonic() - began, 1)

    def _judge_state(self) -> None:
        everybody = {f"soak-{index}" for index in range(NODES)}
        for node in self._nodes:
            state = node.client.state()
            for line in self._ledger.lost(state):
                self._fail(f"node {node.index}: {line}")
            listed = node.client.statuses() | {node.client.node_id(): "active"}
            if listed != dict.fromkeys(everybody, "active"):
                self._fail(f"node {node.index} lists {listed}")
            self.report.keys = len(state)
        for line in self._ledger.odd:
            self._fail(f"an odd answer: {line}")

    def _judge_memory(self, watches: list[Watch]) -> None:
        heaviest = [max(weight.resident for weight in watch.weights) for watch in watches]
        self.report.heaviest_mb = [round(size / 1e6, 1) for size in heaviest]
        for index in SPARED:
            growth = slope(watches[index].weights, self._half)
            self.report.slopes.append(round(growth))
            if growth * self.report.seconds / 2 > GROWTH:
                self._fail(f"node {index} grew by {growth:.0f} bytes a second")
        # The others are ended before they are full, so a slope of theirs would say nothing.
        bound = max(heaviest[index] for index in SPARED) + GROWTH
        for index, size in enumerate(heaviest):
            if size > bound:
                self._fail(f"node {index} weighed {size} bytes, more than {bound}")

    def _judge_answers(self, watches: list[Watch]) -> None:
        answers = [answer for watch in watches for answer in watch.answers]
        self.report.answers = len(answers)
        self.report.answer_ms = _spread([answer.took for answer in answers])
        self.report.lag_ms = _spread([answer.net for answer in answers])
        if self.report.lag_ms["p99"] > LAG_MS:
            self._fail(f"99 of 100 answers came up to {self.report.lag_ms['p99']} ms late")
        for watch in watches:
            for line in watch.failures:
                self._fail(line)

    def _judge_descriptors(self, before: list[int]) -> None:
        began = time.monotonic()
        for node, earlier in zip(self._nodes, before, strict=True):
            left = max(0.0, CLOSES_WITHIN - (time.monotonic() - began))
            try:
                eventually(partial(_as_few, node, earlier), within=left, pause=0.2)
            except AssertionError:
                held = ", ".join(node.open_files())
                self._fail(f"node {node.index} held {earlier} descriptors, and now {held}")
        after = [node.descriptors() for node in self._nodes]
        self.report.descriptors = {"before": before, "after": after}

    def _judge_disks(self) -> None:
        """Whether what the nodes agree on is also what each finds when it starts again."""
        agreed = {key: entry["version"] for key, entry in self._nodes[0].client.state().items()}
        for node in self._nodes:
            if (code := node.stop()) != 0:
                self._fail(f"node {node.index} stopped with exit code {code}")
            if node.on_disk() != agreed:
                self._fail(f"node {node.index} has another state on its disk")

    def _judge_logs(self) -> None:
        for node in self._nodes:
            for line in complaints(node.output):
                self._fail(f"node {node.index} logged: {line}")

    def _count(self) -> None:
        self.report.acknowledged = self._ledger.acknowledged
        self.report.refused = self._ledger.refused
        self.report.unanswered = self._ledger.unanswered

    def _fail(self, line: str) -> None:
        self.report.outcome = "failed"
        self.report.failures = [*self.report.failures, line[:1_000]]
        self._tell(f"FAILED: {line[:1_000]}")

    def _end_nodes(self) -> None:
        for node in self._nodes:
            if node.is_running:
                # Ends a frozen one as well.
                node.kill()


def _as_few(node: SoakNode, earlier: int) -> bool:
    return node.descriptors() <= earlier + DESCRIPTORS


def _spread(seconds: list[float]) -> dict[str, float]:
    parts = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(percentile(seconds, part) * 1_000, 1) for name, part in parts.items()}


@contextmanager
def interruptible() -> Iterator[None]:
    """A SIGTERM ends what we started, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
