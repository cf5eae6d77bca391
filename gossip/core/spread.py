"""Push: which messages were seen, and what waits to be sent to whom (R3, S1, S2, S5)."""

from collections.abc import Iterable, Iterator

import msgspec

from gossip.core.config import Config
from gossip.core.encoding import encode_entry
from gossip.core.entries import Entry
from gossip.core.events import LinkId


class History:
    """Ids of messages seen, by our clock at arrival; the oldest make room (R3)."""

    def __init__(self, size: int, keep: float) -> None:
        """`keep` is in seconds: an older id is forgotten at the next `forget_old`."""
        self._size = size
        self._keep = keep
        self._seen: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, message_id: str, now: float) -> bool:
        """Remember an id. False when it was there."""
        if message_id in self._seen:
            return False
        if len(self._seen) >= self._size:
            del self._seen[next(iter(self._seen))]
        self._seen[message_id] = now
        return True

    def forget_old(self, now: float) -> None:
        """Drop what is older than `keep`."""
        horizon = now - self._keep
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] > horizon:
                return
            del self._seen[oldest]


class Batch(msgspec.Struct):
    """Entries of one `hops` value for links that lack the same ones."""

    links: tuple[LinkId, ...]
    hops: int | None
    entries: tuple[bytes, ...]
    """Encoded."""


_Item = tuple[Entry, int | None]
"""An entry and its hops."""


class _Waiting(msgspec.Struct):
    entries: dict[str, _Item]
    bytes: int = 0


class Outbox:
    """What waits to be pushed, per link and key: a newer version replaces the older one (S5).

    Links that wait for the same entries get the same frames, so that a write into a mesh is
    encoded once.
    """

    def __init__(self, config: Config) -> None:
        self._limits = config.limits
        self._waiting: dict[LinkId, _Waiting] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, entry: Entry, hops: int | None, links: Iterable[LinkId]) -> None:
        """Queue an entry for these links."""
        item = (entry, hops)
        for link in links:
            waiting = self._waiting.get(link)
            if waiting is None:
                waiting = self._waiting[link] = _Waiting({})
            replaced = waiting.entries.pop(entry.key, None)
            waiting.bytes += _size(entry) - (0 if replaced is None else _size(replaced[0]))
            waiting.entries[entry.key] = item

    def overflows(self, link: LinkId) -> bool:
        """Whether more waits for this link than a peer that reads would ever leave (S5)."""
        waiting = self._waiting.get(link)
        return waiting is not None and (
            len(waiting.entries) > self._limits.outbox_entries
            or waiting.bytes > self._limits.outbox_bytes
        )

    def drop(self, link: LinkId) -> None:
        """The link is gone."""
        self._waiting.pop(link, None)

    def take(self, writable: Iterable[LinkId]) -> Iterator[Batch]:
        """Remove and return what waits for these links, in the order of their numbers."""
        groups: dict[tuple[int, ...], tuple[list[_Item], list[LinkId]]] = {}
        for link in sorted(link for link in writable if link in self._waiting):
            items = list(self._waiting.pop(link).entries.values())
            # One `add` gives all its links the very same item: identity tells equal contents.
            groups.setdefault(tuple(map(id, items)), (items, []))[1].append(link)
        encoded: dict[int, bytes] = {}
        for items, links in groups.values():
            by_hops: dict[int | None, list[bytes]] = {}
            for entry, hops in items:
                text = encoded.get(id(entry))
                if text is None:
                    text = encoded[id(entry)] = encode_entry(entry)
                by_hops.setdefault(hops, []).append(text)
            for hops, entries in by_hops.items():
                yield Batch(tuple(links), hops, tuple(entries))


def _size(entry: Entry) -> int:
    return len(entry.key) + (0 if entry.value is None else len(entry.value))
