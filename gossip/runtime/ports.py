"""The small promises between the parts of a running node.

    transport ── Wire ──▶ driver ◀── Journal ── stores
                            ▲
    services ── NodePort ───┘

Every implementation of a port passes the contract tests of `tests/contracts`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

from gossip.core.conditions import Condition
from gossip.core.effects import Dial, Fetch
from gossip.core.entries import Entry
from gossip.core.errors import GossipError
from gossip.core.events import RequestId
from gossip.core.members import PeerRecord
from gossip.core.stats import MemberView, Overview
from gossip.runtime.feed import WatchCounts
from gossip.runtime.histogram import Histogram
from gossip.runtime.vitals import Vitals
from gossip.runtime.watch import Interest, Watch


class Wire(Protocol):
    """The sending half of one open WebSocket, whoever dialed it."""

    async def send(self, frame: str) -> None:
        """Send one text frame. Waits while the peer does not read. Does nothing once closed."""

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame, behind what was sent, and release the socket within two seconds."""


class TakenOver(GossipError):
    """Another process has taken over this node. The operator's line."""


class EpochOver(TakenOver):
    """Ours may store nothing more.

    `theirs` is the epoch in the store, None where it knows of no node any more.
    """

    def __init__(self, ours: int, theirs: int | None) -> None:
        super().__init__(
            "another process has taken over this node: the epoch is"
            f" {'gone' if theirs is None else theirs}, ours was {ours}"
        )
        self.ours = ours
        self.theirs = theirs


class Journal(Protocol):
    """Durable storage of what the node may not forget (E7).

    All methods but `close` return at once; a thread of the journal does the work, in the order of
    the calls, many calls in one transaction. Callbacks run in the event loop, in that order.
    """

    def commit(self, request: RequestId, entry: Entry, clock_floor: int) -> None:
        """Make a local write durable, then call back `committed` or `failed` with its request.

        Neither before the store tells which it was, where the connection to it broke meanwhile.
        """

    def store_entry(self, entry: Entry) -> None:
        """Write behind, coalesced by key. Kept and tried again while the store fails."""

    def forget_entry(self, tombstone: Entry) -> None:
        """Remove this tombstone, likewise, unless the store holds a greater entry by then."""

    def store_peer(self, peer: PeerRecord) -> None:
        """Remember a member, likewise."""

    def forget_peer(self, node_id: str) -> None:
        """Forget a member, likewise."""

    def keep_incarnation(self, incarnation: int, kept: Callable[[], None]) -> None:
        """Raise the node's incarnation to this, likewise but at once; then call back `kept` (M1).

        Where a greater one is asked for meanwhile, that one alone is answered.
        """

    @property
    def commit_seconds(self) -> Histogram:
        """From `commit` until it is durable, for the oldest write of each group."""

    @property
    def backlog(self) -> int:
        """Entries and peers waiting to be written behind."""

    @property
    def error(self) -> str | None:
        """What the store says while it fails; None while it works."""

    async def wait_for_room(self) -> None:
        """Return once the backlog is below its bound; at once where it is."""

    async def wait_ended(self) -> None:
        """Return once the thread has ended. Raises what ended it, if that was not `close`.

        That is `EpochOver` where another process has taken over: of ours, nothing that was not
        acknowledged before is stored. Anything else is a bug. Nothing is stored from then on.
        """

    async def close(self) -> None:
        """Write everything that waits, as far as the store lets us, and end the thread."""


class Mirror(Protocol):
    """Follows what the keys hold, outside of the process. Both methods return at once."""

    def entry(self, entry: Entry) -> None:
        """This is what its key holds from now on; it is durable, or written behind."""

    def forgotten(self, key: str) -> None:
        """This key is not known any more."""


class Guard(Protocol):
    """The right to be this node, which another process may take over."""

    @property
    def late(self) -> bool:
        """Whether `check` must come before the node does anything else. Cheap."""

    async def check(self) -> None:
        """Return once it is sure that the right is still ours. Raises `TakenOver` if not."""


Committed = Callable[[tuple[RequestId, ...]], None]
Failed = Callable[[tuple[RequestId, ...], str], None]


STEP: Final = 500
"""Entries that one step of `NodePort.entries` brings at most."""


class Unavailable(GossipError):
    """The node cannot be asked now. Nothing was changed; a little later it may answer."""


