"""The instruments of the soak: they must be able to fail."""

import threading
from pathlib import Path

import pytest

from tests.soak.logs import complaints
from tests.soak.plan import LONGEST, SPARED, Wrong, disorders, mishaps
from tests.soak.soak import NODES, Soak
from tests.soak.watch import Watch, Weight, percentile, slope


class TestPlan:
    def test_a_seed_is_a_plan(self) -> None:
        assert mishaps(1, 3, 600) == mishaps(1, 3, 600) != mishaps(2, 3, 600)
        assert (
            list(disorders(1, 8, 600)) == list(disorders(1, 8, 600)) != list(disorders(2, 8, 600))
        )

    def test_everything_ends_in_time_and_nothing_overlaps_on_a_node(self) -> None:
        for node in range(8):
            each = mishaps(1, node, 600)
            assert all(0 <= mishap.seconds <= LONGEST for mishap in each)
            ends = [mishap.at + mishap.seconds for mishap in each]
            assert ends[-1] <= 600
            assert all(end < mishap.at for end, mishap in zip(ends, each[1:], strict=False))

    def test_some_are_never_ended(self) -> None:
        ended = {Wrong.KILL, Wrong.WIPE, Wrong.STOP}
        for node in SPARED:
            assert not ended.intersection(mishap.wrong for mishap in mishaps(1, node, 6_000))
        assert ended <= {mishap.wrong for mishap in mishaps(1, max(SPARED) + 1, 6_000)}


class TestLogs:
    FAILING = 'timestamp=t level=error event=journal_failing detail="disk I/O error" backlog=1'
    RECOVERED = "timestamp=t level=info event=journal_recovered"

    @pytest.mark.parametrize(
        ("lines", "count"),
        [
            (["timestamp=t level=warning event=bootstrap_silent"], 0),
            ([FAILING, RECOVERED], 0),
            ([FAILING], 1),
            ([FAILING.replace("disk I/O error", "no such table")], 1),
            (["timestamp=t level=error event=node_failed"], 1),
            (['timestamp=t level=info event=x exception="Traceback (most"'], 1),
            (["Traceback (most recent call last):"], 1),
        ],
    )
    def test_complaints(self, tmp_path: Path, lines: list[str], count: int) -> None:
        log = tmp_path / "log"
        log.write_text("\n".join(lines))
        assert len(complaints(log)) == count


class TestWatch:
    def test_a_slope_is_of_what_counts(self) -> None:
        filling = [Weight(at, 100_000 * at) for at in range(20)]
        full = [Weight(at, 2_000_000 + 10 * at) for at in range(20, 100)]
        assert slope([*filling, *full], since=20) == pytest.approx(10)

    def test_a_percentile_of_few_is_the_greatest(self) -> None:
        assert percentile([3, 1, 2], 0.99) == 3
        assert percentile(list(range(1_000)), 0.99) == 990
        assert percentile([], 0.99) == 0


class TestMemory:
    """Two minutes, judged in the second."""

    def judged(self, directory: Path, *, growth: float, surplus: int = 0) -> list[str]:
        """What fails where the spared ones grow so many bytes a second and others weigh more."""
        soak = Soak(directory, seed=1, seconds=120, tell=lambda _: None)
        soak._half = 60.0
        watches = [Watch(node, threading.Event()) for node in soak._nodes]
        for index, watch in enumerate(watches):
            slope = growth if index in SPARED else 0.0
            size = 100_000_000 + (surplus if index not in SPARED else 0)
            watch.weights = [Weight(at, round(size + slope * at)) for at in range(120)]
        soak._judge_memory(watches)
        return soak.report.failures

    def test_a_node_that_is_full_passes(self, tmp_path: Path) -> None:
        assert self.judged(tmp_path, growth=20_000) == []

    def test_a_leak_is_found(self, tmp_path: Path) -> None:
        assert len(self.judged(tmp_path, growth=80_000)) == len(SPARED)

    def test_a_node_that_is_heavier_from_the_start_is_found(self, tmp_path: Path) -> None:
        assert len(self.judged(tmp_path, growth=0.0, surplus=5_000_000)) == NODES - len(SPARED)
