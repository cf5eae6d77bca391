"""The record of soaks in words."""

from pathlib import Path

from tests.soak.record import HEADING, Line, refresh, section
from tests.soak.soak import Report
from tests.support.record import keep, read


def line(seed: int, *failures: str, seconds: float = 1_200) -> Line:
    report = Report(
        seed=seed,
        seconds=seconds,
        outcome="failed" if failures else "passed",
        failures=list(failures),
        faults={"cut": 1_000, "kill": 234},
        lag_ms={"p50": 1.5, "p99": 12.0, "max": 40.0},
        slopes=[-5.0, 1_200.0],
        heaviest_mb=[100.5, 99.0],
        descriptors={"before": [21, 22], "after": [21, 20]},
    )
    return Line(revision="abc", date="2026-01-02", machine="a machine", report=report)


def test_the_last_three_whole_runs_are_told() -> None:
    text = section([line(seed) for seed in range(1, 6)] + [line(9, seconds=120)])
    assert (
        "| run | 2026-01-02, seed 3 | 2026-01-02, seed 4 | 2026-01-02, seed 5 |\n|---|---|---|---|"
        in text
    )
    assert "| faults | 1,234 | 1,234 | 1,234 |" in text
    assert "-5, 1,200 B/s" in text
    assert "seed 9" not in text


def test_a_failure_is_called_one() -> None:
    text = section([line(1), line(2, "lost a key")])
    assert "| outcome | passed | **failed** |" in text
    assert "Seed 2 failed: `lost a key`" in text
    assert "Seed 1 failed" not in text


def test_only_the_last_section_of_a_document_is_written_anew(tmp_path: Path) -> None:
    document, record = tmp_path / "document.md", tmp_path / "record.jsonl"
    document.write_text("# Benchmarks\n\nfigures\n")
    refresh(document, read(record, Line))
    assert "Machine" not in document.read_text()
    keep(line(1), record)
    refresh(document, read(record, Line))
    keep(line(2), record)
    refresh(document, read(record, Line))
    text = document.read_text()
    assert text.startswith(f"# Benchmarks\n\nfigures\n\n{HEADING}\n\n")
    assert text.count(HEADING) == 1
    assert "seed 1 | 2026-01-02, seed 2 |" in text
