"""What travels between a web process and the worker, and its one encoding.

Links are numbered by the web process that holds them, requests by the one that asks.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from gossip.core.conditions import Condition
from gossip.core.entries import Entry
from gossip.runtime.watch import Change, ChangeKind
from gossip.stores.rows import EntryTuple, entry_from_row, entry_to_row


class Item(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of all items."""


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """A WebSocket message."""

    data: bytes
    text: bool
    """Whether it came as text, in UTF-8 here."""

    @classmethod
    def of(cls, message: str | bytes) -> "Frame":
        if isinstance(message, str):
            return cls(message.encode("utf-8", "surrogatepass"), text=True)
        return cls(message, text=False)

    @property
    def message(self) -> str | bytes:
        return self.data.decode("utf-8", "surrogatepass") if self.text else self.data


# From a web process to the worker


class Opened(Item, frozen=True):
    """A peer's connection is open: a new one, or one that a worker before knew."""

    link: int
    remote_is_loopback: bool
    join: Frame | None = None
    """The last `join` that came on it, told again to a worker that has not seen it."""


class Received(Item, frozen=True):
    """One frame from a peer."""

    link: int
    frame: Frame


class Stopped(Item, frozen=True):
    """One frame that need not travel; see `FrameStopped`."""

    link: int
    size: int
    fault: str | None
    in_envelope: bool


class Closed(Item, frozen=True):
    """The socket is gone. No further item names this link."""

    link: int
    code: int | None


class Asked(Item, frozen=True):
    """A request of a client, to be answered by `Answered`."""

    request: int
    what: "Request"


class Write(Item, frozen=True):
    """See `NodePort.write`."""

    key: str
    value: bytes | None
    only_if: Condition | None
    lifetime: int | None


class DropAside(Item, frozen=True):
    """See `NodePort.drop_aside`."""

    key: str


class Forget(Item, frozen=True):
    """See `NodePort.forget`."""

    node_id: str


class Watching(Item, frozen=True):
    """Whether anybody watches at this web process. The first item of a stream.

    Answered by `Following` and then `Changes`, or by `FeedLost`.
    """

    watched: bool


Request: TypeAlias = Write | DropAside | Forget


# From the worker to a web process


class Send(Item, frozen=True):
    """One frame for a peer."""

    link: int
    frame: str


class Close(Item, frozen=True):
    """Close a link behind what was sent."""

    link: int
    code: int
    reason: str


class Answered(Item, frozen=True):
    """The answer to a request. Without anything it is done."""

    request: int
    entry: EntryTuple | None = None
    """What was written."""
    refused: str | None = None
    """A reason of `WriteRefused`."""
    unanswered: bool = False
    """The node ends, and cannot tell whether it wrote."""
    detail: str = ""


class Following(Item, frozen=True):
    """The changes behind this id follow."""

    start: str


class Changes(Item, frozen=True):
    """What happened, in order."""

    changes: tuple["ChangeTuple", ...]


class FeedLost(Item, frozen=True):
    """There are no changes, or some were lost: who watches has to look at everything again."""

    why: str


ChangeTuple: TypeAlias = tuple[str, ChangeKind, str, EntryTuple | None, str]
"""The fields of `Change`."""


# Both ways


class Flow(Item, frozen=True):
    """Whether more may be sent of one link: too much of it waits at the other end, or no more."""

    link: int
    blocked: bool


ToWorker: TypeAlias = Opened | Received | Stopped | Closed | Asked | Watching | Flow
ToWeb: TypeAlias = Send | Close | Answered | Following | Changes | FeedLost | Flow

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
decode_for_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_for_web = msgspec.msgpack.Decoder(ToWeb).decode


def written(request: int, entry: Entry) -> Answered:
    """The answer that brings what was written."""
    return Answered(request, entry_to_row(entry))


def tell(changes: Iterable[Change]) -> Changes:
    """The item that brings these."""
    return Changes(tuple(_row(change) for change in changes))


def told(item: Changes) -> Iterator[Change]:
    """What it brings."""
    for ident, kind, subject, entry, detail in item.changes:
        yield Change(ident, kind, subject, None if entry is None else entry_from_row(entry), detail)


def _row(change: Change) -> ChangeTuple:
    entry = None if change.entry is None else entry_to_row(change.entry)
    return (change.id, change.kind, change.subject, entry, change.detail)


def entry_of(answer: Answered) -> Entry | None:
    """What was written, if the request was a write that was done."""
    return None if answer.entry is None else entry_from_row(answer.entry)
