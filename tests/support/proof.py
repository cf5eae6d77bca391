"""Long runs with many seeds, whose outcomes are kept on record.

A seed that is on record for the revision of what is proved, or for one that differs from it in
words alone, is not run again, so that an interrupted proof goes on where it was. Uncommitted
changes are recorded as such and never skipped.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from tests.support.record import keep, read
from tests.support.revision import ROOT, revisions

PROOFS = ROOT / "docs" / "proofs"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a record. Proofs add what they count."""

    revision: str
    seed: int
    outcome: str
    seconds: float
    date: str


R = TypeVar("R", bound=Run)
Prove = Callable[[int, str], R]
"""Runs one seed for a revision; in a process of its own."""


class Proof(Generic[R]):
    """What is run, and where its outcomes go."""

    def __init__(self, name: str, prove: Prove[R], *paths: str, holds: str, seeds: int) -> None:
        """`paths` are what is proved, `holds` the outcome of a run that did not fail."""
        self._name = name
        self._prove = prove
        self._paths = paths
        self._holds = holds
        self._seeds = seeds

    def main(self, arguments: list[str] | None = None) -> int:
        """Run what is not on record. The exit status is 1 if any seed failed."""
        parser = argparse.ArgumentParser(description=f"Prove: {self._name}.")
        parser.add_argument("--seeds", type=int, default=self._seeds, help="seeds 1 to this")
        parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
        default = PROOFS / f"{self._name}.jsonl"
        parser.add_argument("--record", type=Path, default=default, help="file to append to")
        options = parser.parse_args(arguments)
        at, done = recorded(options.record, revisions(*self._paths))
        wanted = [seed for seed in range(1, options.seeds + 1) if seed not in done]
        print(f"revision {at}: {len(wanted)} of {options.seeds} seeds to run", flush=True)
        failed = 0
        for count, run in enumerate(self._runs(wanted, at, options.jobs), start=1):
            keep(run, options.record)
            failed += run.outcome != self._holds
            print(
                f"{count}/{len(wanted)} seed {run.seed}: {run.outcome} ({run.seconds} s)",
                flush=True,
            )
        return 1 if failed else 0

    def _runs(self, seeds: Iterable[int], at: str, jobs: int) -> Iterator[R]:
        """Run these seeds, several at a time, and yield them as they end."""
        threads = ThreadPoolExecutor(jobs)
        try:
            for future in as_completed([threads.submit(self._run, seed, at) for seed in seeds]):
                yield future.result()
        finally:
            threads.shutdown(cancel_futures=True)

    def _run(self, seed: int, at: str) -> R:
        """Run one seed where nothing ran before: how much memory it took at most is its own."""
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            return alone.submit(self._prove, seed, at).result()


def recorded(record: Path, revisions: Sequence[str]) -> tuple[str, set[int]]:
    """Which of these revisions of one code a proof goes on under, and the seeds on record.

    It keeps the name under which it began. Nothing is on record for what was never committed.
    """
    known = {each for each in revisions if not each.endswith("+changes")}
    runs = [run for run in read(record, Run) if run.revision in known]
    return (runs[-1].revision if runs else revisions[0]), {run.seed for run in runs}


def peak_mb() -> float:
    """The most memory that this process has held, in MB.

    Not `ru_maxrss`, which begins with what the process had that started this one.
    """
    status = Path("/proc/self/status").read_text()
    [held] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return round(int(held) * 1_024 / 1e6, 1)


def today() -> str:
    """The date, as records have it."""
    return datetime.now(UTC).date().isoformat()