class NodePort(Protocol):
    """What services may ask of the node.

    Coroutines, iterators and `watch` are for `loop` only; `ready`, `stale_for` and `watch_counts`
    are known here and now, in any thread.

    A read that begins after a write was acknowledged, to whomever, sees that write or a later one
    of its key, and no read sees a write that is not durable. Several reads are of one moment only
    where an implementation says so. What they return nobody changes afterwards. Reads,
    `drop_aside` and `forget` may raise `Unavailable`, within seconds where nobody answers.
    """

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that asks the node."""

    @property
    def ready(self) -> bool:
        """Engine running, state loaded, store reachable, not stopping."""

    @property
    def stale_for(self) -> float:
        """Seconds since the node itself last said how it is; 0 in its own process.

        Reads go on meanwhile, and may miss what peers and time have changed since.
        """

    async def get(self, key: str) -> Entry | None:
        """The entry of this key, a tombstone included; None for a key never written."""

    def entries(self, prefix: str = "", after: str = "") -> AsyncIterator[list[Entry]]:
        """Entries whose keys have this prefix and come behind `after`, tombstones included.

        In the order of their keys, up to `STEP` at a time and never none; others have their turn
        between two steps. Each is as it was at some time after this call, and a key that is held
        all along is seen exactly once.
        """

    async def members(self) -> list[MemberView]:
        """All other members, ordered by node id."""

    async def overview(self) -> Overview:
        """This node now."""

    async def vitals(self) -> Vitals:
        """The runtime around it now."""

    async def aside(self) -> list[Entry]:
        """Versions of the future that wait to be applied (E4)."""

    async def write(
        self,
        key: str,
        value: bytes | None,
        only_if: Condition | None = None,
        lifetime: int | None = None,
    ) -> Entry:
        """Write normalised JSON, or delete (None). Returns when durable and on its way to peers.

        `lifetime`: milliseconds until it expires, if it does (E6).

        Raises `WriteRefused`, or `WriteUnanswered` when the node stops before it can tell.
        """

    async def drop_aside(self, key: str) -> None:
        """Drop the version of this key that waits, soon, and any lesser one that comes yet."""

    async def forget(self, node_id: str) -> None:
        """Take a member off the lists, soon; ignored while the node holds a link to it."""

    async def watch(
        self, interest: Interest, after: str | None, reader: asyncio.AbstractEventLoop
    ) -> Watch:
        """Watch what happens from now on, or from behind the change of this id.

        Of several writes of one key that were committed together, the last is told. What is told
        is readable before. The reader iterates and closes the watch in its own event loop.
        Raises `WatchRefused`.
        """

    @property
    def watch_counts(self) -> WatchCounts:
        """How many watch, and how many could not."""


class OpenLink(Protocol):
    """The receiving half: what a transport does with what arrives on its socket."""

    def received(self, data: str | bytes) -> bool:
        """Hand over one complete message.

        False where too much of this link waits for the node: read on after `room` only.
        """

    def stopped(self, size: int, fault: str | None = None, *, in_envelope: bool = False) -> bool:
        """Tell of a message that was not handed over; see `FrameStopped`. Answers likewise."""

    async def room(self) -> None:
        """Return once there is room for more, or more would be dropped; at once where it is so."""

    def closed(self, code: int | None) -> None:
        """The socket is gone; `code` is None where it broke without a close frame. Once, last."""


class Hub(Protocol):
    """Where transports bring the connections that opened."""

    def opened(
        self, wire: Wire, *, dialed: str | None = None, remote_is_loopback: bool = False
    ) -> OpenLink:
        """Introduce an open connection; `dialed` is the URL of the `Dial` effect, if we dialed."""


class DialRefused(GossipError):
    """A dial led to no connection. `refused`: the host answered that nothing listens there."""

    def __init__(self, detail: str, *, refused: bool = False) -> None:
        super().__init__(detail)
        self.refused = refused


class Dialer(Protocol):
    """Opens connections."""

    async def __call__(self, dial: Dial, hub: Hub) -> None:
        """Connect, introduce the connection to the hub and serve it until it closes.

        Raises `DialRefused` instead of introducing it; nothing after that.
        """


class FetchRefused(GossipError):
    """A fetch brought nothing to be read; the text says why, for the log."""


class Fetcher(Protocol):
    """Fetches from plain peers over HTTP."""

    async def __call__(self, fetch: Fetch) -> bytes:
        """Return the body of the answer, no larger than `fetch.most`.

        Raises `FetchRefused`. May be cancelled at any time.
        """
