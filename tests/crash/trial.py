"""One node, killed at random instants: as it starts, and while it is written to."""

import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from random import Random

from tests.support.ledger import Ledger
from tests.support.ports import free_port
from tests.support.process import NodeProcess

KILLS = 3
"""How often a node is killed in one trial."""
STARTING = 0.25
"""The share of kills that hit a node as it starts."""
START = 0.6
"""Seconds within which such a kill comes: as long as a start takes."""
SERVE = 0.5
"""Seconds within which the others come."""
WRITERS = 4
KEYS = 40
DELETES = 0.15
SIZES = (10, 100, 1_000, 20_000)


class Trial:
    """What is done to a node in this directory is chosen by the seed; when it happens is not quite:
    real processes run on a clock of their own.
    """

    def __init__(self, directory: Path, seed: int) -> None:
        port = free_port()
        self._seed = seed
        self._rng = Random(f"crash {seed}")
        self._ledger = Ledger()
        self.node = NodeProcess(port, directory / "node")

    @property
    def acknowledged(self) -> int:
        """Writes that were acknowledged so far."""
        return self._ledger.acknowledged

    def run(self) -> list[str]:
        """Do it; return what is wrong. Raises `RuntimeError` where a start fails."""
        wrong: list[str] = []
        try:
            for kill in range(KILLS):
                self.node.start()
                if self._rng.random() < STARTING:
                    time.sleep(self._rng.uniform(0, START))
                    self.node.kill()
                    continue
                self.node.wait_ready()
                wrong += self._ledger.lost(self.node.client.state())
                self._write_until_killed(kill)
            self.node.start()
            self.node.wait_ready()
            wrong += self._ledger.lost(self.node.client.state()) + self._ledger.odd
            if code := self.node.stop():
                wrong.append(f"it stopped with exit code {code}")
        finally:
            if self.node.is_running:
                self.node.kill()
        return [*wrong, *self._damage()]

    def _write_until_killed(self, kill: int) -> None:
        writers = [
            threading.Thread(target=self._write, args=(Random(f"{self._seed} {kill} {number}"),))
            for number in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        time.sleep(self._rng.uniform(0, SERVE))
        self.node.kill()
        for writer in writers:
            writer.join()

    def _write(self, rng: Random) -> None:
        with suppress(OSError):
            while True:
                value = None if rng.random() < DELETES else [rng.random(), "x" * rng.choice(SIZES)]
                self._ledger.write(self.node.client, f"crash/{rng.randrange(KEYS)}", value)

    def _damage(self) -> list[str]:
        with closing(sqlite3.connect(self.node.data_dir / "gossip.sqlite3")) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchall()
        return [] if found == [("ok",)] else [f"the database is damaged: {found}"]
