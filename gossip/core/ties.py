"""Equal versions with different values, where plain peers are involved (E3).

Extended nodes agree on the greater of the two. A plain peer ignores an equal version, so that it
would keep the lesser one for ever; the winner is therefore published again one version higher, the
same entry wherever that is done. A tie may be settled by others or by a later write: it must have
stood for a while first.
"""

from collections.abc import Iterator
from random import Random

from gossip.core.config import Config

_HOUR = 3_600.0
_REMEMBERED = 10
"""Repaired keys remembered for each tie that may stand: a flood of ties is forgotten early."""


class Ties:
    """The ties that were seen and not yet repaired, and how often each key was."""

    def __init__(self, config: Config, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._standing: dict[str, tuple[int, float]] = {}
        """Key to the tied version and when it is to be repaired."""
        self._repaired: dict[str, list[float]] = {}

    def saw(self, key: str, version: int, now: float) -> None:
        """Two different entries of this key have this version."""
        held = self._standing.get(key)
        if held is not None and held[0] >= version:
            return
        if held is None and len(self._standing) >= self._config.limits.ties:
            del self._standing[next(iter(self._standing))]
        interval = self._config.interval
        self._standing[key] = version, now + interval + self._rng.uniform(0, interval)

    def due(self, now: float) -> Iterator[tuple[str, int]]:
        """Remove and return the ties that have stood for long enough, as (key, version)."""
        ready = [key for key, (_, due) in self._standing.items() if due <= now]
        for key in ready:
            version, _ = self._standing.pop(key)
            if self._may_repair(key, now):
                yield key, version

    def _may_repair(self, key: str, now: float) -> bool:
        times = [at for at in self._repaired.get(key, ()) if now - at < _HOUR]
        if len(times) >= self._config.tie_repairs:
            return False
        self._repaired.pop(key, None)
        if len(self._repaired) >= _REMEMBERED * self._config.limits.ties:
            del self._repaired[next(iter(self._repaired))]
        self._repaired[key] = [*times, now]
        return True

    def forget_old(self, now: float) -> None:
        """Drop what no longer limits anything."""
        stale = [key for key, times in self._repaired.items() if now - times[-1] >= _HOUR]
        for key in stale:
            del self._repaired[key]
