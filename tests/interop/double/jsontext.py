"""`JSON.parse` and `JSON.stringify`, where Python's `json` differs from them."""

import json
import math
from typing import Any, Never

from tests.interop.double.javascript import number

_ARRAY_INDEXES = 2**32 - 1
_DIGITS_OF_AN_EXACT_INTEGER = 15


def parse(text: str) -> Any:
    """Read one value: numbers as doubles, integer-like keys first, `1e999` as infinite.

    Raises `ValueError` for what is not JSON, `NaN` included, and `RecursionError` for what is
    nested deeper than the stack.
    """
    return json.loads(
        text,
        parse_int=_integer,
        parse_float=lambda digits: number(float(digits)),
        parse_constant=_refuse,
        object_pairs_hook=_in_order,
    )


def _integer(digits: str) -> int | float:
    exact = len(digits) <= _DIGITS_OF_AN_EXACT_INTEGER
    return int(digits) if exact else number(float(digits))


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    indexes = sorted((name for name in members if _is_index(name)), key=int)
    return {name: members[name] for name in indexes} | members if indexes else members


def _is_index(name: str) -> bool:
    if not (name.isascii() and name.isdigit()) or len(name) > 10:
        return False
    return str(int(name)) == name and int(name) < _ARRAY_INDEXES


def stringify(value: Any) -> str:
    """Write a value without blanks; what is infinite becomes `null`.

    Small floats keep Python's notation, `1e-05` for `0.00001`, which reads as the same number.
    Raises `RecursionError` for what is nested deeper than the stack.
    """
    try:
        return _dump(value)
    except ValueError:
        return _dump(_finite(value))


def _dump(value: Any) -> str:
    text = json.dumps(
        value, allow_nan=False, check_circular=False, ensure_ascii=False, separators=(",", ":")
    )
    # A lone surrogate has no UTF-8; JavaScript writes it escaped, in just this form.
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case list():
            return [_finite(item) for item in value]
        case dict():
            return {name: _finite(item) for name, item in value.items()}
        case _:
            return value
