"""Run the soak and keep a record of its outcome.

    python -m tests.soak [--seconds 1200] [--seed N] [--record FILE] [--keep DIRECTORY]

The seed chooses the faults and their times; real processes do not run twice the same. A failure
prints the seed and the ends of the logs. Exit status 1 if anything failed.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.benchmarks.machine import describe
from tests.soak.record import DOCUMENT, RECORD, Line, refresh
from tests.soak.soak import Soak, interruptible
from tests.support.proof import today
from tests.support.record import keep, read
from tests.support.revision import revision

SOAKED = "gossip", "gossipnode", "tests/soak"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Break real nodes on purpose.")
    parser.add_argument("--seconds", type=float, default=1_200, help="of faults (default: 1200)")
    parser.add_argument("--seed", type=int, help="chooses the faults (default: by the clock)")
    parser.add_argument("--record", type=Path, default=RECORD, help="file to append to")
    parser.add_argument("--keep", type=Path, help="directory for data and logs, kept afterwards")
    options = parser.parse_args(arguments)
    seed = int(time.time()) if options.seed is None else options.seed
    at, machine = revision(*SOAKED), describe()
    print(f"revision {at}, seed {seed}, {options.seconds:g} s", flush=True)
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        directory = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.mkdir(parents=True, exist_ok=True)
        soak = Soak(directory, seed=seed, seconds=options.seconds, tell=_tell)
        try:
            report = soak.run()
        except KeyboardInterrupt:
            print("interrupted: all nodes are ended", flush=True)
            return 130
        except Exception:
            print(f"seed {seed}\n{soak.tails()}", flush=True)
            raise
        if report.failures:
            print(f"seed {seed}\n{soak.tails()}", flush=True)
    line = Line(revision=at, date=today(), machine=machine, report=report)
    keep(line, options.record)
    if options.record == RECORD:
        refresh(DOCUMENT, read(RECORD, Line))
    print(msgspec.json.format(msgspec.json.encode(report)).decode(), flush=True)
    return 1 if report.failures else 0


def _tell(line: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
