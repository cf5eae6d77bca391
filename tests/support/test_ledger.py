"""The ledger must be able to find a loss."""

import pytest

from tests.support.ledger import Ledger


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.promised("k", 5, "five")
    ledger.promised("k", 7, "seven")
    ledger.promised("k", 6, "six")
    return ledger


@pytest.mark.parametrize(
    ("entry", "lost"),
    [
        ({"version": 7, "value": "seven"}, 0),
        ({"version": 8, "value": "whatever"}, 0),
        ({"version": 6, "value": "six"}, 1),
        ({"version": 7, "value": "six"}, 1),
        ({"version": 7}, 1),
    ],
)
def test_what_was_acknowledged_must_be_there(
    ledger: Ledger, entry: dict[str, object], lost: int
) -> None:
    assert len(ledger.lost({"k": entry})) == lost


def test_a_key_must_not_vanish(ledger: Ledger) -> None:
    assert ledger.lost({}) == ["k: gone, version 7 was acknowledged"]


def test_what_was_refused_must_not_be_there(ledger: Ledger) -> None:
    ledger.turned_down("k", "refused")
    assert len(ledger.lost({"k": {"version": 9, "value": "refused"}})) == 1


def test_what_was_not_answered_may_be_there(ledger: Ledger) -> None:
    ledger.uncertain("k", "perhaps")
    assert ledger.lost({"k": {"version": 7, "value": "perhaps"}}) == []


def test_a_deletion_is_a_version_without_a_value(ledger: Ledger) -> None:
    ledger.promised("k", 9, None)
    assert ledger.lost({"k": {"version": 9}}) == []
