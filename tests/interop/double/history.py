"""The ids of the messages seen."""

import heapq
import itertools
import math
from collections.abc import Hashable
from typing import Any

from tests.interop.double.javascript import map_key, to_number


class History:
    """Remembers ids. It looks for old ones only when it holds more than `limit`."""

    def __init__(self, limit: int, max_age: float) -> None:
        """`max_age` is in milliseconds."""
        self._limit = limit
        self._max_age = max_age
        self._ids: set[Hashable] = set()
        self._by_age: list[tuple[float, int, Hashable]] = []
        self._arrivals = itertools.count()

    def __contains__(self, message_id: Any) -> bool:
        return map_key(message_id) in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, message_id: Any, timestamp: Any, now: int) -> None:
        """Remember an id; what the timestamp says in the future, or in no number, stays longer."""
        key = map_key(message_id)
        self._ids.add(key)
        sent = to_number(timestamp)
        if not math.isnan(sent):  # no difference with NaN exceeds anything: it never leaves
            heapq.heappush(self._by_age, (sent, next(self._arrivals), key))
        if len(self._ids) > self._limit:
            self._clean(now)

    def _clean(self, now: int) -> None:
        while self._by_age and now - self._by_age[0][0] > self._max_age:
            self._ids.discard(heapq.heappop(self._by_age)[-1])
