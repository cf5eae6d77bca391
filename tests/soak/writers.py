"""Those who write throughout, and what they were promised."""

import threading
from collections.abc import Mapping
from random import Random
from typing import Any

import msgspec

from tests.soak.nodes import Condition, SoakNode
from tests.support.client import Client

KEYS = 300
"""Few enough that most writes overwrite another's, and that the state does not grow."""
PAUSE = 0.1
"""Seconds between two writes of one writer: a load that eight nodes bear on two cores."""
DELETES = 0.15
SIZES = (10, 10, 100, 1_000, 20_000)
TIMEOUT = 5.0
"""Seconds that a writer waits for an answer: a frozen node gives none."""


class Promise(msgspec.Struct):
    """The greatest version acknowledged for a key, and what was written with it."""

    version: int
    values: list[object]
    """More than one where several nodes chose the same version; None is a deletion."""


class Ledger:
    """What was acknowledged. For all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._promises: dict[str, Promise] = {}
        self._unknown: dict[str, list[object]] = {}
        self._refused: dict[str, list[object]] = {}
        self.acknowledged = 0
        self.refused = 0
        self.unanswered = 0
        self.odd: list[str] = []
        """Answers that no writer should get."""

    def promised(self, key: str, version: int, value: object) -> None:
        """A write was acknowledged."""
        with self._lock:
            self.acknowledged += 1
            held = self._promises.get(key)
            if held is None or version > held.version:
                self._promises[key] = Promise(version, [value])
            elif version == held.version:
                held.values.append(value)

    def uncertain(self, key: str, value: object) -> None:
        """A write was not answered, and may have happened."""
        with self._lock:
            self.unanswered += 1
            self._unknown.setdefault(key, []).append(value)

    def turned_down(self, key: str, value: object) -> None:
        """A write was refused: it never happens."""
        with self._lock:
            self.refused += 1
            if value is not None:
                self._refused.setdefault(key, []).append(value)

    def versions(self) -> dict[str, int]:
        """The greatest version acknowledged for each key until now."""
        with self._lock:
            return {key: promise.version for key, promise in self._promises.items()}

    def lost(self, state: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """What of the promises this state, as `GET /gossip/state` has it, does not keep."""
        with self._lock:
            found = [self._broken(key, state.get(key)) for key in self._promises]
            found += [
                f"{key}: holds a value that was refused"
                for key, values in self._refused.items()
                if key in state and state[key].get("value") in values
            ]
        return [line for line in found if line is not None]

    def _broken(self, key: str, entry: Mapping[str, Any] | None) -> str | None:
        promise = self._promises[key]
        if entry is None:
            return f"{key}: gone, version {promise.version} was acknowledged"
        if entry["version"] < promise.version:
            return f"{key}: version {entry['version']}, {promise.version} was acknowledged"
        possible = [*promise.values, *self._unknown.get(key, ())]
        if entry["version"] == promise.version and entry.get("value") not in possible:
            return f"{key}: another value than was acknowledged with version {promise.version}"
        return None


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
                    self._write(f"soak/{self._rng.randrange(KEYS)}")

    def _write(self, key: str) -> None:
        value = None if self._rng.random() < DELETES else self._value()
        try:
            answer = self._client.delete(key) if value is None else self._client.post(key, value)
        except OSError:
            self._ledger.uncertain(key, value)
            return
        if answer.status in {200, 201}:
            self._ledger.promised(key, answer.json["version"], value)
        elif answer.status == 503 and "was refused" in answer.json["message"]:
            self._ledger.turned_down(key, value)
        elif answer.status == 503:
            self._ledger.uncertain(key, value)
        elif (answer.status, value) != (404, None):
            self._ledger.odd.append(f"{key} at node {self._node.index}: {answer}")

    def _value(self) -> dict[str, object]:
        self._number += 1
        pad = "x" * self._rng.choice(SIZES)
        return {"writer": self._node.index, "number": self._number, "pad": pad}
