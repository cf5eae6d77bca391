"""Who is in the cluster: records, their status, and what counts as evidence (M1–M3).

Theory of operation. A member is listed when it spoke to us on a link of its own (M2); names that
we only heard of are not here but in the dial plan. Its status moves so:

    (unknown, buried) ──join──▶ active ──silence, refused dial──▶ suspected ──time──▶ buried
                                  ▲ └───────leave──▶ inactive ────────time────────────▲
                                  └──────any frame of its own────────┘ (inactive: a join)

Of a member that we hold no link to, news counts as well: `suspect`, and `alive` of a later
incarnation, which only the member itself can have made (M1). One that nobody can dial is listed on
the word of those who hold a link to it, as long as one of them is linked to us (M8).

Buried ids rest in a bounded graveyard: not listed, not mentioned, but a `join` brings them back.
"""

from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256

import msgspec

from gossip.core.config import Config
from gossip.core.roots import MODULUS, Root


class PeerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a member says of itself, as it is told to others and kept across restarts (M1)."""

    node_id: str
    public_key: str = ""
    gossip_endpoint: str | None = None
    """`ws(s)://…/ws`, checked by `addresses.gossip_url`; None: it cannot be dialed."""
    api_endpoint: str | None = None
    region: str = ""
    capabilities: tuple[str, ...] = ()
    version: str = ""
    incarnation: int = 0
    """0 for a plain peer, which has none."""
    last_seen: int = 0
    """Milliseconds of our wall clock: the last evidence of life."""

    @property
    def extended(self) -> bool:
        """Whether it runs this software (W3)."""
        return "gx1" in self.capabilities

    @property
    def hash(self) -> int:
        """64 bits of (id, incarnation), by which member lists are compared (A1)."""
        identity = f"{self.node_id} {self.incarnation}".encode()
        return int.from_bytes(sha256(identity).digest()[:8], "big")


class Status(StrEnum):
    """What is said of a member outside (M1)."""

    ACTIVE = "active"
    SUSPECTED = "suspected"
    INACTIVE = "inactive"
    """It left in order."""


class Member(msgspec.Struct, kw_only=True):
    """One other node that spoke to us."""

    record: PeerRecord
    status: Status
    silent_since: float
    """Monotonic seconds of its last frame, or of the break of its last link: it lived till then."""
    seen_wall: int
    """Milliseconds of wall time of its last frame."""
    loopback: bool = False
    """A loopback peer named its endpoint, so that it may be a loopback address (L4)."""
    stored_at: float = 0.0
    """Monotonic seconds when the store was told of it last."""
    holders: tuple[str, ...] = ()
    """Peers on whose word it is listed while we hold no link to it (M2, M8); at most `HOLDERS`."""
    breaks: int = 0
    """Links to it in a row that broke soon after they opened."""
    heartbeats: int = 0
    skew: int | None = None
    """Milliseconds by which its clock was ahead of ours at its last heartbeat."""


class _Grave(msgspec.Struct):
    incarnation: int
    """The one that died."""
    dialed_at: float = float("-inf")
    """When a mention of this id earned a dial last (M3)."""


HOLDERS = 3
"""Peers remembered who vouch for a member (M8)."""


class Members:
    """The table of members and the graveyard."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._members: dict[str, Member] = {}
        self._graves: dict[str, _Grave] = {}
        """By id, oldest first."""
        self._root: Root | None = None
        self.generation = 0
        """Grows with every change of a member or its status."""

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._members

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    def get(self, node_id: str) -> Member | None:
        """The member of this id, whatever its status."""
        return self._members.get(node_id)

    def active(self) -> list[Member]:
        """The members with evidence of life."""
        return [member for member in self._members.values() if member.status is Status.ACTIVE]

    def joined(self, record: PeerRecord, now: float, wall: int, *, loopback: bool) -> Status | None:
        """A `join` on the member's own link. Returns the status it had; None when it was unknown.

        Raises `OverflowError` when the table is full. A record of an earlier incarnation than the
        one we know is evidence, but does not replace what we know.
        """
        member = self._members.get(record.node_id)
        if member is None:
            self._add(record, now, wall, loopback=loopback)
            return None
        before = member.status
        if record.incarnation >= member.record.incarnation:
            member.record, member.loopback = record, loopback
        member.holders = ()
        self.revive(member, now, wall)
        return before

    def vouched_for(self, record: PeerRecord, holder: str, now: float, wall: int) -> bool:
        """A peer names a member that nobody can dial. Returns whether it is new here (M8).

        Raises `OverflowError` when the table is full, or too many are listed on its word.
        """
        member = self._members.get(record.node_id)
        if member is None:
            held = sum(member.holders[:1] == (holder,) for member in self._members.values())
            if held >= self._config.limits.vouched:
                raise OverflowError("too many members on one peer's word")
            self._add(record, now, wall).holders = (holder,)
            return True
        others = [other for other in member.holders if other != holder]
        member.holders = (*others, holder)[-HOLDERS:]
        return False

    def _add(self, record: PeerRecord, now: float, wall: int, *, loopback: bool = False) -> Member:
        if len(self._members) >= self._config.limits.members:
            raise OverflowError("the member table is full")
        self.changed()
        self.exhume(record.node_id)
        member = Member(
            record=record,
            status=Status.ACTIVE,
            silent_since=now,
            seen_wall=wall,
            loopback=loopback,
        )
        self._members[record.node_id] = member
        return member

    def revive(self, member: Member, now: float, wall: int) -> None:
        """A frame of its own refutes that it failed."""
        self.changed()
        member.status, member.silent_since, member.seen_wall = Status.ACTIVE, now, wall

    def mark(self, member: Member, status: Status) -> None:
        """It is suspected, it left, or news refuted that it failed."""
        self.changed()
        member.status = status

    def renew(self, member: Member, incarnation: int) -> None:
        """It took another incarnation (M1)."""
        self.changed()
        member.record = msgspec.structs.replace(member.record, incarnation=incarnation)

    def changed(self) -> None:
        """A member, its status or an incarnation changed, perhaps our own."""
        self._root = None
        self.generation += 1

    def root(self, me: PeerRecord) -> Root:
        """Count and sum of the active members and ourselves (A1, M5)."""
        if self._root is None:
            records = [me, *(member.record for member in self.active())]
            total = sum(record.hash for record in records)
            self._root = Root(len(records), total % MODULUS)
        return self._root

    def bury(self, member: Member) -> None:
        """Take a member off the table; its id rests in the graveyard (M3)."""
        self.changed()
        node_id = member.record.node_id
        del self._members[node_id]
        if len(self._graves) >= self._config.limits.graveyard:
            del self._graves[next(iter(self._graves))]
        self._graves[node_id] = _Grave(member.record.incarnation)

    def exhume(self, node_id: str) -> None:
        """A later incarnation of a buried id is alive, or it is here itself."""
        self._graves.pop(node_id, None)

    def buried(self, node_id: str) -> int | None:
        """The incarnation that is buried under this id; None where there is no grave."""
        grave = self._graves.get(node_id)
        return None if grave is None else grave.incarnation

    def earns_dial(self, node_id: str, now: float) -> bool:
        """Whether a mention of this id by somebody else is worth a dial.

        A buried id may be back, or those who mention it may be slow to bury it: it earns one dial
        in each `Config.mention_again` (M3).
        """
        grave = self._graves.get(node_id)
        if grave is None:
            return True
        if now - grave.dialed_at < self._config.mention_again:
            return False
        grave.dialed_at = now
        return True
