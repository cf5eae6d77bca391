"""What loss and stalls do to the detector of failures, from the record of `make prove-detector`."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.benchmarks import sections
from tests.benchmarks.sections import bold
from tests.simulation.detecting import COMPARED, NODES, Run
from tests.support import record as records
from tests.support.proof import PROOFS

RECORD = PROOFS / "detector.jsonl"
HEADING = "## Hours of loss and stalls, in simulation"

_INTRODUCTION = f"""\
{NODES} nodes of the real core in virtual time, an hour for each seed, on links of 20 to 40 ms; \
what is lost is sent again after 0.2 s, as TCP does it, and at any time one node in twenty does \
nothing for five seconds. Nobody who lives may be removed from any list. Suspicions are those on \
all lists, for each node and hour; they end with the next frame of who is suspected. "Stalled" is \
who did nothing then or in the ten seconds before. The last two columns are six minutes of the \
first seed of each loss, as it is and with self-doubt switched off, which gives others more time \
where a node may be slow itself: that alone, helpers are asked in both, and [no suspicion waits \
for others](decisions.md#suspicion-shows-at-once) in either."""

_HEADS = (
    *("lost", "seeds", "hours", "removals (aim: 0)", "suspicions of nodes that stalled"),
    *("of others", "of others, with self-doubt", "without"),
)


def read(record: Path = RECORD) -> list[Run]:
    """All that is on record, in the order in which it happened."""
    return records.read(record, Run)


def section(runs: Sequence[Run]) -> str:
    """The runs at the latest revision: a row for each loss. There must be one."""
    return sections.of_latest(HEADING, _INTRODUCTION, "detector", runs, _table)


def refresh(document: Path, runs: Sequence[Run]) -> None:
    """Write this section of the document anew."""
    sections.refresh(document, HEADING, section(runs))


def _table(runs: Sequence[Run]) -> Iterator[str]:
    yield f"| {' | '.join(_HEADS)} |"
    yield f"|{'---|' * len(_HEADS)}"
    for loss in sorted({run.loss for run in runs}):
        of_it = [run for run in runs if run.loss == loss]
        removed = sum(run.removed for run in of_it)
        cells = (
            f"{loss:.0%}",
            f"{len(of_it)}",
            f"{sum(run.virtual_seconds for run in of_it) / 3_600:,.1f}",
            bold(f"{removed:,}", removed > 0),
            _rate(of_it, lambda run: run.suspected_stalled),
            _rate(of_it, lambda run: run.suspected),
            _rate(of_it, lambda run: run.suspected_with_self_doubt, COMPARED),
            _rate(of_it, lambda run: run.suspected_without_self_doubt, COMPARED),
        )
        yield f"| {' | '.join(cells)} |"


def _rate(runs: Sequence[Run], count: Callable[[Run], int | None], part: float = 1.0) -> str:
    """How many for each node and hour, where this part of the time was counted."""
    counted = [(run, found) for run in runs if (found := count(run)) is not None]
    hours = part * sum(run.nodes * run.virtual_seconds / 3_600 for run, _ in counted)
    return f"{sum(found for _, found in counted) / hours:,.0f}" if hours else ""
