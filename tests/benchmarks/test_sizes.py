"""The record of clusters in words."""

from pathlib import Path

import msgspec

from tests.benchmarks.sizes import HEADING, read, refresh, section
from tests.simulation.sizes import KEPT, Run
from tests.support.record import keep


def run(nodes: int, *, loss: float = 0.0, **figures: float) -> Run:
    return Run(
        revision="abc",
        seed=1,
        outcome=KEPT,
        seconds=12.3,
        date="2026-01-02",
        nodes=nodes,
        loss=loss,
        **figures,  # type: ignore[arg-type]
    )


def test_there_is_a_table_for_each_loss_and_a_column_for_each_size() -> None:
    text = section([run(1_000), run(10), run(10, loss=0.05)])
    assert text.index("### 0% lost\n\n| nodes | aim | 10 | 1,000 |\n|---|---|---|---|\n") < (
        text.index("### 5% lost\n\n| nodes | aim | 10 |\n|---|---|---|\n")
    )


def test_the_latest_run_is_told_and_what_misses_its_aim_is_bold() -> None:
    text = section([run(10, write_p99=1.5), run(10, write_p99=1.0), run(100, write_p99=1.01)])
    assert "| the same, p99 | 1.00 s | 1.00 s | **1.01 s** |" in text


def test_growth_is_told_of_clusters_larger_than_a_hundred() -> None:
    small, larger = run(10, bytes=100, frames=3), run(100, bytes=400, frames=4)
    text = section([small, larger, run(1_000, bytes=500, frames=4.4)])
    growth = "\n| the same, of what it is with 100 nodes | 1.20 × |  | 1.00 × | "
    assert f"/s |{growth}1.10 × |\n| bytes of them" in text
    assert f"{growth}**1.25 ×** |\n| killed" in text


def test_what_the_largest_cluster_took_is_told() -> None:
    slow = msgspec.structs.replace(run(2_000, loss=0.05, peak_mb=9_000.0), seconds=50.0)
    text = section([run(100, peak_mb=50.0), run(2_000, peak_mb=4_000.0), slow])
    assert "| memory at most | | 50 MB | 4,000 MB |" in text
    assert "\n2,000 nodes are the most on record: 12 s on one core and 4,000 MB of memory" in text
    assert "1.0 kB for each node and each that it knows, where nothing is lost." in text
    assert "30 minutes are enough for some 24,200 nodes and 20 GB for 4,500;" in text
    assert (
        "; 10,000 would take 0 hours and 100 GB; 2,000 took 50 s where 5% is lost, and 9,000 MB. "
        "**Missed**: what is aimed at for 10,000 nodes is told of 2,000 here;"
    ) in text


def test_an_outcome_means_what_is_said_of_it() -> None:
    outcome, _, _ = KEPT.partition(",")
    text = section([run(10)])
    assert f"| outcome | | {outcome}, " in text
    assert f'"{outcome}"' in text
    assert section([]).count("\n\n") == 1


def test_what_is_not_on_record_of_it_is_not_told() -> None:
    text = section([run(1_000)])
    assert "| memory at most | |  |" in text
    assert "\n1,000 nodes are the most on record: 12 s on one core, where nothing is lost. " in text
    assert "grow with the square of the nodes. **Missed**" in text


def test_only_this_section_of_a_document_is_written_anew(tmp_path: Path) -> None:
    document, record = tmp_path / "document.md", tmp_path / "record.jsonl"
    rest = "## Aims that are missed, or nearly\n\nso\n\n## Soak\n\nruns\n"
    document.write_text(f"# Benchmarks\n\n{rest}")
    refresh(document, read(record))
    keep(run(10), record)
    refresh(document, read(record))
    refresh(document, read(record))
    text = document.read_text()
    assert text.startswith(f"# Benchmarks\n\n{HEADING}\n\n")
    assert text.count("### 0% lost") == text.count(HEADING) == 1
    assert text.count("### The largest cluster") == 1
    assert text.endswith(f".\n\n{rest}")
