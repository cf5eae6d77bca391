"""Those who write throughout."""

import threading
from contextlib import suppress
from random import Random

from tests.soak.nodes import Condition, SoakNode
from tests.support.client import Client
from tests.support.ledger import Ledger

KEYS = 300
"""Few enough that most writes overwrite another's, and that the state does not grow."""
PAUSE = 0.1
"""Seconds between two writes of one writer: a load that eight nodes bear on two cores."""
DELETES = 0.15
SIZES = (10, 10, 100, 1_000, 20_000)
TIMEOUT = 5.0
"""Seconds that a writer waits for an answer: a frozen node gives none."""


def fill(node: SoakNode, ledger: Ledger) -> None:
    """Write every key once, as large as they get: who is still filling looks like who leaks."""
    client = Client(node.port, timeout=TIMEOUT)
    for number in range(KEYS):
        ledger.write(client, _key(number), {"pad": "x" * max(SIZES)})


def _key(number: int) -> str:
    return f"soak/{number}"


class Writer:
    """Writes at one node in a thread of its own, until told to stop."""

    def __init__(self, node: SoakNode, ledger: Ledger, seed: int, stop: threading.Event) -> None:
        self._node = node
        self._client = Client(node.port, timeout=TIMEOUT)
        self._ledger = ledger
        self._rng = Random(f"writer {seed} {node.index}")
        self._stop = stop
        self._number = 0
        self.thread = threading.Thread(target=self._run, name=f"writer-{node.index}", daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE * self._rng.uniform(0.5, 1.5)):
            if self._node.condition is not Condition.AWAY:
                with self._node.writing:
                    self._write(_key(self._rng.randrange(KEYS)))

    def _write(self, key: str) -> None:
        value = None if self._rng.random() < DELETES else self._value()
        # A write without an answer is in the ledger as one.
        with suppress(OSError):
            self._ledger.write(self._client, key, value)

    def _value(self) -> dict[str, object]:
        self._number += 1
        pad = "x" * self._rng.choice(SIZES)
        return {"writer": self._node.index, "number": self._number, "pad": pad}
