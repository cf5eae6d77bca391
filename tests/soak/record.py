"""The record of soaks, and what `docs/benchmarks.md` says of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tests.soak.soak import Report
from tests.support.proof import PROOFS
from tests.support.revision import ROOT

RECORD = PROOFS / "soak.jsonl"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
HEADING = "## Soak"
"""Of the last section of the document."""
SHOWN = 3
WHOLE = 1_200
"""Seconds: shorter runs are on record and not shown."""

_INTRODUCTION = f"""\
Eight nodes on a bad network, killed, frozen and with full disks, written to throughout: [what is \
done and what must hold](soak.md). These are the last {SHOWN} runs of twenty minutes on \
[the record](proofs/soak.jsonl), which `make soak` continues, and this table with it."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the record."""

    revision: str
    date: str
    machine: str
    report: Report


def section(lines: Sequence[Line]) -> str:
    """What the document says of the last whole runs."""
    last = [line for line in lines if line.report.seconds >= WHOLE][-SHOWN:]
    parts = [HEADING, _INTRODUCTION]
    if last:
        parts += [f"Machine: {last[-1].machine}.", "\n".join(_table(last)), *_failures(last)]
    return "\n\n".join(parts) + "\n"


def refresh(document: Path, lines: Sequence[Line]) -> None:
    """Write the last section of the document anew, or append it."""
    before, _, _ = document.read_text().partition(HEADING)
    document.write_text(f"{before.rstrip()}\n\n{section(lines)}")


def _table(lines: Sequence[Line]) -> Iterator[str]:
    """A column for each run."""
    columns = [dict(_told(line)) for line in lines]
    for number, what in enumerate(columns[0]):
        yield f"| {what} | {' | '.join(column[what] for column in columns)} |"
        if number == 0:
            yield f"|{'---|' * (len(columns) + 1)}"


def _failures(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if line.report.failures:
            yield f"Seed {line.report.seed} failed: `{'`; `'.join(line.report.failures)}`"


def _told(line: Line) -> Iterator[tuple[str, str]]:
    report = line.report
    yield "run", f"{line.date}, seed {report.seed}"
    yield "revision", line.revision
    yield "outcome", report.outcome if not report.failures else f"**{report.outcome}**"
    yield "faults", f"{sum(report.faults.values()):,}"
    yield "writes acknowledged", f"{report.acknowledged:,}"
    yield "refused, unanswered", f"{report.refused:,}, {report.unanswered:,}"
    yield "from the last fault to equal states", f"{report.healed_seconds} s"
    yield "event-loop lag: median, p99, greatest", _spread(report.lag_ms)
    yield "the same with the wait for a processor", _spread(report.answer_ms)
    slopes = ", ".join(f"{slope:,.0f}" for slope in report.slopes)
    yield "growth of the two that live throughout", f"{slopes} B/s"
    yield "memory of the heaviest", f"{max(report.heaviest_mb)} MB"
    before, after = report.descriptors["before"], report.descriptors["after"]
    yield "descriptors of a node at most, before and after", f"{max(before)}, {max(after)}"


def _spread(milliseconds: dict[str, float]) -> str:
    return ", ".join(str(value) for value in milliseconds.values()) + " ms"
