"""Everything that can happen to a node.

Events are immutable values. The caller creates them, in the order in which things happened, and
passes them to `Node.handle` with the instant at which it does so.
"""

from typing import NamedTuple, NewType

import msgspec

from gossip.core.conditions import Condition
from gossip.core.entries import Entry
from gossip.core.members import PeerRecord

LinkId = NewType("LinkId", int)
"""One connection, dialed or accepted. The caller numbers them upwards and never reuses a number."""

RequestId = NewType("RequestId", int)
"""One local write that somebody waits for. The caller numbers them and never reuses a number."""


class Instant(NamedTuple):
    """When something happens, by both clocks of the host."""

    monotonic: float
    """Seconds; never steps back. Every interval and time-out is measured by it."""
    wall: int
    """Milliseconds since the epoch; may step. Versions and time stamps are made from it."""


class Event(msgspec.Struct, frozen=True):
    """Base of all events."""


class Restored(Event, frozen=True):
    """Entries loaded from the store. May come many times, before `Started` only."""

    entries: tuple[Entry, ...]


class Started(Event, frozen=True):
    """The port is bound and the state is loaded: the node may speak."""

    incarnation: int
    """Persisted before this event, and greater than in any earlier life of this node (M1)."""
    clock_floor: int
    """Milliseconds: the wall time persisted last (E2); 0 on a first start."""
    peers: tuple[PeerRecord, ...] = ()
    """Members remembered from an earlier life (M7)."""
    dial_after: float = 0.0
    """Seconds until the first dials: links that another process holds come up meanwhile."""


class LinkOpened(Event, frozen=True):
    """A WebSocket connection is open in both directions."""

    link: LinkId
    dialed: str | None = None
    """The URL, exactly as in the `Dial` effect that led here; None for an accepted connection."""
    remote_is_loopback: bool = False


class DialFailed(Event, frozen=True):
    """A `Dial` effect led to no connection."""

    url: str
    refused: bool
    """The host answered that nothing listens there (evidence), rather than not answering."""


class Fetched(Event, frozen=True):
    """The answer to a `Fetch` effect."""

    url: str
    body: bytes | None
    """None where there was no answer with status 200, or too large a one."""
    seconds: float
    """How long it took."""


class FrameReceived(Event, frozen=True):
    """One complete WebSocket message, text or binary, as it came."""

    link: LinkId
    data: str | bytes


class FrameStopped(Event, frozen=True):
    """A frame that whoever holds the socket looked at and did not pass on (R1)."""

    link: LinkId
    size: int
    """Bytes."""
    fault: str | None = None
    """A reason of `FrameFault`; None: a message with entries that it has passed on before (R3)."""
    in_envelope: bool = False
    """Whether the fault is an `EnvelopeFault`."""


class LinkClosed(Event, frozen=True):
    """The connection is gone. No further event names this link."""

    link: LinkId
    code: int | None = None
    """The close code received or sent; None where the connection broke without one."""


class LinkBlocked(Event, frozen=True):
    """What was sent on this link is not draining: send no data until `LinkWritable` (S5)."""

    link: LinkId


class LinkWritable(Event, frozen=True):
    """A blocked link drains again."""

    link: LinkId


class TimerFired(Event, frozen=True):
    """A `SetTimer` effect is due. A generation that was replaced since is ignored."""

    timer: str
    generation: int


class Resumed(Event, frozen=True):
    """The node said `More`, and everybody else had a turn."""


class WriteRequested(Event, frozen=True):
    """A local client writes (`value` is JSON from `values.normalise`) or deletes (None)."""

    request: RequestId
    key: str
    value: bytes | None
    only_if: Condition | None = None
    lifetime: int | None = None
    """Milliseconds until it expires, if it does (E6)."""


class Committed(Event, frozen=True):
    """These `Commit` effects are durable. In the order of the effects (E7)."""

    requests: tuple[RequestId, ...]


class CommitFailed(Event, frozen=True):
    """These `Commit` effects were rolled back; nothing of them is stored."""

    requests: tuple[RequestId, ...]
    detail: str


class IncarnationKept(Event, frozen=True):
    """The incarnation of the last `KeepIncarnation` effect is durable."""

    incarnation: int


class DropAsideRequested(Event, frozen=True):
    """The operator does not want the version of this key that waits for its time (E4)."""

    key: str


class ForgetRequested(Event, frozen=True):
    """An operator wants a member off the lists. Ignored while we hold a link to it."""

    node_id: str


class StopRequested(Event, frozen=True):
    """Leave the cluster in order. Every later event but `LinkClosed` is ignored."""
