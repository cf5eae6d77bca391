"""The fields of messages, each checked alone: what is no such thing is None (R5, W9)."""

import re

from gossip.core.config import Limits
from gossip.core.entries import MAX_VERSION
from gossip.core.errors import EnvelopeFault
from gossip.core.messages import Roots
from gossip.core.packing import packed_size, unpack
from gossip.core.roots import Root

_is_sum = re.compile("[0-9a-f]{1,32}").fullmatch


def is_key(key: object, limits: Limits) -> bool:
    """Whether this may be a key: 1 to `limits.key` bytes of text."""
    return is_text(key, limits.key)


def is_text(value: object, most: int) -> bool:
    """Whether this is text of 1 to `most` bytes."""
    if not isinstance(value, str) or not value:
        return False
    return len(value) * 4 <= most or len(value.encode()) <= most


def text(value: object, most: int) -> str:
    """Such a text, or the empty one."""
    return value if isinstance(value, str) and is_text(value, most) else ""


def integer(value: object) -> int | None:
    """An integer in 1 … 2^53 - 1 as JavaScript writes it: never a boolean, never text (R5)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and 1 <= value <= MAX_VERSION:
        return value
    return None


def millis(value: object) -> int | None:
    """Milliseconds; clocks of JavaScript know fractions of them."""
    return integer(int(value)) if isinstance(value, float) else integer(value)


def ttl(value: object) -> int | None:
    """Hops left (R4)."""
    return value if type(value) is int and 0 <= value <= 255 else None


def count(value: object) -> int | None:
    """An integer that may be 0."""
    return 0 if value == 0 and type(value) is int else integer(value)


def numbers(packed: object, most: int, width: int) -> list[int]:
    """Up to so many packed numbers. Raises `EnvelopeFault` or `ValueError`."""
    if not isinstance(packed, str) or len(packed) > packed_size(most, width):
        raise EnvelopeFault("data")
    return unpack(packed, width)


def roots(state: object, members: object) -> Roots:
    """Those of both sets (A1)."""
    return Roots(root(state), root(members))


def root(value: object) -> Root | None:
    """Count, sum and floor of a set (A1)."""
    match value:
        case {"n": number, "sum": str(digits), **rest} if _is_sum(digits):
            n = count(number)
            floor = count(rest.get("floor")) or 0
            return None if n is None else Root(n, int(digits, 16), floor)
        case _:
            return None
