"""Run the acceptance scenario with many seeds and keep a record of the outcomes.

    python -m tests.simulation.prove_convergence [--seeds 50] [--jobs 2] [--record FILE]

A seed that is on record for the revision of the core, the simulator and these tests is not run
again, so that an interrupted proof goes on where it was. Uncommitted changes are recorded as such
and never skipped. Exit status 1 if any seed failed; the scenario of a failed seed is printed by
`python -c "from tests.simulation.acceptance import acceptance; print(acceptance(SEED))"`.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gossip.sim.ledger import InvariantBroken
from tests.simulation.acceptance import acceptance
from tests.support.revision import ROOT, revision

RECORD = ROOT / "docs" / "proofs" / "convergence.jsonl"
PROVED = "gossip/core", "gossip/sim", "tests/simulation"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the record."""

    revision: str
    seed: int
    outcome: str
    """`equal`, or what was broken."""
    virtual_seconds: float = 0.0
    frames: int = 0
    acknowledged: int = 0
    """Writes acknowledged."""
    keys: int = 0
    trace: str = ""
    seconds: float
    date: str


def prove(seed: int, at: str) -> Run:
    """Run one seed."""
    begun = time.monotonic()
    try:
        cluster = acceptance(seed).run()
    except InvariantBroken as broken:
        return Run(
            revision=at, seed=seed, outcome=str(broken), seconds=_since(begun), date=_today()
        )
    world = cluster.world
    return Run(
        revision=at,
        seed=seed,
        outcome="equal",
        virtual_seconds=round(cluster.now, 3),
        frames=world.network.traffic.frames,
        acknowledged=world.ledger.answers - world.ledger.refused.total(),
        keys=len(world.ledger.acknowledged),
        trace=world.trace.digest,
        seconds=_since(begun),
        date=_today(),
    )


def recorded(record: Path, at: str) -> set[int]:
    """The seeds on record for this revision."""
    if at.endswith("+changes") or not record.exists():
        return set()
    runs = (msgspec.json.decode(line, type=Run) for line in record.read_bytes().splitlines())
    return {run.seed for run in runs if run.revision == at}


def run_all(seeds: Iterable[int], at: str, jobs: int) -> Iterator[Run]:
    """Run these seeds, several at a time, and yield them as they end."""
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        for future in as_completed([pool.submit(prove, seed, at) for seed in seeds]):
            yield future.result()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Prove convergence with many seeds.")
    parser.add_argument("--seeds", type=int, default=50, help="seeds 1 to this (default: 50)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--record", type=Path, default=RECORD, help="file to append to")
    options = parser.parse_args(arguments)
    at = revision(*PROVED)
    done = recorded(options.record, at)
    wanted = [seed for seed in range(1, options.seeds + 1) if seed not in done]
    print(f"revision {at}: {len(wanted)} of {options.seeds} seeds to run")
    options.record.parent.mkdir(parents=True, exist_ok=True)
    failed = 0
    for count, run in enumerate(run_all(wanted, at, options.jobs), start=1):
        with options.record.open("ab") as lines:
            lines.write(msgspec.json.encode(run) + b"\n")
        failed += run.outcome != "equal"
        print(f"{count}/{len(wanted)} seed {run.seed}: {run.outcome} ({run.seconds} s)", flush=True)
    return 1 if failed else 0


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 1)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


if __name__ == "__main__":
    sys.exit(main())
