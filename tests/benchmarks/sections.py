"""Sections of the document that are written anew from records, each under a heading of its own."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tests.support.proof import Run

_BEFORE = "## Aims that are missed, or nearly"
"""The heading before which a section is put where a document has none: after the last table."""

R = TypeVar("R", bound=Run)


def refresh(document: Path, heading: str, section: str) -> None:
    """Write the section of this heading anew, or put it behind the tables."""
    before, found, rest = document.read_text().partition(f"{heading}\n")
    if found:
        _, following, after = rest.partition("\n## ")
        after = following.lstrip() + after
    else:
        before, following, after = before.partition(_BEFORE)
        after = following + after
    document.write_text(f"{before}{section}\n{after}")


def of_latest(
    heading: str,
    introduction: str,
    proof: str,
    runs: Sequence[R],
    table: Callable[[Sequence[R]], Iterator[str]],
) -> str:
    """What `make prove-…` of this name has found at the latest revision. There must be a run."""
    shown = latest(runs)
    told = (
        f"These are the runs at revision {shown[-1].revision} ({shown[-1].date}), the latest on"
        f" [the record](proofs/{proof}.jsonl), which `make prove-{proof}` continues, and this table"
        " with it."
    )
    return "\n\n".join([heading, f"{introduction} {told}", "\n".join(table(shown))]) + "\n"


def latest(runs: Sequence[R]) -> list[R]:
    """The runs at the revision of the last one, in the order of their seeds."""
    return sorted(
        {run.seed: run for run in runs if run.revision == runs[-1].revision}.values(),
        key=lambda run: run.seed,
    )


def bold(text: str, wrong: bool) -> str:
    """The cell of a table, in bold where it is not as it should be."""
    return f"**{text}**" if wrong else text
