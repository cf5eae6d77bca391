"""JSON values as a JavaScript peer would hold them (E1).

A value travels and is stored as the bytes of its compact JSON text. `normalise` is the one place
where a value enters: what it returns survives JavaScript's parse and stringify unchanged, so that
every node computes the same RFC 8785 bytes and therefore the same hash.
"""

import re
from typing import TypeAlias

import msgspec
import rfc8785

from gossip.core.config import Limits
from gossip.core.errors import EntryFault

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

MAX_SAFE_INTEGER = 2**53 - 1
"""JavaScript's Number.MAX_SAFE_INTEGER: beyond it an integer is a double."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

# A text without any of these holds no number that JavaScript would change. A hit inside a string
# costs a walk over the value, nothing more.
_maybe_not_normal = re.compile(rb"\d{16}|\d[.eE]|-0").search
# A string that does not end matches up to the end of the text: each byte is looked at once.
_brackets = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL).finditer


def normalise(text: bytes, limits: Limits) -> bytes:
    """Return the compact JSON text of the value that a JavaScript peer would hold.

    Raises `EntryFault` with reason `depth`, `value-json` (malformed, NaN, lone surrogate, number
    out of range) or `value-size`.
    """
    if depth_exceeds(text, limits.depth):
        raise EntryFault("depth", f"the value is nested deeper than {limits.depth}")
    value = parse(text)
    if _maybe_not_normal(text):
        value = _as_javascript(value)
    compact = _encode(value)
    if len(compact) > limits.value:
        raise EntryFault("value-size", f"the value is larger than {limits.value} bytes")
    return compact


def parse(text: bytes) -> JSON:
    """Decode JSON text. Raises `EntryFault("value-json")`."""
    try:
        value: JSON = _decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise EntryFault("value-json", f"the value is not valid JSON: {error}") from None
    return value


def canonical(text: bytes) -> bytes:
    """The RFC 8785 bytes of a normalised value."""
    return rfc8785.dumps(parse(text))


def depth_exceeds(text: bytes, limit: int) -> bool:
    """Whether arrays and objects in this text are nested deeper than `limit`.

    Scans without recursion, and only a text with more than `limit` brackets at all.
    """
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    depth = 0
    for token in _brackets(text):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth > limit:
                    return True
            case b"]" | b"}":
                depth -= 1
    return False


def _as_javascript(value: JSON) -> JSON:
    match value:
        case bool() | None | str():
            return value
        case int():
            return value if -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER else _double(value)
        case float():
            integral = value.is_integer() and abs(value) <= MAX_SAFE_INTEGER
            return int(value) if integral else value
        case list():
            return [_as_javascript(item) for item in value]
        case dict():
            return {key: _as_javascript(item) for key, item in value.items()}


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        # JavaScript reads Infinity here, which no JSON text can carry on (W9).
        raise EntryFault("value-json", "a number is out of range") from None
