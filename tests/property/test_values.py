"""Normalisation is what a JavaScript peer does, and done once is done for good (E1)."""

import json
from typing import Any

import rfc8785
from hypothesis import given

from gossip.core.config import Limits
from gossip.core.errors import EntryFault
from gossip.core.values import MAX_SAFE_INTEGER, canonical, depth_exceeds, normalise
from tests.property.strategies import value_texts, values

LIMITS = Limits(value=10**6, depth=64)


@given(value_texts)
def test_e1_normalising_twice_changes_nothing(text: bytes) -> None:
    once = normalise(text, LIMITS)
    assert normalise(once, LIMITS) == once


@given(value_texts)
def test_e1_parse_and_stringify_of_javascript_change_nothing(text: bytes) -> None:
    ours = normalise(text, LIMITS)
    theirs = normalise(stringified(javascript(json.loads(text))), LIMITS)
    assert canonical(ours) == canonical(theirs)
    assert json.loads(ours) == json.loads(theirs)


def javascript(value: Any) -> Any:
    """The value where every number is a double and integer-like members come first."""
    if isinstance(value, dict):
        indices = [key for key in value if key.isascii() and key.isdigit() and str(int(key)) == key]
        order = sorted(indices, key=int) + [key for key in value if key not in indices]
        return {key: javascript(value[key]) for key in order}
    if isinstance(value, list):
        return [javascript(item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return float(value)


def stringified(value: Any) -> bytes:
    """JavaScript's own form of the value: that of RFC 8785, but for the order of members."""
    if isinstance(value, dict):
        members = (rfc8785.dumps(key) + b":" + stringified(item) for key, item in value.items())
        return b"{" + b",".join(members) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(stringified, value)) + b"]"
    return rfc8785.dumps(value)


@given(values)
def test_e1_no_number_is_left_that_javascript_would_change(value: Any) -> None:
    for number in numbers_of(json.loads(normalise(json.dumps(value).encode(), LIMITS))):
        if isinstance(number, int):
            assert abs(number) <= MAX_SAFE_INTEGER
        else:
            assert not number.is_integer() or abs(number) > MAX_SAFE_INTEGER


def numbers_of(value: Any) -> list[int | float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_of(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers_of(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


@given(value_texts)
def test_the_scan_for_depth_sees_what_the_parser_builds(text: bytes) -> None:
    depth = depth_of(json.loads(text))
    assert not depth_exceeds(text, depth)
    assert depth == 0 or depth_exceeds(text, depth - 1)


def depth_of(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    items = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, items), default=0)


@given(value_texts)
def test_any_text_is_normalised_or_refused(text: bytes) -> None:
    for broken in (text[:-1], text + b"]", b"[" + text, text.replace(b'"', b"\xff")):
        try:
            normalised = normalise(broken, LIMITS)
        except EntryFault:
            continue
        json.loads(normalised)
