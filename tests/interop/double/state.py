"""The replicated keys."""

from dataclasses import dataclass
from typing import Any

from tests.interop.double.javascript import EXACT, UNDEFINED, greater, truthy
from tests.interop.double.jsontext import stringify
from tests.interop.double.settings import Quirks
from tests.interop.double.wire import present


@dataclass(frozen=True)
class Entry:
    """What stands under one key. A value may be undefined; a version may be anything."""

    key: str
    value: Any
    version: Any
    timestamp: Any

    def as_gossip(self) -> dict[str, Any]:
        return present(key=self.key, value=self.value, version=self.version)

    def as_sync(self) -> dict[str, Any]:
        return self.as_gossip() | present(timestamp=self.timestamp)

    def as_state(self) -> dict[str, Any]:
        return present(value=self.value, version=self.version, timestamp=self.timestamp)


class State:
    """The entries by key, in the order in which the keys came."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self.entries: dict[str, Entry] = {}
        self.applied = 0
        """Updates applied, local and remote: the `version` of the envelope."""
        self.last_updated: int | None = None

    def get(self, key: str) -> Any:
        """The value, or `UNDEFINED`."""
        entry = self.entries.get(key)
        return UNDEFINED if entry is None else entry.value

    def write(self, key: str, value: Any, now: int) -> Entry:
        """Write here: the version is the time, whatever stands there."""
        version = now
        stored = self._version_of(key)
        if not self._quirks.writes_without_looking and isinstance(stored, int):
            version = max(now, stored + 1)
        entry = Entry(key, value, version, now)
        self._store(entry, now)
        return entry

    def merge(self, item: Any, sent: Any, now: int) -> bool:
        """Take an entry of a `gossip` or a `sync` if it is newer; say whether it was.

        One that brings no time stamp takes that of its envelope, `sent`, if there is one.
        """
        if not isinstance(item, dict) or not isinstance(item.get("key"), str):
            return False
        value = item.get("value", UNDEFINED)
        entry = Entry(
            item["key"], value, item.get("version", UNDEFINED), item.get("timestamp", sent)
        )
        if value is UNDEFINED and not self._quirks.stores_undefined:
            return False
        if newer := self._is_newer(entry):
            self._store(entry, now)
        return newer

    def _is_newer(self, entry: Entry) -> bool:
        stored = self._version_of(entry.key)
        if not self._quirks.takes_any_version and not _is_version(entry.version):
            return False
        if not self._quirks.ignores_ties and entry.version == stored:
            return _text(entry.value) > _text(self.get(entry.key))
        return greater(entry.version, stored)

    def _version_of(self, key: str) -> Any:
        entry = self.entries.get(key)
        return entry.version if entry and truthy(entry.version) else 0

    def _store(self, entry: Entry, now: int) -> None:
        self.entries[entry.key] = entry
        self.applied += 1
        self.last_updated = now


def _is_version(version: Any) -> bool:
    return type(version) is int and 0 < version < EXACT


def _text(value: Any) -> str:
    return "" if value is UNDEFINED else stringify(value)
