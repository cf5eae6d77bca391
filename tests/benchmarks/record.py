"""The runs of a benchmark that was interrupted: it goes on where it was."""

from pathlib import Path
from typing import Final

import msgspec

from tests.benchmarks.machine import identify
from tests.support.record import keep, read
from tests.support.revision import revision

_MEASURED: Final = (
    *("gossip", "gossipnode", "tests/benchmarks", "tests/support"),
    *("docs/deployment", "requirements*.txt"),
)


class Run(msgspec.Struct, frozen=True):
    """One run of one case."""

    revision: str
    machine: str
    case: str
    figures: dict[str, float]


def measured_revision() -> str:
    """The revision of what benchmarks measure and of themselves."""
    return revision(*_MEASURED)


class Record:
    """A file of runs, of which those of this revision on this machine count; with changes, none."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._revision = measured_revision()
        self._machine = identify()

    def runs(self, case: str) -> list[dict[str, float]]:
        """The figures of each run of this case that is on record."""
        if self._revision.endswith("+changes"):
            return []
        wanted = self._revision, self._machine, case
        return [
            run.figures
            for run in read(self._file, Run)
            if (run.revision, run.machine, run.case) == wanted
        ]

    def add(self, case: str, figures: dict[str, float]) -> None:
        """Keep one run."""
        keep(Run(self._revision, self._machine, case, figures), self._file)

    def clear(self) -> None:
        """Forget all of them: the report is written."""
        self._file.unlink(missing_ok=True)
