"""The five message types in all their shapes, as typed values (W2–W8, plain-peer samples).

`decoding.decode` makes them from bytes. A body says what was sent, not whether it is believed: that
is the node's business.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from gossip.core.members import PeerRecord
from gossip.core.roots import Root


class Roots(NamedTuple):
    """What a node says of its two sets; None where it did not say."""

    state: Root | None
    members: Root | None


class Pulled(NamedTuple):
    """Somebody pulled the state of a plain peer (A4)."""

    node_id: str
    updates: int
    """How many it had applied then, by its own count."""
    time: int
    """Milliseconds of the puller's clock."""


class Standing(StrEnum):
    """What news says of a member; of the same incarnation, the later ones here win (M1)."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    LEFT = "left"
    DEAD = "dead"


class NewsItem(NamedTuple):
    """News of an extended member (M2, M5)."""

    node_id: str
    incarnation: int
    standing: Standing
    life: int | None = None
    """Of who is alive: that of this incarnation, where it is another number (M1)."""


class Join(msgspec.Struct, frozen=True):
    """Full information about the sender (W3), or about whoever's `join` was relayed."""

    record: PeerRecord
    roots: Roots


class PeerList(msgspec.Struct, frozen=True):
    """Names: `peer_discovery`, `peer_announcement`, or the `members` of an extended peer (M5)."""

    records: tuple[PeerRecord, ...]
    """Only an extended peer names members without an endpoint: it holds a link to them (M8)."""
    refused: int = 0
    """Names left out because they were malformed or too many; of a very long list one at least."""
    answer: bool = False
    """We asked for it: everybody else can ask as well, and need not be told."""
    discovery: bool = False
    """`peer_discovery`, which only the speaker itself sends, and only a plain one."""


class Leave(msgspec.Struct, frozen=True):
    """The sender leaves in order (W5)."""

    reason: str


class Entries(msgspec.Struct, frozen=True):
    """One update (`gossip`) or many (`sync` array), each still as JSON text."""

    items: Iterable[bytes]
    """A tuple, or for a long array something that finds them one by one."""
    hops: int | None
    """Hops left among extended peers; None where the sender did not say (S2)."""


class Heartbeat(msgspec.Struct, frozen=True):
    """The sender is alive (W8)."""

    timestamp: int | None
    """Milliseconds of the sender's clock."""
    roots: Roots
    pulled: tuple["Pulled", ...] = ()
    """Plain peers whose state the sender has pulled (A4)."""
    incarnation: int | None = None
    """The sender's; greater than in its `join` once it refuted a suspicion."""
    life: int = 0
    """The incarnation with which it began."""
    news: tuple[NewsItem, ...] = ()
    news_refused: int = 0
    """Items left out because they were malformed or too many."""


class RootExchange(msgspec.Struct, frozen=True):
    """`x: root`: the sender's roots; the answer to one says that its sender has far more (A2)."""

    roots: Roots
    answer: bool


class PageRequest(msgspec.Struct, frozen=True):
    """`x: page` without entries: send me the entries behind this key (A2, A3)."""

    after: str | None


class Page(msgspec.Struct, frozen=True):
    """`x: page` with entries: a part of the sender's state, in the order of its keys."""

    entries: Entries
    after: str | None
    """Behind which key it begins, as was asked for; None: with the first."""
    next: str | None
    """Ask for what comes behind this key; None at the end."""
    root: Root | None


class SketchRequest(msgspec.Struct, frozen=True):
    """`x: sketch` without cells: send me cells of the sketch of your set (A2, A3)."""

    range: str
    """Hexadecimal digits with which the elements begin; empty for the whole set."""
    first: int
    """The first cell wanted, unless the set is no longer the one with this root: then all."""
    size: int
    """The cell behind the last one wanted."""
    root: Root | None


class Cells(msgspec.Struct, frozen=True):
    """`x: sketch` with cells: those of the sender's sketch from `first` on."""

    range: str
    first: int
    cells: tuple[int, ...]
    root: Root
    """Of the whole set to which the cells belong."""


class Want(msgspec.Struct, frozen=True):
    """`x: want` with items: send me these entries (A2, A3)."""

    items: tuple[tuple[int, int], ...]
    """Element, and the version of its key that is not to be sent unless it is reached."""


class Wanted(msgspec.Struct, frozen=True):
    """`x: want` with entries: what was asked for, as far as a frame holds it."""

    entries: Entries
    done: int
    """How many of the items were looked at; the others are to be asked for again."""
    root: Root | None


class Push(msgspec.Struct, frozen=True):
    """`x: push`: what the sender found in a session that we lack."""

    entries: Entries
    root: Root | None


class Held(msgspec.Struct, frozen=True):
    """`x: held`: the sender does not take what it lacks of our set (A1)."""

    theirs: Root
    """Of the sender's set."""
    ours: Root
    """Of the set that it was compared with."""


class Untaken(msgspec.Struct, frozen=True):
    """`x: held` with items: the sender did not take these (A1)."""

    elements: tuple[int, ...]


class Prune(msgspec.Struct, frozen=True):
    """`x: prune`: what you push in these trees I have from others (S3)."""

    trees: tuple[int, ...]


class Graft(msgspec.Struct, frozen=True):
    """`x: graft`: push to me in these trees (S3)."""

    trees: tuple[int, ...]


class NamesRequest(msgspec.Struct, frozen=True):
    """`x: members` without peers: name me your active members."""

    cells: tuple[int, ...] = ()
    """Of the sketch of mine: only those that I lack. None: all of them."""


class Ping(msgspec.Struct, frozen=True):
    """`x: ping`: are you there? (M4)"""

    seq: int


class Ack(msgspec.Struct, frozen=True):
    """`x: ack`: yes; or whoever was to be asked is."""

    seq: int


class Nack(msgspec.Struct, frozen=True):
    """`x: nack`: whoever was to be asked has not answered."""

    seq: int
    asked: bool
    """False: it could not be asked."""


class PingRequest(msgspec.Struct, frozen=True):
    """`x: ping-req`: ask this member for me."""

    seq: int
    target: str


class Unknown(msgspec.Struct, frozen=True):
    """An exchange that we do not know: a newer version's; ignored and counted."""

    x: str


Body = (
    Join
    | PeerList
    | Leave
    | Entries
    | Heartbeat
    | RootExchange
    | PageRequest
    | Page
    | SketchRequest
    | Cells
    | Want
    | Wanted
    | Push
    | Held
    | Untaken
    | Prune
    | Graft
    | NamesRequest
    | Ping
    | Ack
    | Nack
    | PingRequest
    | Unknown
)


class Message(msgspec.Struct, frozen=True):
    """One valid frame."""

    kind: str
    """The envelope's `type`."""
    sender: str
    """The envelope's `from`; empty in an exchange, which is between the two ends of a link (W2)."""
    id: str
    """Empty in an exchange as well."""
    ttl: int | None
    """Hops left as the sender says; None where that is no integer in 0 … 255 (R4)."""
    body: Body
    updates: int | None = None
    """How many updates the sender has applied, by its own count (W2)."""
