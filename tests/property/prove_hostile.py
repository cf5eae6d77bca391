"""Attack the core with many seeds and keep a record of the outcomes.

    python -m tests.property.prove_hostile [--seeds 40] [--frames 50000] [--jobs 1] [--record FILE]

A seed that is on record for the revision of the core and of these tests is not run again, so that
an interrupted proof goes on where it was. Uncommitted changes are recorded as such and never
skipped. Exit status 1 if any seed failed; `Attack(SEED).run(FRAMES)` fails again in the same way.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.property.attack import Attack
from tests.support.revision import ROOT, revision

RECORD = ROOT / "docs" / "proofs" / "hostile.jsonl"
PROVED = "gossip/core", "tests/property", "tests/support/core.py", "tests/support/frames.py"
SURVIVED = "survived"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the record."""

    revision: str
    seed: int
    frames: int
    """Frames tried."""
    outcome: str
    """`survived`, or the end of what was raised."""
    seconds: float
    date: str


def prove(seed: int, frames: int, at: str) -> Run:
    """Run one seed."""
    began = time.monotonic()
    attack = Attack(seed)
    outcome = SURVIVED
    try:
        attack.run(frames)
    except Exception:  # noqa: BLE001  # whatever it is: it is the outcome
        outcome = traceback.format_exc()[-2_000:]
    return Run(
        revision=at,
        seed=seed,
        frames=attack.frames,
        outcome=outcome,
        seconds=round(time.monotonic() - began, 1),
        date=datetime.now(UTC).date().isoformat(),
    )


def recorded(record: Path, at: str, frames: int) -> set[int]:
    """The seeds on record for this revision, with as many frames."""
    if at.endswith("+changes") or not record.exists():
        return set()
    runs = (msgspec.json.decode(line, type=Run) for line in record.read_bytes().splitlines())
    least = 0.9 * frames  # the other steps are local ones
    return {
        run.seed
        for run in runs
        if run.revision == at and (run.frames >= least or run.outcome != SURVIVED)
    }


def run_all(seeds: Iterable[int], frames: int, at: str, jobs: int) -> Iterator[Run]:
    """Run these seeds, several at a time, and yield them as they end."""
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        for future in as_completed([pool.submit(prove, seed, frames, at) for seed in seeds]):
            yield future.result()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Attack the core with mutated frames.")
    parser.add_argument("--seeds", type=int, default=40, help="seeds 1 to this (default: 40)")
    parser.add_argument("--frames", type=int, default=50_000, help="of each (default: 50000)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--record", type=Path, default=RECORD, help="file to append to")
    options = parser.parse_args(arguments)
    at = revision(*PROVED)
    done = recorded(options.record, at, options.frames)
    wanted = [seed for seed in range(1, options.seeds + 1) if seed not in done]
    print(f"revision {at}: {len(wanted)} of {options.seeds} seeds to run")
    options.record.parent.mkdir(parents=True, exist_ok=True)
    failed = 0
    runs = run_all(wanted, options.frames, at, options.jobs)
    for count, run in enumerate(runs, start=1):
        with options.record.open("ab") as lines:
            lines.write(msgspec.json.encode(run) + b"\n")
        failed += run.outcome != SURVIVED
        print(f"{count}/{len(wanted)} seed {run.seed}: {run.outcome} ({run.seconds} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
