"""Measure: `python -m tests.benchmarks [case …] [--runs 3] [--write docs/benchmarks.md]`.

With `--write` every run is kept in a file until the report is written: what was interrupted goes on
where it was. The table goes to standard output, progress to standard error.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import (
    absence,
    admin,
    cost,
    crowd,
    detector,
    failures,
    halves,
    large,
    machine,
    mixed,
    repairing,
    report,
    scaled,
    sizes,
    split,
    spreading,
    throughput,
)
from tests.benchmarks.record import Record, measured_revision
from tests.soak import record as soaks
from tests.support.record import read
from tests.support.revision import ROOT

RUNS = 3
KEPT = ROOT / ".benchmarks.jsonl"
CASES: dict[str, Callable[[], dict[str, float]]] = (
    spreading.CASES
    | failures.CASES
    | absence.CASES
    | halves.CASES
    | crowd.CASES
    | mixed.CASES
    | throughput.CASES
    | scaled.CASES
    | cost.CASES
    | admin.CASES
    | large.CASES
    | repairing.CASES
)


def main() -> None:
    """Run the cases that were asked for."""
    parser = _parser()
    options = parser.parse_args()
    if unknown := set(options.cases) - CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if options.write and (options.cases or options.runs < RUNS):
        parser.error(f"--write needs all cases and at least {RUNS} runs")
    names = options.cases or list(CASES)
    described = f"{machine.describe()}; revision {measured_revision()}"
    record = Record(KEPT) if options.write else None
    figures = measure(names, options.runs, record)
    print(described)
    print("\n".join([*report.table(figures), *repairing.table(figures)]))
    if options.write:
        soaked = read(soaks.RECORD, soaks.Line)
        records = report.Records(sizes.read(), detector.read(), split.read(), soaked)
        options.write.write_text(report.document(figures, described, records))
    if record is not None:
        record.clear()


def measure(names: list[str], runs: int, record: Record | None = None) -> dict[str, list[float]]:
    """Every figure of these cases, one value for each run; those on record are not run again."""
    figures: dict[str, list[float]] = defaultdict(list)
    for name in names:
        done = [] if record is None else record.runs(name)[:runs]
        for run in range(len(done), runs):
            began = time.monotonic()
            done.append(CASES[name]())
            if record is not None:
                record.add(name, done[-1])
            seconds = time.monotonic() - began
            print(f"{name}, run {run + 1} of {runs}: {seconds:.0f} s", file=sys.stderr, flush=True)
        for measured in done:
            for figure, value in measured.items():
                figures[figure].append(value)
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("cases", nargs="*", metavar="case", help=", ".join(CASES))
    parser.add_argument("--runs", type=int, default=RUNS, help=f"default: {RUNS}")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the whole report there")
    return parser


if __name__ == "__main__":
    main()
