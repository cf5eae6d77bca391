"""What the benchmark of repair measures, on a small scale, and how it is written down."""

import pytest

from tests.benchmarks import repairing
from tests.benchmarks.repairing import DIFFERING, FIELDS, HELD, session, table


@pytest.mark.parametrize("changed", [False, True])
def test_a_difference_costs_little_besides_the_entry(changed: bool) -> None:
    few, more = (session(500, differing, changed=changed) for differing in (5, 45))
    assert few.entry_bytes < few.bytes
    assert more.besides - few.besides < 40 * 60 * (2 if changed else 1)


def test_no_difference_costs_one_small_frame() -> None:
    cost = session(500, 0, changed=False)
    assert cost.frames == 1
    assert cost.besides < 300


def test_a_row_says_whether_the_aim_was_met() -> None:
    figures = {
        repairing._figure(held, differing, changed, field): [1_000.0]
        for held in HELD
        for differing in DIFFERING
        for changed in (False, True)
        for field in FIELDS
    }
    rows = [line for line in table(figures) if line.startswith("| 1")]
    assert len(rows) == len(HELD) * (2 * len(DIFFERING) - 1)
    assert rows[0].startswith("| 10,000 | none | 1,000 B | 300 B | **missed** |")
    assert rows[1].startswith("| 10,000 | 1 missing | 1,000 B | 1,060 B | yes |")
    assert rows[2].startswith("| 10,000 | 1 changed | 1,000 B | 1,120 B | yes |")


def test_what_was_not_measured_is_left_out() -> None:
    assert list(table({})) == []
