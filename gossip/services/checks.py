"""What may be a key, a value and a time to live; all else raises `EntryFault`."""

import math

import msgspec

from gossip.core.config import Limits
from gossip.core.errors import EntryFault
from gossip.core.values import normalise

LIMITS = Limits()
LONGEST_TTL = 3_155_760_000
"""Seconds: a hundred years. What is to stay longer needs no ttl."""


def checked_key(key: str) -> str:
    """Return what may be a key: 1 to 512 bytes of UTF-8. Raises `EntryFault("key")`."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise EntryFault("key", "the key is not valid Unicode") from None
    if not 1 <= size <= LIMITS.key:
        raise EntryFault("key", f"a key has 1 to {LIMITS.key} bytes, this one {size}")
    return key


def value_text(value: object) -> bytes:
    """The normalised JSON text of what JSON can say: Python objects, or JSON as `msgspec.Raw`."""
    return normalise(_json(value), LIMITS)


def lifetime(ttl: float | None) -> int | None:
    """Milliseconds, at least one, of a `ttl` in seconds."""
    if ttl is None:
        return None
    if not 0 < ttl <= LONGEST_TTL:
        raise EntryFault("ttl", f"a ttl is more than 0 and at most {LONGEST_TTL:,} seconds")
    return max(1, round(ttl * 1000))


def _json(value: object) -> bytes:
    if isinstance(value, msgspec.Raw):
        return bytes(value)
    _refuse_non_json(value, LIMITS.depth)
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise EntryFault("value-json", "a text of the value is not valid Unicode") from None
    except OverflowError:
        raise EntryFault("value-json", "a number of the value is out of range") from None


def _refuse_non_json(value: object, depth: int) -> None:
    """Raise `EntryFault` for what an encoder would turn into something else (NaN into null)."""
    match value:
        case None | bool() | int() | str():
            return
        case float():
            if not math.isfinite(value):
                raise EntryFault("value-json", f"JSON cannot say {value}")
        case list() | tuple() | dict() if depth == 0:
            raise EntryFault("depth", f"the value is nested deeper than {LIMITS.depth}")
        case list() | tuple():
            for item in value:
                _refuse_non_json(item, depth - 1)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise EntryFault("value-json", f"{key!r} is no text, as keys in JSON are")
                _refuse_non_json(item, depth - 1)
        case _:
            raise EntryFault("value-json", f"JSON cannot say a {type(value).__name__}")
