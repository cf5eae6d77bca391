"""The record of an interrupted benchmark."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import record as module
from tests.benchmarks.record import Record


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Record]:
    """The record as it is seen at some revision on some machine."""

    def seen(revision: str, machine: str = "this one") -> Record:
        monkeypatch.setattr(module, "revision", lambda *paths: revision)
        monkeypatch.setattr(module, "identify", lambda: machine)
        return Record(tmp_path / "kept.jsonl")

    return seen


def test_runs_count_at_their_revision_and_machine_and_never_with_changes(
    at: Callable[..., Record],
) -> None:
    at("a").add("stall", {"stall": 1.0})
    at("a").add("other", {"stall": 2.0})
    at("b+changes").add("stall", {"stall": 3.0})
    assert at("a").runs("stall") == [{"stall": 1.0}]
    assert at("b").runs("stall") == []
    assert at("b+changes").runs("stall") == []
    assert at("a", "another Python").runs("stall") == []
    at("a").clear()
    assert at("a").runs("stall") == []


def test_what_is_on_record_is_not_measured_again(
    at: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter((2.0, 3.0, 4.0))
    monkeypatch.setitem(benchmarks.CASES, "case", lambda: {"figure": next(values)})
    at("a").add("case", {"figure": 1.0})
    assert benchmarks.measure(["case"], 2, at("a")) == {"figure": [1.0, 2.0]}
    assert benchmarks.measure(["case"], 2, at("a")) == {"figure": [1.0, 2.0]}
    assert benchmarks.measure(["case"], 1) == {"figure": [3.0]}
