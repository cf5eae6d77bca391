"""The tables of clusters of several sizes, from the record of `make prove-sizes`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.targets import Target, Unit
from tests.simulation.sizes import Run
from tests.support import record as records
from tests.support.proof import PROOFS

RECORD = PROOFS / "sizes.jsonl"
HEADING = "## Clusters of ten to thousands, in simulation"
_BEFORE = "## How it is measured"
"""The heading before which the tables are put where a document has none."""

_INTRODUCTION = """\
The real core in virtual time, links of 50 ms, default settings; what is lost is sent again after \
0.2 s, as TCP does it. These are the latest runs on [the record](proofs/sizes.jsonl), which `make \
prove-sizes` continues, and these tables with it."""

_ROWS = (
    Target("formed", "all list all, after the last start", Unit.SECONDS),
    Target("links_most", "most links of a node", Unit.COUNT),
    Target("write_p50", "write at all, median", Unit.SECONDS),
    Target("write_p99", "the same, p99", Unit.SECONDS, 1.0),
    Target("hops_most", "most hops to any node", Unit.COUNT, 8),
    Target("copies", "copies of a write that a node is sent", Unit.TIMES, 1.3),
    Target("frames", "frames that a node sends at rest", Unit.PER_SECOND),
    Target("bytes", "bytes of them, headers included", Unit.BYTES_PER_SECOND, 500),
    Target("growth", "the same, of what it is with 100 nodes", Unit.TIMES, 1.2),
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
    return "\n\n".join(parts) + "\n"


def refresh(document: Path, runs: Sequence[Run]) -> None:
    """Write this section of the document anew, or put it before how all is measured."""
    before, found, rest = document.read_text().partition(f"{HEADING}\n")
    if found:
        _, heading, after = rest.partition("\n## ")
        after = heading.lstrip() + after
    else:
        before, heading, after = before.partition(_BEFORE)
        after = heading + after
    document.write_text(f"{before}{section(runs)}\n{after}")


def _table(runs: Sequence[Run]) -> Iterator[str]:
    yield f"| nodes | aim | {' | '.join(f'{run.nodes:,}' for run in runs)} |"
    yield f"|{'---|' * (len(runs) + 2)}"
    compared = next((run.bytes for run in runs if run.nodes == _COMPARED), None)
    for target in _ROWS:
        aim = "" if target.aim is None else target.unit.write(target.aim)
        cells = (_cell(target, _value(target, run, compared)) for run in runs)
        yield f"| {target.what} | {aim} | {' | '.join(cells)} |"
    for field in "outcome", "revision", "date":
        yield f"| {field} | | {' | '.join(getattr(run, field) for run in runs)} |"
    yield f"| took | | {' | '.join(f'{run.seconds:,.0f} s' for run in runs)} |"


def _value(target: Target, run: Run, compared: float | None) -> float | None:
    if target.figure == "growth":
        return run.bytes / compared if compared and run.nodes >= _COMPARED else None
    value: float | None = getattr(run, target.figure)
    return value


def _cell(target: Target, value: float | None) -> str:
    if value is None:
        return ""
    text = target.unit.write(value)
    return f"**{text}**" if target.met(value) is False else text
