"""What clients were promised, checked at every answer.

The invariant (E7): an acknowledged write is durable at the node that answered, visible there, and
newer than what the client could have read before; later it is on every node, itself or a winner
over it.
"""

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from gossip.core.effects import Reply
from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.sim.disk import Disk

Lookup = Callable[[str], Entry | None]


class InvariantBroken(AssertionError):
    """The node under simulation broke a promise. The text says which."""


class Request(msgspec.Struct, frozen=True):
    """One write that a client waits for."""

    host: str
    key: str
    value: bytes | None
    before: Entry | None
    """What a read of the key gave when the client asked."""


class Ledger:
    """All requests of a simulation and their answers."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, Entry] = {}
        """The greatest acknowledged entry of each key."""
        self.asked: dict[str, set[bytes | None]] = {}
        """For each key, every value that a client wanted to write; None for a delete."""
        self.answers = 0
        self.refused: Counter[str] = Counter()
        self._open: dict[RequestId, Request] = {}
        self._last = 0

    @property
    def unanswered(self) -> int:
        """Requests without an answer; those to a process that died stay so for ever."""
        return len(self._open)

    def ask(self, host: str, key: str, value: bytes | None, before: Entry | None) -> RequestId:
        """Note a request and number it."""
        self._last += 1
        request = RequestId(self._last)
        self._open[request] = Request(host, key, value, before)
        self.asked.setdefault(key, set()).add(value)
        return request

    def answer(self, host: str, reply: Reply, read: Lookup, disk: Disk) -> None:
        """Check an answer against the promises and note it. Raises `InvariantBroken`."""
        request = self._open.pop(reply.request, None)
        if request is None or request.host != host:
            raise InvariantBroken(f"{host} answered twice, or what it was not asked: {reply!r}")
        one = (reply.entry is None) != (reply.refused is None)
        _require(one, "neither or both of two answers", reply)
        self.answers += 1
        if reply.entry is None:
            self.refused[str(reply.refused)] += 1
            return
        self._check(request, reply.entry, read, disk)
        if reply.entry.supersedes(self.acknowledged.get(reply.entry.key)):
            self.acknowledged[reply.entry.key] = reply.entry

    def _check(self, request: Request, entry: Entry, read: Lookup, disk: Disk) -> None:
        same = (entry.key, entry.value) == (request.key, request.value)
        _require(same, "another write answered", entry)
        newer = request.before is None or entry.version > request.before.version
        _require(newer, f"acknowledged below {request.before!r}", entry)
        _require(disk.holds(entry), "acknowledged before it was durable", entry)
        _require(_covers(read(entry.key), entry), "acknowledged before it was visible", entry)

    def check_restored(self, host: str, disk: Disk, read: Lookup) -> None:
        """Require that a restarted process shows everything on its disk. Raises."""
        for entry in disk.entries.values():
            _require(_covers(read(entry.key), entry), f"{host} restarted without it", entry)

    def missing(self, read: Lookup) -> list[Entry]:
        """Acknowledged entries that this node holds neither themselves nor a winner over them."""
        promised = self.acknowledged.values()
        return [entry for entry in promised if not _covers(read(entry.key), entry)]

    def invented(self, held: Iterable[Entry]) -> list[Entry]:
        """Entries with a value that nobody wanted to write."""
        return [
            entry
            for entry in held
            if entry.value is not None and entry.value not in self.asked.get(entry.key, ())
        ]

    def release(self, others: Iterable[Disk]) -> None:
        """A disk was lost: drop the promises that no other disk can keep."""
        disks = list(others)
        self.acknowledged = {
            key: entry
            for key, entry in self.acknowledged.items()
            if any(disk.holds(entry) for disk in disks)
        }


def _covers(held: Entry | None, entry: Entry) -> bool:
    return held is not None and not entry.supersedes(held)


def _require(kept: bool, broken: str, subject: object) -> None:
    if not kept:
        raise InvariantBroken(f"{broken}: {subject!r}")
