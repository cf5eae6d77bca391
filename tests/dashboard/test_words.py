"""The words for people cover what the code says."""

import re
from pathlib import Path

from gossip.dashboard.words import REFUSED

PROJECT = Path(__file__).parents[2]
CORE = PROJECT / "gossip" / "core"
COUNTED = re.compile(
    r"""(?: \.refuse\( | \bfault\(link,\s | (?:Frame|Envelope|Entry)Fault\( ) "([a-z-]+)\"""",
    re.VERBOSE,
)
COMPUTED = {
    "names-too-soon", "names-blocked", "aside", "aside-dropped", "aside-full", "aside-link-full",
    "entry", "data",
}  # fmt: skip
"""Reasons that are not written where they are counted."""


def test_every_reason_for_refusing_input_has_words() -> None:
    sources = "\n".join(path.read_text() for path in sorted(CORE.glob("*.py")))
    counted = set(COUNTED.findall(sources)) | COMPUTED
    assert counted - REFUSED.keys() == set()
    assert REFUSED.keys() - counted - {"value-json", "value-size", "depth"} == set()


def test_the_documentation_names_the_same_reasons() -> None:
    document = (PROJECT / "docs" / "operations.md").read_text()
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (.+) \|$", document.split("## What is refused")[1], re.MULTILINE
    )
    assert dict(rows) == REFUSED
