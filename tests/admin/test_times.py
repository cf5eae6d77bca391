"""Times as the admin writes them."""

import pytest

from gossip.admin.times import moment


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
