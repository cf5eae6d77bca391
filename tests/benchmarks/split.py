"""A thousand nodes that are cut in two for an hour, from the record of `make prove-split`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks import sections
from tests.benchmarks.sections import bold
from tests.simulation.splitting import ONE, WITHIN, Run
from tests.support import record as records
from tests.support.proof import PROOFS

RECORD = PROOFS / "split.jsonl"
HEADING = "## A thousand nodes apart for an hour, in simulation"

_INTRODUCTION = """\
The real core in virtual time, on links of 20 to 30 ms. The three bootstrap peers of all are \
stopped before. Both halves are written to, at keys of their own and at the same ones, and by the \
end each has removed the members of the other. Then the network heals."""


def read(record: Path = RECORD) -> list[Run]:
    """All that is on record, in the order in which it happened."""
    return records.read(record, Run)


def section(runs: Sequence[Run]) -> str:
    """The runs at the latest revision, a column for each. There must be one."""
    return sections.of_latest(HEADING, _INTRODUCTION, "split", runs, _table)


def refresh(document: Path, runs: Sequence[Run]) -> None:
    """Write this section of the document anew."""
    sections.refresh(document, HEADING, section(runs))


def _table(runs: Sequence[Run]) -> Iterator[str]:
    rows: tuple[tuple[str, str, list[str]], ...] = (
        ("seed", "aim", [f"{run.seed}" for run in runs]),
        ("nodes", "", [f"{run.nodes:,}" for run in runs]),
        ("apart for", "", [f"{run.apart / 60:,.0f} minutes" for run in runs]),
        ("keys written meanwhile", "", [f"{run.keys:,}" for run in runs]),
        ("from healing until all list all", "", [_seconds(run.whole) for run in runs]),
        (
            "until all states are equal as well",
            f"{WITHIN:.1f} s",
            [bold(_seconds(run.equal), (run.equal or 0) > WITHIN) for run in runs],
        ),
        ("frames in all", "", [f"{run.frames:,}" for run in runs]),
        ("outcome", "", [bold(run.outcome, run.outcome != ONE) for run in runs]),
        ("took", "", [f"{run.seconds:,.0f} s" for run in runs]),
    )
    for number, (what, aim, cells) in enumerate(rows):
        yield f"| {what} | {aim} | {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'---|' * (len(runs) + 2)}"


def _seconds(taken: float | None) -> str:
    return "" if taken is None else f"{taken:,.1f} s"
