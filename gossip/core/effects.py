"""Everything that a node wants done.

`Node.handle` returns effects in the order in which they must be carried out. None of them is
carried out twice, and none reports back except through an event.
"""

from enum import StrEnum

import msgspec

from gossip.core.entries import Entry
from gossip.core.events import LinkId, RequestId
from gossip.core.members import PeerRecord


class Effect(msgspec.Struct, frozen=True):
    """Base of all effects."""


class Send(Effect, frozen=True):
    """Queue one text frame on each of these links, in order, behind what is queued there."""

    links: tuple[LinkId, ...]
    frame: bytes
    """UTF-8 JSON, under `Limits.frame_sent`."""


class CloseLink(Effect, frozen=True):
    """Send what is queued, then close with this code. `LinkClosed` follows when it is done."""

    link: LinkId
    code: int
    reason: str


class Dial(Effect, frozen=True):
    """Open a WebSocket to this URL. Answered once, by `LinkOpened` or `DialFailed`.

    The URL passed the syntax rules of L4. The caller resolves the name, refuses forbidden
    addresses (`addresses.forbidden`) and connects to the very address that it checked.
    """

    url: str
    loopback_allowed: bool
    """The operator or a loopback peer named it; otherwise loopback addresses are forbidden."""


class SetTimer(Effect, frozen=True):
    """Let `TimerFired(timer, generation)` happen at this time; replaces the one of that name."""

    timer: str
    generation: int
    at: float
    """Monotonic seconds."""


class Commit(Effect, frozen=True):
    """Make this local write durable, then answer with `Committed` or `CommitFailed` (E7)."""

    request: RequestId
    entry: Entry
    clock_floor: int
    """Milliseconds of wall time to be persisted with it (E2)."""


class StoreEntry(Effect, frozen=True):
    """Write this entry behind: soon, coalesced by key, never dropped (E7)."""

    entry: Entry


class ForgetEntry(Effect, frozen=True):
    """Remove this tombstone from the store, unless a greater entry is there (E5)."""

    tombstone: Entry


class StorePeer(Effect, frozen=True):
    """Remember this member across restarts (M7)."""

    peer: PeerRecord


class ForgetPeer(Effect, frozen=True):
    """This member left, or its day in the graveyard is over: dial it no more after a restart."""

    node_id: str


class KeepIncarnation(Effect, frozen=True):
    """Make our next incarnation durable, then answer with `IncarnationKept` (M1).

    Tried again while the store fails; where several wait, the greatest is enough.
    """

    incarnation: int


class Fetch(Effect, frozen=True):
    """`GET` this URL of a plain peer; answered once, by `Fetched` (A4, L4).

    The caller resolves the name, refuses forbidden addresses, connects to the very address that it
    checked, follows no redirect and reads no more than `most` bytes.
    """

    url: str
    loopback_allowed: bool
    most: int


class Reply(Effect, frozen=True):
    """Answer the writer: `entry` is durable, merged and on its way to the peers; or refused."""

    request: RequestId
    entry: Entry | None
    refused: str | None = None
    """A reason of `WriteRefused`; exactly one of the two is set."""
    detail: str = ""


class NoticeKind(StrEnum):
    """What a `Notice` tells."""

    PEER_JOINED = "peer_joined"
    PEER_SUSPECTED = "peer_suspected"
    PEER_REFUTED = "peer_refuted"
    PEER_LEFT = "peer_left"
    PEER_REMOVED = "peer_removed"
    LINK_FAULTED = "link_faulted"
    BOOTSTRAP_SILENT = "bootstrap_silent"
    OWN_URL = "own_url"
    ID_TAKEN = "id_taken"


class Notice(Effect, frozen=True):
    """Something an operator wants to read about. At most one per change, none per message."""

    kind: NoticeKind
    subject: str
    """The node id, URL or key that it is about."""
    detail: str = ""


class More(Effect, frozen=True):
    """Work is left over: pass `Resumed` once everybody else had a turn (S5)."""

    hold: bool = True
    """What arrived is not worked off: take nothing from the link served last until then."""


class Pause(Effect, frozen=True):
    """Take no frame of this link before this monotonic time: it is over its rate (R2)."""

    link: LinkId
    until: float
