"""What was acknowledged to those who write, and whether a state keeps it."""

import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from tests.support.client import Client


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

    def write(self, client: Client, key: str, value: object) -> None:
        """Set this key, or delete it where the value is None, and record what came of it.

        Raises `OSError` where nobody answered.
        """
        try:
            answer = client.delete(key) if value is None else client.post(key, value)
        except OSError:
            self.uncertain(key, value)
            raise
        if answer.status in {200, 201}:
            self.promised(key, answer.json["version"], value)
        elif answer.status == 503 and "was refused" in answer.json["message"]:
            self.turned_down(key, value)
        elif answer.status == 503:
            self.uncertain(key, value)
        elif (answer.status, value) != (404, None):
            self.odd.append(f"{key} at port {client.port}: {answer}")
