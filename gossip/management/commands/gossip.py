"""`manage.py gossip`: what an operator does with the state of a node."""

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from gossip.core.config import Limits
from gossip.core.errors import GossipError

STANDARD = "-"
"""The standard input or output instead of a file."""
TELL_EVERY = 1.0
"""Seconds between two signs of progress."""
EXPORT = "Write the state to a file of JSON lines. The node may run meanwhile."
IMPORT = (
    "Merge such a file into the state of a node that does not run: for each key the greater"
    " version stays. All of a file is taken, or nothing."
)


class Command(BaseCommand):
    """Writes the state to a file, and merges a file into it."""

    help = "Export the state of a node to a file, or import one."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """One verb each."""
        verbs = parser.add_subparsers(dest="verb", metavar="export|import", required=True)
        export: ArgumentParser = verbs.add_parser("export", help=EXPORT, description=EXPORT)
        export.add_argument("file", help="replaced once the new one is whole; - is the output")
        read: ArgumentParser = verbs.add_parser("import", help=IMPORT, description=IMPORT)
        read.add_argument("file", help="as `export` wrote it; - is the input")

    def handle(self, *_args: Any, verb: str, file: str, **_options: Any) -> None:
        """Do it. What goes wrong is one line on standard error, and exit status 1."""
        try:
            told = _export(file) if verb == "export" else _import(file)
        except GossipError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        # Standard output may be the file.
        self.stderr.write(told, self.style.SUCCESS)


def _export(file: str) -> str:
    from gossip.stores import archive

    count = 0
    progress = _Progress("exported")
    with _replacing(file) as target:
        for count, lines in archive.written():
            target.write(lines)
            progress.at(count)
    return f"exported {count:,} entries"


def _import(file: str) -> str:
    # Models need Django's applications, which are there once a command runs.
    from gossip.stores import archive
    from gossip.stores.directory import prepare_directory
    from gossip.stores.lock import EngineLock
    from gossip.stores.migrating import prepare_database

    node = settings.GOSSIP
    latest = int(time.time() * 1_000) + node.max_clock_skew
    taken = archive.Taken()
    progress = _Progress("read")
    with _reading(file) as source:
        prepare_directory(node.data_dir)
        lock = EngineLock(node.data_dir)
        lock.acquire(node.port)
        try:
            prepare_database()
            lines = iter(partial(source.readline, archive.LINE), b"")
            try:
                for taken in archive.read(lines, Limits(), latest):
                    progress.at(taken.entries)
            except archive.ArchiveFault as fault:
                raise CommandError(f"{file}: {fault}; nothing was imported") from fault
        finally:
            lock.release()
    return f"imported {taken.entries:,} entries: {taken.newer:,} were newer than what was here"


@contextmanager
def _replacing(file: str) -> Iterator[BinaryIO]:
    """What takes the place of a file once it is whole and on disk."""
    if file == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        try:
            yield new  # type: ignore[misc]  # writes as a file does
            new.flush()
            os.fsync(new.fileno())
            Path(new.name).replace(path)
        except BaseException:
            Path(new.name).unlink()
            raise


@contextmanager
def _reading(file: str) -> Iterator[BinaryIO]:
    if file == STANDARD:
        yield sys.stdin.buffer
    else:
        with Path(file).open("rb") as source:
            yield source


class _Progress:
    """Tells on standard error how far something is, now and then, and nothing of what is quick."""

    def __init__(self, done: str) -> None:
        self._done = done
        self._due = time.monotonic() + TELL_EVERY

    def at(self, count: int) -> None:
        """So many entries are done."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + TELL_EVERY
            sys.stderr.write(f"{self._done} {count:,} entries\n")
