"""The records of the detector and of the split cluster in words."""

from pathlib import Path

import pytest

from tests.benchmarks import detector, split
from tests.benchmarks.report import Records, document
from tests.simulation import detecting, splitting


def hour(seed: int, *, at: str = "abc", loss: float = 0.5, **counted: int) -> detecting.Run:
    return detecting.Run(
        revision=at,
        seed=seed,
        outcome=detecting.KEPT,
        seconds=1.0,
        date="2026-01-02",
        loss=loss,
        **counted,
    )


def parted(*, equal: float | None = 12.0, outcome: str = splitting.ONE) -> splitting.Run:
    return splitting.Run(
        revision="abc",
        seed=1,
        outcome=outcome,
        seconds=1_234.5,
        date="2026-01-02",
        nodes=997,
        apart=3_600.0,
        whole=None if equal is None else 9.5,
        equal=equal,
        keys=360,
        frames=1_000_000,
    )


def test_a_loss_has_a_row_and_suspicions_are_for_each_node_and_hour() -> None:
    runs = [
        hour(1, suspected_stalled=100, suspected=3_000, suspected_with_self_doubt=200),
        hour(2, loss=0.2, suspected=100),
        hour(3, suspected_stalled=300, suspected=1_000),
    ]
    text = detector.section(runs)
    assert "| 20% | 1 | 1.0 | 0 | 0 | 1 |  |  |" in text
    assert "| 50% | 2 | 2.0 | 0 | 2 | 20 | 20 |  |" in text


def test_only_the_latest_revision_is_told_and_removals_are_bold() -> None:
    text = detector.section([hour(1, removed=5), hour(1, at="abd"), hour(1, at="abd", removed=2)])
    assert "revision abd (2026-01-02)" in text
    assert "| 50% | 1 | 1.0 | **2** |" in text


@pytest.mark.parametrize(
    ("run", "cell"),
    [
        (parted(), "| 30.0 s | 12.0 s |"),
        (parted(equal=31.0, outcome="31.0 s"), "| 30.0 s | **31.0 s** |"),
        (parted(equal=None, outcome="a write is lost"), "|  | **a write is lost** |"),
    ],
)
def test_the_halves_are_one_again_or_it_is_bold(run: splitting.Run, cell: str) -> None:
    assert cell in split.section([run])


def test_sections_stand_in_one_order_whoever_writes_them(tmp_path: Path) -> None:
    whole = tmp_path / "whole.md"
    records = Records(detected=[hour(1)], parted=[parted()])
    whole.write_text(document({"stall": [0.01]}, "a machine", records))
    before = whole.read_text()
    assert before.index(detector.HEADING) < before.index(split.HEADING)
    detector.refresh(whole, [hour(1)])
    split.refresh(whole, [parted()])
    assert whole.read_text() == before
    whole.write_text(document({"stall": [0.01]}, "a machine", Records()))
    assert detector.HEADING not in whole.read_text()
    detector.refresh(whole, [hour(1)])
    split.refresh(whole, [parted()])
    assert whole.read_text() == before
