"""The tables of clusters of several sizes, from the record of `make prove-sizes`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks import sections
from tests.benchmarks.targets import Target, Unit
from tests.simulation.sizes import CASES, USUAL, Run
from tests.support import record as records
from tests.support.proof import PROOFS

RECORD = PROOFS / "sizes.jsonl"
HEADING = "## Clusters of several sizes, in simulation"

_INTRODUCTION = """\
The real core in virtual time, links of 50 ms, default settings; what is lost is sent again after \
0.2 s, as TCP does it. These are the latest runs on [the record](proofs/sizes.jsonl), which `make \
prove-sizes` continues, and these tables with it. Each column is one run of one seed, in which \
three processes and three hosts end: what is said of the slowest list is that of one end, and \
chance."""

_MISSES = """\
### Why aims are missed

What the tables show in bold; "nothing lost or missed" means that the cluster formed, each write \
came to all, each end was seen on each list, and nobody who ran was removed. Suspicions and \
removals are counted from the first start on.

- **Bytes at rest.** In each second a node asks one member whether it lives and answers another \
one; three times in five seconds it tells a root, and every ten seconds it sends a heartbeat on \
each link, of which a crowd wants up to 12 for a node. Where nothing is lost, almost a third of \
the bytes are headers of TCP, IP and WebSocket, 60 for each frame. With 100 nodes it \
wants 8 links, with 1,000 it is 11, and beyond 1,024 always 12: that is what grows. Longer \
intervals would meet the aim, and see failures later ([what each costs](simulator.md)).
- **Copies.** A node of a crowd has [two parents](decisions.md#entries-travel-along-trees-in-a-\
crowd-two-parents-to-a-node) in the tree of each writer, where the aim is that of one, so that a \
lost packet delays fewer. The first writes of each come on all links, for there is no tree yet, \
and they are among the hundred.
- **Lost packets.** What follows a lost packet on its connection waits until that is sent again, \
after 0.2 s, after 0.4 s more, and so on. At 5 % this happens on some of the ways, at 20 % on some \
hop of most: writes are late, and some come first by a way of more hops. Answers to questions are \
late as well, so nodes that run are suspected and refute it, and each suspicion and refutation is \
news to everybody: so what a node sends grows with their number where packets are lost; [what was \
done about it](decisions.md#answers-have-the-time-that-they-take). Members have up to twice as \
long for their answers, so a dark host is seen later; last by a list without a link to it that the \
first news missed, which goes out on five links: it hears of it with a heartbeat, up to ten \
seconds later. More links at once would help, and cost bytes where there are many suspicions. Ten \
nodes list each other later than a hundred then: in a mesh each dials each, so the slowest of 45 \
dials counts, and the first packet of a connection is sent again after 1, 2 and 4 s; in a crowd \
the word of others is enough."""

_ROWS = (
    Target("formed", "all list all, after the last start", Unit.SECONDS),
    Target("settled", "at rest, after that: traffic falls no more", Unit.SECONDS),
    Target("links_most", "most links of a node", Unit.COUNT),
    Target("write_p50", "write at all, median", Unit.SECONDS),
    Target("write_p99", "the same, p99", Unit.SECONDS, 1.0),
    Target("hops_most", "most hops to any node", Unit.COUNT, 8),
    Target("copies", "copies of a write that come to a node", Unit.TIMES, 1.3),
    Target("frames", "frames that a node sends at rest", Unit.PER_SECOND),
    Target("frames_growth", "the same, of what it is with 100 nodes", Unit.TIMES, 1.2),
    Target("bytes", "bytes of them, headers included", Unit.BYTES_PER_SECOND, 500),
    Target("bytes_growth", "the same, of what it is with 100 nodes", Unit.TIMES, 1.2),
    Target("killed_p50", "killed process seen on a list, median", Unit.SECONDS),
    Target("killed_p99", "the same, p99", Unit.SECONDS, 1.0),
    Target("dark_p50", "dark host seen on a list, median", Unit.SECONDS, 4.0),
    Target("dark_p99", "the same, p99", Unit.SECONDS),
    Target("dark_most", "the same, the longest", Unit.SECONDS, 10.0),
    Target("suspected", "suspicions of nodes that ran, on any list", Unit.COUNT),
    Target("removed", "removals of such nodes", Unit.COUNT, 0),
)
_COMPARED = 100
"""Nodes of the cluster with which larger ones are compared."""
_NEVER = 10_000
"""Nodes that are not simulated; what they would take is told."""
_WITHIN = 1_800.0, 20_000.0
"""Seconds of one core, and megabytes: how many nodes these are enough for is told."""


def read(record: Path = RECORD) -> list[Run]:
    """All that is on record, in the order in which it happened."""
    return records.read(record, Run)


def section(runs: Sequence[Run]) -> str:
    """A table for each loss, a column for each size."""
    latest = {(run.loss, run.nodes): run for run in runs}
    parts = [HEADING, _INTRODUCTION]
    for loss in sorted({loss for loss, _ in latest}):
        parts.append(f"### {loss:.0%} lost")
        parts.append("\n".join(_table([latest[key] for key in sorted(latest) if key[0] == loss])))
    if latest:
        parts += [_MISSES, "### The largest cluster", _largest(list(latest.values()))]
    return "\n\n".join(parts) + "\n"


def refresh(document: Path, runs: Sequence[Run]) -> None:
    """Write this section of the document anew."""
    sections.refresh(document, HEADING, section(runs))


def _largest(runs: Sequence[Run]) -> str:
    """How large clusters get here, and why no larger."""
    nodes = max(run.nodes for run in runs)
    largest = [run for run in runs if run.nodes == nodes]
    run = min(largest, key=lambda run: run.loss)
    slowest = max(largest, key=lambda run: run.seconds)
    told = f"{nodes:,} nodes are the most on record: {run.seconds:,.0f} s on one core"
    if run.peak_mb is None:
        more = ""
    else:
        told += (
            f" and {run.peak_mb:,.0f} MB of memory, {run.peak_mb * 1e3 / nodes**2:.1f} kB for each"
            " node and each that it knows"
        )
        seconds, megabytes = _WITHIN
        in_time = nodes * (seconds / run.seconds) ** 0.5
        in_memory = nodes * (megabytes / run.peak_mb) ** 0.5
        times = (_NEVER / nodes) ** 2
        more = (
            f": by that, {seconds / 60:.0f} minutes are enough for some {_rounded(in_time)} nodes"
            f" and {megabytes / 1e3:.0f} GB for {_rounded(in_memory)}; {_NEVER:,} would take"
            f" {run.seconds * times / 3_600:,.0f} hours and {run.peak_mb * times / 1e3:,.0f} GB"
        )
    if slowest is not run:
        more += f"; {nodes:,} took {slowest.seconds:,.0f} s where {slowest.loss:.0%} is lost"
        more += "" if slowest.peak_mb is None else f", and {slowest.peak_mb:,.0f} MB"
    usual, most = CASES[USUAL - 1][0], max(nodes for nodes, _ in CASES)
    lost = f"{run.loss:.0%}" if run.loss else "nothing"
    return (
        f"{told}, where {lost} is lost. `make prove-sizes` simulates up to {usual:,}, with"
        f" `ARGS='--seeds {len(CASES)}'` up to {most:,}. What limits is that nothing is left out:"
        " each node has its own list of all others, and each newcomer is named on each link of"
        f" everybody. So work and memory grow with the square of the nodes{more}. **Missed**: what"
        f" is aimed at for {_NEVER:,} nodes is told of {nodes:,} here; the next step would be lists"
        " that simulated nodes share as long as they agree."
    )


def _rounded(nodes: float) -> str:
    return f"{round(nodes, -2):,.0f}"


def _table(runs: Sequence[Run]) -> Iterator[str]:
    yield f"| nodes | aim | {' | '.join(f'{run.nodes:,}' for run in runs)} |"
    yield f"|{'---|' * (len(runs) + 2)}"
    compared = next((run for run in runs if run.nodes == _COMPARED), None)
    for target in _ROWS:
        aim = "" if target.aim is None else target.unit.write(target.aim)
        cells = (_cell(target, _value(target, run, compared)) for run in runs)
        yield f"| {target.what} | {aim} | {' | '.join(cells)} |"
    for field in "outcome", "revision", "date":
        yield f"| {field} | | {' | '.join(getattr(run, field) for run in runs)} |"
    yield f"| took | | {' | '.join(f'{run.seconds:,.0f} s' for run in runs)} |"
    yield f"| memory at most | | {' | '.join(map(_memory, runs))} |"


def _memory(run: Run) -> str:
    return "" if run.peak_mb is None else f"{run.peak_mb:,.0f} MB"


def _value(target: Target, run: Run, compared: Run | None) -> float | None:
    figure, growth, _ = target.figure.partition("_growth")
    value: float | None = getattr(run, figure)
    if not growth:
        return value
    of = compared and getattr(compared, figure)
    return value / of if value and of and run.nodes >= _COMPARED else None


def _cell(target: Target, value: float | None) -> str:
    if value is None:
        return ""
    text = target.unit.write(value)
    return f"**{text}**" if target.met(value) is False else text
