"""Clusters of several sizes, on networks that lose nothing or much: formed, at rest, written to,
losing members.

Each (nodes, loss) is a case, and its number is the seed: the smaller clusters come first, so that
the first few seeds are those that take minutes.
"""

import statistics
import time
from collections.abc import Iterator, Sequence

from gossip.sim.conditions import Conditions
from gossip.sim.study import Plan, Study, study
from tests.benchmarks.load import percentile
from tests.support import proof

SIZES = 10, 100, 1_000
LOSSES = 0.0, 0.05, 0.2
LARGEST = (3_000, 0.0), (4_000, 0.0), (3_000, 0.05), (3_000, 0.2)
CASES = *((nodes, loss) for nodes in SIZES for loss in LOSSES), *LARGEST
USUAL = len(SIZES) * len(LOSSES)
"""Cases that are run unless more are asked for: the largest clusters take hours."""
LATENCY = 0.05
RESEND = 0.2
"""Seconds; the shortest that Linux waits."""
WRITES = 100
KEPT = "nothing lost or missed, nobody removed"
"""The outcome of a run in which nothing happened that must not; aims are another matter."""


class Run(proof.Run, frozen=True, kw_only=True):
    """One line of the record. Times are seconds of virtual time."""

    nodes: int
    loss: float
    formed: float | None = None
    """From the last start until all listed all."""
    settled: float | None = None
    """From then until traffic fell no more; older runs did not wait for it."""
    links_most: int = 0
    write_p50: float | None = None
    """Until all have a write."""
    write_p99: float | None = None
    hops_most: int = 0
    copies: float = 0.0
    frames: float = 0.0
    """Sent by a node in a second at rest."""
    bytes: float = 0.0
    """Likewise, with the headers of TCP/IP and WebSocket."""
    killed_p50: float | None = None
    """From the end of a process until a list shows it."""
    killed_p99: float | None = None
    dark_p50: float | None = None
    """The same of hosts that answer nobody any more."""
    dark_p99: float | None = None
    dark_most: float | None = None
    suspected: int = 0
    """Suspicions of nodes that ran, on any list."""
    removed: int = 0
    peak_mb: float | None = None
    """The most memory that the process held which simulated them all."""


def plan(seed: int) -> Plan:
    """The plan of the case with this number, from 1 on; default settings."""
    nodes, loss = CASES[seed - 1]
    conditions = Conditions(latency=LATENCY, jitter=0.0, loss=loss, resend=RESEND)
    return Plan(nodes=nodes, seed=seed, conditions=conditions, writes=WRITES)


def prove(seed: int, at: str) -> Run:
    """Run one case."""
    return measure(plan(seed), at)


def measure(planned: Plan, at: str) -> Run:
    """Carry out a plan, and keep what the tables tell."""
    begun = time.monotonic()
    result = study(planned, lambda line: print(f"  {planned.nodes} nodes: {line}", flush=True))
    everywhere = [taken for taken in result.everywhere if taken is not None]
    return Run(
        revision=at,
        seed=planned.seed,
        outcome=", ".join(_wrong(result)) or KEPT,
        seconds=round(time.monotonic() - begun, 1),
        date=proof.today(),
        nodes=planned.nodes,
        loss=planned.conditions.loss,
        formed=_rounded(result.formed),
        settled=_rounded(result.settled),
        links_most=max(result.links),
        write_p50=_part(everywhere, 0.5),
        write_p99=_part(everywhere, 0.99),
        hops_most=max(result.hops, default=0),
        copies=round(result.copies, 2),
        frames=round(result.frames, 2),
        bytes=round(result.bytes, 1),
        killed_p50=_part(result.noticed, 0.5),
        killed_p99=_part(result.noticed, 0.99),
        dark_p50=_part(result.hosts_noticed, 0.5),
        dark_p99=_part(result.hosts_noticed, 0.99),
        dark_most=_part(result.hosts_noticed, 1.0),
        suspected=result.suspected,
        removed=result.removed,
        peak_mb=proof.peak_mb(),
    )


def _wrong(result: Study) -> Iterator[str]:
    """What must not happen in a cluster of any size."""
    if result.formed is None:
        yield "not formed"
    if lost := result.everywhere.count(None):
        yield f"{lost} writes not everywhere"
    if missed := result.missed + result.hosts_missed:
        yield f"{missed} ends not noticed"
    if result.removed:
        yield f"{result.removed} removals"


def _part(times: Sequence[float], part: float) -> float | None:
    if not times:
        return None
    return _rounded(statistics.median(times) if part == 0.5 else percentile(times, part))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
