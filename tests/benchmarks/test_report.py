"""The report: what it says of a figure."""

import pytest

from tests.benchmarks.load import masked, percentile
from tests.benchmarks.report import Records, document, table
from tests.benchmarks.targets import TARGETS, Unit

FIGURES = [target.figure for targets in TARGETS.values() for target in targets]


def rows(**figures: list[float]) -> list[str]:
    return [line for line in table(figures) if line.startswith("| ") and "what" not in line]


def test_a_row_has_median_range_and_aim() -> None:
    (row,) = rows(keys_100=[0.02, 0.4, 0.03])
    assert row.endswith(" | 30.0 ms | 20.0 ms – 400 ms | 500 ms | yes | 81 % after 300 s |")


@pytest.mark.parametrize(
    ("figure", "at_the_aim", "one_past_it"),
    [("kill_seen", 0.5, 0.501), ("frames_per_second", 18_000, 17_999)],
)
def test_a_miss_is_called_one(figure: str, at_the_aim: float, one_past_it: float) -> None:
    assert "| yes |" in rows(**{figure: [at_the_aim]})[0]
    assert "| **missed** |" in rows(**{figure: [one_past_it]})[0]


def test_an_aim_that_is_a_lower_bound_says_so() -> None:
    assert "| at least 60.0 s |" in rows(removed_first=[60.5])[0]
    assert "| 65.0 s |" in rows(removed_last=[60.5])[0]


def test_topics_that_were_not_measured_are_left_out() -> None:
    lines = "\n".join(table({"stall": [0.01]}))
    assert "Throughput" in lines
    assert "Spreading" not in lines


def test_every_figure_has_one_target() -> None:
    assert len(FIGURES) == len(set(FIGURES))


def test_a_document_says_how_often_and_on_what() -> None:
    text = document({figure: [1.0, 2.0, 3.0] for figure in FIGURES}, "a machine", Records())
    assert "the median of 3 runs" in text
    assert "Machine: a machine." in text
    assert text.count("\n| ") == len(FIGURES) + len(TARGETS)
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00123, Unit.MILLISECONDS, "1.23 ms"),
        (0.0123, Unit.MILLISECONDS, "12.3 ms"),
        (1.234, Unit.MILLISECONDS, "1,234 ms"),
        (83_200_000, Unit.MEGABYTES, "83.2 MB"),
    ],
)
def test_three_digits_and_a_unit(value: float, unit: Unit, text: str) -> None:
    assert unit.write(value) == text


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (51.0, 100.0)
    assert percentile([7.0], 0.99) == 7.0


@pytest.mark.parametrize(("length", "header"), [(125, 6), (126, 8), (65_535, 8), (65_536, 14)])
def test_frames_have_the_header_of_their_length(length: int, header: int) -> None:
    frame = masked([b"x" * length])
    assert len(frame) == header + length
    assert frame[0] == 0x81
    assert frame[1] & 0x80
