"""The runs of a benchmark that was interrupted: it goes on where it was."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from tests.support.proof import keep
from tests.support.revision import revision

_MEASURED: Final = (
    *("gossip", "gossipnode", "tests/benchmarks", "tests/support"),
    *("docs/deployment", "requirements*.txt"),
)


class Run(msgspec.Struct, frozen=True):
    """One run of one case."""

    revision: str
    case: str
    figures: dict[str, float]


class Record:
    """A file of runs, of which those of this revision count; with changes, none does."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._revision = revision(*_MEASURED)

    def runs(self, case: str) -> list[dict[str, float]]:
        """The figures of each run of this case that is on record."""
        if self._revision.endswith("+changes"):
            return []
        return [
            run.figures
            for run in self._read()
            if (run.revision, run.case) == (self._revision, case)
        ]

    def add(self, case: str, figures: dict[str, float]) -> None:
        """Keep one run."""
        keep(Run(self._revision, case, figures), self._file)

    def clear(self) -> None:
        """Forget all of them: the report is written."""
        self._file.unlink(missing_ok=True)

    def _read(self) -> Iterator[Run]:
        if self._file.exists():
            for line in self._file.read_bytes().splitlines():
                # One that was cut off is measured again.
                with suppress(msgspec.DecodeError):
                    yield msgspec.json.decode(line, type=Run)
