"""What JavaScript makes of values, texts and arithmetic."""

import math
from typing import Any

import pytest

from tests.interop.double.javascript import (
    UNDEFINED,
    greater,
    map_key,
    number,
    one_less,
    to_number,
    truthy,
)
from tests.interop.double.jsontext import parse, stringify


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (2, 1, True),
        (1, 1, False),
        ("2", 1, True),
        ("10", 9, True),
        ("10", "9", False),  # two strings compare as strings
        ("\U0001f600", "\uffff", False),  # by UTF-16 units
        (True, 0, True),
        (True, 1, False),
        (1e300, 2**53, True),
        (math.inf, 1e300, True),
        (math.nan, 0, False),
        (None, 0, False),
        (0, None, False),
        (1, None, True),
        (UNDEFINED, 0, False),
        (0, UNDEFINED, False),
        ("x", 0, False),
        ("", -1, True),
        ([7], 6, True),
        ([1, 2], 0, False),
        ({}, 0, False),
        ("0x10", 15, True),
    ],
)
def test_greater(left: Any, right: Any, expected: bool) -> None:
    assert greater(left, right) is expected


@pytest.mark.parametrize(
    ("ttl", "next_ttl"),
    [(5, 4), (10**9, 999_999_999), (1.5, 0.5), ("7", 6), (True, 0), (-5, -6), (None, -1)],
)
def test_one_less(ttl: Any, next_ttl: float) -> None:
    assert one_less(ttl) == next_ttl


def test_what_is_no_number() -> None:
    values: list[Any] = ["1x", "1_0", {}, UNDEFINED, [[1, 2]]]
    assert all(math.isnan(to_number(value)) for value in values)


@pytest.mark.parametrize("value", [0, "", None, False, math.nan, UNDEFINED])
def test_falsy(value: object) -> None:
    assert not truthy(value)


@pytest.mark.parametrize("value", [[], {}, "0", -1, True])
def test_truthy(value: object) -> None:
    assert truthy(value)


def test_a_map_tells_keys_apart() -> None:
    array: list[int] = []
    keys = [map_key(key) for key in (1, "1", True, None, UNDEFINED, array, array)]
    assert len(set(keys)) == len(keys)
    assert map_key(1) == map_key(1.0)


def test_an_integer_beyond_the_exact_ones_is_rounded() -> None:
    assert number(2**53) == 2**53
    assert number(2**53 + 1) == 2**53
    assert number(10**400) == math.inf


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1.0", "1"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("9007199254740993", "9007199254740992"),
        ("123456789012345678901", "123456789012345680000"),
        ("1e300", "1e+300"),
        ("1e999", "null"),
        ('{"a":[1e999,{"b":-1e999}]}', '{"a":[null,{"b":null}]}'),
        ('{"b":1,"10":2,"9":3,"01":4}', '{"9":3,"10":2,"b":1,"01":4}'),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('"\\u00e9\\ud800"', '"é\\ud800"'),
        (" [ true , null ] ", "[true,null]"),
    ],
)
def test_what_is_read_is_written_so(text: str, written: str) -> None:
    assert stringify(parse(text)) == written


@pytest.mark.parametrize("text", ["", "{", "NaN", "-Infinity", "01", "'a'", "\ufeff{}", "[1,]"])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 as JSON.parse throws one kind for all
        parse(text)


def test_the_stack_has_an_end() -> None:
    with pytest.raises(RecursionError):
        parse("[" * 100_000 + "]" * 100_000)
