"""The values that docs/protocol.md gives to whoever writes another implementation (section 10)."""

import json
import re
from pathlib import Path

from gossip.core.context import CloseCode
from gossip.core.entries import Entry
from gossip.core.members import PeerRecord
from gossip.core.packing import CELL, pack
from gossip.core.plumtree import tree_of
from gossip.core.sketch import Sketch
from gossip.core.summary import element_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
VALUE = {"b": 1.5, "a": [1, None, "€"]}


def documented(text: str) -> bool:
    return text in DOCUMENT.read_text()


def test_entries_are_hashed_as_documented() -> None:
    value = json.dumps(VALUE, ensure_ascii=False).encode()
    entry = Entry("a", 1, value)
    assert documented(f"entry hash `{entry.hash:016x}`, element `{element_of(entry):016x}`")
    assert documented(f'`{{n: 1, sum: "{entry.hash:x}"}}`')
    assert documented(f"with `expiresAt` 3 the hash is `{Entry('a', 1, value, 3).hash:016x}`")
    tombstone = Entry("a", 2, None)
    assert documented(f"hash `{tombstone.hash:016x}`, element `{element_of(tombstone):016x}`")


def test_sketches_are_made_as_documented() -> None:
    elements = 1, 0x0123456789ABCDEF
    both = Sketch(4)
    both.toggle(elements)
    assert documented(f"the first four cells of both: `{pack(both.cells, CELL)}`")
    for element in elements:
        alone = Sketch(1)
        alone.toggle([element])
        assert documented(f"`{alone.cells[0]:022x}`")


def test_members_and_trees_are_named_as_documented() -> None:
    member = PeerRecord(node_id="node-1", incarnation=2, life=1)
    assert documented(f"Member `node-1` of incarnation 2 and life 1: `{member.hash:016x}`")
    assert documented(f"Tree of origin `node-1`: `{tree_of('node-1'):016x}`")


def test_links_are_closed_with_the_documented_codes() -> None:
    [line] = [
        each for each in DOCUMENT.read_text().splitlines() if each.startswith("- Close codes")
    ]
    # Who is not admitted is not closed with a code of its own yet (K1).
    documented_codes = set(map(int, re.findall(r"\b(10\d\d|44\d\d)\b", line))) - {4401}
    ours = {code for name, code in vars(CloseCode).items() if name.isupper()}
    assert documented_codes == ours | {1001, 1009, 1013}  # the last three: of our server
