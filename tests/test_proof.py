"""What long proofs have in common, see `tests.support.proof`."""

from pathlib import Path

import pytest

from tests.support.proof import Proof, Run, peak_mb, recorded
from tests.support.record import keep, read


def _prove(seed: int, at: str) -> Run:
    outcome = "broken" if seed == 3 else "fine"
    return Run(revision=at, seed=seed, outcome=outcome, seconds=0.0, date="2026-11-25")


def test_every_outcome_is_on_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "new" / "record.jsonl"
    proof = Proof("nothing", _prove, "README.md", holds="fine", seeds=2)
    assert proof.main(["--record", str(record)]) == 0
    assert proof.main(["--record", str(record), "--seeds", "3"]) == 1
    assert "seed 3: broken" in capsys.readouterr().out
    assert record.read_text().count("\n") >= 3


def _heavy(seed: int, at: str) -> Run:
    held = bytearray(200_000_000 if seed == 1 else 1)
    return Run(revision=at, seed=len(held), outcome="fine", seconds=peak_mb(), date="2026-11-25")


def test_what_a_seed_took_in_memory_is_its_own(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    assert (
        Proof("nothing", _heavy, "README.md", holds="fine", seeds=2).main(["--record", str(record)])
        == 0
    )
    heavy, light = (run.seconds for run in read(record, Run))
    assert light < 200 < heavy


def test_a_seed_on_record_is_not_run_again(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    assert recorded(record, ["abc"]) == ("abc", set())
    keep(_prove(1, "abc"), record)
    keep(_prove(2, "abd"), record)
    keep(_prove(1, "abc+changes"), record)
    assert recorded(record, ["abc"]) == ("abc", {1})
    assert recorded(record, ["abc+changes"]) == ("abc+changes", set())


def test_a_proof_keeps_its_name_though_words_changed(tmp_path: Path) -> None:
    record = tmp_path / "record.jsonl"
    keep(_prove(1, "abc"), record)
    keep(_prove(2, "abd"), record)
    assert recorded(record, ["abb", "abd", "abc"]) == ("abd", {1, 2})
