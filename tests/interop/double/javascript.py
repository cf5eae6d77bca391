"""JavaScript's rules for the values that JSON can carry, where Python would decide otherwise.

The plain peer checks no types: its comparisons and its arithmetic take whatever a message holds.
"""

import math
import re
from collections.abc import Hashable
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, TypeAlias


class _Undefined(Enum):
    UNDEFINED = "undefined"


Undefined: TypeAlias = Literal[_Undefined.UNDEFINED]
UNDEFINED: Final[Undefined] = _Undefined.UNDEFINED
"""What reading a missing field gives."""

EXACT = 2**53
"""Beyond it a JavaScript number cannot tell one integer from the next."""

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_RADIX = re.compile(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+")


def number(value: float) -> int | float:
    """This number as JavaScript holds it: an integer where it would be written as one."""
    if isinstance(value, int) and abs(value) <= EXACT:
        return value
    double = _double(value)
    if double.is_integer() and abs(double) < 1e21:
        return int(Decimal(repr(double)))  # the shortest digits that read as this double
    return double


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def to_number(value: Any) -> int | float:
    """`Number(value)`; NaN where there is none."""
    match value:
        case None:
            return 0
        case bool():
            return int(value)
        case int() | float():
            return value
        case str():
            return _number_in(value.strip())
        case list() | dict():
            return to_number(to_string(value))
        case _:
            return math.nan


def _number_in(text: str) -> int | float:
    if not text:
        return 0
    if _RADIX.fullmatch(text):
        return number(int(text, 0))
    if _DECIMAL.fullmatch(text):
        return number(float(text))
    infinite = {"Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}
    return infinite.get(text, math.nan)


def to_string(value: Any) -> str:
    """`String(value)` of an array or object, and of what may stand in them."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list():
            return ",".join("" if item is None else to_string(item) for item in value)
        case dict():
            return "[object Object]"
        case _:
            return "null" if value is None else "undefined"


def greater(left: Any, right: Any) -> bool:
    """`left > right`: strings by their UTF-16 units, everything else as numbers."""
    if isinstance(left, list | dict):
        left = to_string(left)
    if isinstance(right, list | dict):
        right = to_string(right)
    if isinstance(left, str) and isinstance(right, str):
        return _units(left) > _units(right)
    return to_number(left) > to_number(right)


def _units(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def one_less(value: Any) -> int | float:
    """`value - 1`."""
    return number(to_number(value) - 1)


def truthy(value: Any) -> bool:
    """`Boolean(value)`: unlike in Python, an empty array or object is true."""
    if isinstance(value, list | dict):
        return True
    return value is not UNDEFINED and value == value and bool(value)  # noqa: PLR0124 NaN


def map_key(value: Any) -> Hashable:
    """A key for what a JavaScript `Map` tells apart: `5`, `"5"` and `true` are three.

    Two arrays or objects are never the same.
    """
    if isinstance(value, list | dict):
        return object()
    return isinstance(value, bool), value
