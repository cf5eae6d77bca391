"""Values are what a JavaScript peer would hold (E1)."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.errors import EntryFault
from gossip.core.values import canonical, depth_exceeds, normalise, parse

LIMITS = Limits()
VECTORS: list[dict[str, str]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "values.json").read_text()
)["values"]
"""Made by a JavaScript engine: see `make.mjs` beside it."""


def reason(text: bytes) -> str:
    """Why a value is refused."""
    with pytest.raises(EntryFault) as fault:
        normalise(text, LIMITS)
    return fault.value.reason


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: ascii(vector["text"])[:40])
def test_e1_a_value_is_what_javascript_holds(vector: dict[str, str]) -> None:
    ours = normalise(vector["text"].encode(), LIMITS)
    theirs = normalise(vector["javascript"].encode(), LIMITS)
    assert canonical(ours) == canonical(theirs) == vector["canonical"].encode()
    assert sha256(canonical(ours)).hexdigest() == vector["sha256"]
    assert normalise(ours, LIMITS) == ours
    assert typed(parse(ours)) == typed(parse(theirs))


def typed(value: Any) -> Any:
    """With the types of numbers, which Python's `==` does not see, and members in one order."""
    if isinstance(value, dict):
        return sorted((key, typed(item)) for key, item in value.items())
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, repr(value)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b" ", b"nul", b"NaN", b"Infinity", b"-Infinity", b"[1,]", b"{1:2}", b"{'a':1}"),
        *(b"01", b"+1", b".5", b"1.", b"1 2", b"[1", b'"a', b"\xef\xbb\xbf1", b'"\x00"', b'"\n"'),
        *(b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\\x41"', b"// 1", b"\x00"),
        *(rb'"\ud800"', rb'"\udc00\ud800"', rb'"\ud800 and more text"', rb'{"\udfff":1}'),
        *(b"1e400", b"-1e400", b"1" + b"0" * 400, b"[" + b"9" * 5_000 + b"]"),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_w9_what_no_json_text_can_carry_on_is_refused(text: bytes) -> None:
    assert reason(text) == "value-json"


def nested(depth: int) -> bytes:
    return b'{"a":[' * (depth // 2) + b"[" * (depth % 2) + b"]" * (depth % 2) + b"]}" * (depth // 2)


def test_depth_has_a_bound() -> None:
    assert normalise(nested(LIMITS.depth), LIMITS) == nested(LIMITS.depth)
    assert reason(nested(LIMITS.depth + 1)) == "depth"
    assert reason(nested(200_000)) == "depth"


def test_brackets_in_texts_do_not_count_as_depth() -> None:
    text = b'["' + rb"[\"{\\" * 100 + b'"]'
    assert not depth_exceeds(text, 1)
    assert normalise(text, LIMITS) == text


def test_siblings_do_not_count_as_depth() -> None:
    assert not depth_exceeds(b"[" + b"[]," * 100 + b"[]]", 2)
    assert depth_exceeds(b"[" + b"[]," * 100 + b"[[]]]", 2)


def test_size_has_a_bound_after_white_space_is_gone() -> None:
    largest = b'"' + b"x" * (LIMITS.value - 2) + b'"'
    assert normalise(b" " * 1_000 + largest, LIMITS) == largest
    assert reason(b'"x' + largest[1:]) == "value-size"


def test_a_text_that_never_ends_is_scanned_once() -> None:
    # Quadratic in a pattern that wants the closing quote: half a minute instead of milliseconds.
    hostile = b"[]" * 40 + b'"' + b'\\"' * 65_536
    assert not depth_exceeds(hostile, 32)
