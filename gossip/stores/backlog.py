"""What waits to be written behind: the newest of each key, of each member, and of ourselves."""

from collections.abc import Callable
from itertools import islice
from typing import NamedTuple, TypeVar

from gossip.core.entries import Entry
from gossip.core.members import PeerRecord

T = TypeVar("T")


class Renewal(NamedTuple):
    """The node's next incarnation."""

    incarnation: int
    kept: Callable[[], None]


class Learned(NamedTuple):
    """A part of the backlog, taken out to be written."""

    entries: dict[str, Entry]
    dropped: dict[str, Entry]
    """Tombstones to be removed; written behind the entries."""
    peers: dict[str, PeerRecord | None]
    """By node id; None is a member to be forgotten."""
    renewal: Renewal | None = None

    @property
    def size(self) -> int:
        numbers = len(self.entries), len(self.dropped), len(self.peers)
        return sum(numbers) + (self.renewal is not None)


class Backlog:
    """Entries and members in the order in which their key was first queued; not thread-safe.

    Nothing is ever dropped (E7): who fills it has to stop in time.
    """

    def __init__(self) -> None:
        self._waiting = Learned({}, {}, {})

    def __len__(self) -> int:
        return self._waiting.size

    def add_entry(self, entry: Entry) -> None:
        """Queue an entry, unless one that wins over it waits already."""
        if entry.supersedes(self._waiting.entries.get(entry.key)):
            self._waiting.entries[entry.key] = entry

    def forget_entry(self, tombstone: Entry) -> None:
        """Queue the removal of a tombstone."""
        self._waiting.dropped[tombstone.key] = tombstone

    def add_peer(self, node_id: str, peer: PeerRecord | None) -> None:
        """Queue what is known last of a member."""
        self._waiting.peers[node_id] = peer

    def add_renewal(self, renewal: Renewal) -> None:
        """Queue the node's next incarnation, unless a greater one waits already."""
        waiting = self._waiting.renewal
        if waiting is None or waiting.incarnation < renewal.incarnation:
            self._waiting = self._waiting._replace(renewal=renewal)

    def take(self, limit: int) -> Learned:
        """Take out the oldest, at most `limit`; ourselves and members, which are few, first."""
        renewal = self._waiting.renewal
        self._waiting = self._waiting._replace(renewal=None)
        peers = _take(self._waiting.peers, limit)
        entries = _take(self._waiting.entries, limit - len(peers))
        # Not before what was queued earlier of the same key.
        room = limit - len(peers) - len(entries)
        dropped = {} if self._waiting.entries else _take(self._waiting.dropped, room)
        return Learned(entries, dropped, peers, renewal)

    def put_back(self, learned: Learned) -> None:
        """Queue again what could not be written; what is newer and came meanwhile stays."""
        for entry in learned.entries.values():
            self.add_entry(entry)
        for key, tombstone in learned.dropped.items():
            self._waiting.dropped.setdefault(key, tombstone)
        for node_id, peer in learned.peers.items():
            self._waiting.peers.setdefault(node_id, peer)
        if learned.renewal is not None:
            self.add_renewal(learned.renewal)


def _take(waiting: dict[str, T], limit: int) -> dict[str, T]:
    return {key: waiting.pop(key) for key in list(islice(waiting, limit))}
