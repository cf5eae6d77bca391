"""What nodes logged that they should not have."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_LINE = re.compile(r"timestamp=(\S+) level=(\w+) event=(\"[^\"]*\"|\S*)")
_GRAVE = frozenset({"error", "critical"})
FAILING, RECOVERED = "journal_failing", "journal_recovered"
SHORTAGE = ("disk", "database")
"""What the store says of a full disk: "database or disk is full", "disk I/O error"."""


def complaints(log: Path) -> list[str]:
    """The lines of a log that tell of a defect, or of a store that did not recover."""
    return list(_complaints(log.read_text(errors="replace").splitlines()))


def _complaints(lines: Iterable[str]) -> Iterator[str]:
    failing: str | None = None
    for line in lines:
        found = _LINE.search(line)
        event = found[3] if found else ""
        if event == FAILING and any(word in line for word in SHORTAGE):
            failing = line
        elif event == RECOVERED:
            failing = None
        elif found is None or found[2] in _GRAVE or "Traceback" in line:
            # Nothing but log lines belongs there, so whatever has no level is a defect's output.
            yield line
    if failing is not None:
        yield f"not recovered: {failing}"
