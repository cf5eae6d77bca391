"""Records: files of lines of JSON, to which each run that ended adds one."""

from pathlib import Path
from typing import TypeVar

import msgspec

L = TypeVar("L", bound=msgspec.Struct)


def read(record: Path, line: type[L]) -> list[L]:
    """All that is on record, in the order in which it happened; nothing where no record is.

    Raises `msgspec.DecodeError` where a line is damaged: it is for people to say what of it counts.
    """
    if not record.exists():
        return []
    return [msgspec.json.decode(text, type=line) for text in record.read_bytes().splitlines()]


def keep(line: msgspec.Struct, record: Path) -> None:
    """Append one line."""
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("ab") as lines:
        lines.write(msgspec.json.encode(line) + b"\n")
