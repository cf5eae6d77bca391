"""Sections of the document that are written anew from records, each under a heading of its own."""

from pathlib import Path

_BEFORE = "## How it is measured"
"""The heading before which a section is put where a document has none."""


def refresh(document: Path, heading: str, section: str) -> None:
    """Write the section of this heading anew, or put it before how all is measured."""
    before, found, rest = document.read_text().partition(f"{heading}\n")
    if found:
        _, following, after = rest.partition("\n## ")
        after = following.lstrip() + after
    else:
        before, following, after = before.partition(_BEFORE)
        after = following + after
    document.write_text(f"{before}{section}\n{after}")
