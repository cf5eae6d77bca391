"""A node that is mistreated: frozen, killed, its disk filled or lost."""

import os
import resource
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from tests.support.process import Launch, NodeProcess

FULL = 16_384
"""Bytes that a file of a full disk may have: less than a database, so that no commit succeeds."""


class Condition(Enum):
    """Whether anything may be asked of a node."""

    UP = "up"
    FULL = "full"
    """It answers and takes no writes."""
    AWAY = "away"
    """It does not run, is starting, or is frozen."""


class SoakNode(NodeProcess):
    """A node behind a proxy.

    Its output comes through a pipe, since a limit on its files would cut its log off too.
    """

    def __init__(self, index: int, port: int, directory: Path, launch: Launch) -> None:
        super().__init__(port, directory / f"node-{index}", launch=launch)
        self.index = index
        self.condition = Condition.AWAY
        self.life = 0
        """Counts the times that it became another: started, or woke up."""
        self.writing = threading.Lock()
        """Held by who writes at this node, or sees that nobody does."""

    def tell(self, settings: Mapping[str, str]) -> None:
        """Set variables of its environment, in addition to those set."""
        self.settings.update(settings)

    def open_output(self) -> BinaryIO:
        reading, writing = os.pipe()
        copier = threading.Thread(target=self._copy, args=(reading,), daemon=True)
        copier.start()
        return os.fdopen(writing, "wb")

    def _copy(self, reading: int) -> None:
        with os.fdopen(reading, "rb", buffering=0) as source, self.output.open("ab") as log:
            while text := source.read(65_536):
                log.write(text)
                log.flush()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nothing is expected of it meanwhile, and afterwards everything."""
        self.condition = Condition.AWAY
        yield
        self.life += 1
        self.condition = Condition.UP

    def come_up(self) -> None:
        """Start it, and return once it serves."""
        self.start()
        self.wait_ready(60)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Its process does not run (SIGSTOP)."""
        with self.away():
            try:
                self.pause()
                yield
            finally:
                self.resume()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """None of its files may grow, nor be written behind `FULL`."""
        soft, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (FULL, hard))
        self.condition = Condition.FULL
        try:
            yield
        finally:
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (soft, hard))
            self.condition = Condition.UP

    def on_disk(self) -> dict[str, int]:
        """The version of every key in its database."""
        database = f"file:{self.data_dir}/gossip.sqlite3?mode=ro"
        with closing(sqlite3.connect(database, uri=True, timeout=10)) as connection:
            return dict(connection.execute("SELECT key, version FROM gossip_entry"))
