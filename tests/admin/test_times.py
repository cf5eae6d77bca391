"""Times as the admin writes them."""

import pytest

from gossip.admin.times import duration, moment


@pytest.mark.parametrize(
    ("millis", "text"),
    [
        (1_795_327_401_824, "2026-11-22 06:03:21 UTC"),
        (253_402_300_799_000, "9999-12-31 23:59:59 UTC"),
        (253_402_300_799_001, "253402300799001 ms"),
        (2**53 - 1, "9007199254740991 ms"),
        (0, "0 ms"),
    ],
)
def test_a_moment(millis: int, text: str) -> None:
    assert moment(millis) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")],
)
def test_a_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
