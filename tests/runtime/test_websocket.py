import pytest

from gossip.runtime.websocket import shortened


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("x" * 123, "x" * 123),
        ("x" * 124, "x" * 123),
        # The last character does not fit whole.
        ("x" * 122 + "é", "x" * 122),
    ],
)
def test_a_reason_fits_into_a_close_frame(reason: str, sent: str) -> None:
    assert shortened(reason) == sent
