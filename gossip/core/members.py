"""Who is in the cluster: records, their status, and what counts as evidence (M1–M3).

Theory of operation. A member is listed when it spoke to us on a link of its own (M2), and in a
crowd on the word of others (L1); other names that we only heard of are not here but in the dial
plan. Its status moves so:

    (unknown, buried) ──join──▶ active ──silence, refused dial──▶ suspected ──time──▶ buried
                                  ▲ └───────leave──▶ inactive ────────time────────────▲
                                  └──────any frame of its own────────┘ (inactive: a join)

Of a member that we hold no link to, news counts as well, if it is later than what we hold (M1):
`suspect`, `left`, and `alive` of a later incarnation, which only the member itself can have made,
and which makes a suspected or inactive one active. One that nobody can dial is listed on
the word of those who hold a link to it, as long as one of them is linked to us (M8).

Buried ids rest in a `Graveyard`: not listed, not mentioned, but a `join` brings them back.

Of its incarnations, `record.incarnation` is the latest that we believe, whoever told of it: news is
compared with it. A life is the incarnation with which it began: a node takes another one when it
starts, and where somebody tells of its id what it did not say. All else in a record holds for a
life, so that of two records the one of the later life counts, whatever news told of incarnations
since. Roots are made of both. `met` is the latest life in which the member itself spoke to us, if
it did. What both ends of a link said in their `join`s is with the link, where it decides which of
two survives (L2).
"""

from collections import Counter
from collections.abc import Container, Iterator
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from gossip.core.census import Census
from gossip.core.config import Config
from gossip.core.graveyard import Graveyard
from gossip.core.roots import Root


# Neither a record nor a member can be part of a cycle: where there are thousands of them, the
# collector need not walk them all.
class PeerRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    life: int = 0
    """The incarnation with which it began; until it begins anew, only the other one changes."""
    last_seen: int = 0
    """Milliseconds of our wall clock: the last evidence of life."""

    @property
    def extended(self) -> bool:
        """Whether it runs this software (W3)."""
        return "gx1" in self.capabilities

    def is_another(self, other: "PeerRecord") -> bool:
        """Whether two nodes are in one life of one id: within it, none has another address (K3)."""
        endpoints = {self.gossip_endpoint, other.gossip_endpoint}
        return self.life == other.life and len(endpoints) == 2 and None not in endpoints

    @property
    def hash(self) -> int:
        """64 bits of (id, incarnation, life), by which member lists are compared (A1)."""
        identity = f"{self.node_id} {self.incarnation} {self.life}".encode()
        return int.from_bytes(sha256(identity).digest()[:8], "big")


class Status(StrEnum):
    """What is said of a member outside (M1)."""

    ACTIVE = "active"
    SUSPECTED = "suspected"
    INACTIVE = "inactive"
    """It left in order."""


class Member(msgspec.Struct, kw_only=True, gc=False):
    """One other node that spoke to us, or that others vouch for."""

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
    met: int | None = None
    """The life in which it introduced itself to us; None: it is listed on others' word."""
    dialed_anew: float | None = None
    """Monotonic seconds: when it was dialed last though we held a link to it (M4)."""
    out_of_reach: bool = False
    """A dial of ours failed while others see it (M2): dialed seldom, and not accused again."""
    breaks: int = 0
    """Links to it in a row that broke soon after they opened."""
    heartbeats: int = 0
    skew: int | None = None
    """Milliseconds by which its clock was ahead of ours at its last heartbeat."""

    @property
    def hearsay(self) -> bool:
        """Whether it can be dialed and we never met it: nobody need keep a word for it (L1)."""
        return self.record.gossip_endpoint is not None and self.met is None


HOLDERS = 3
"""Peers remembered who vouch for a member (M8)."""


def _bound(table: dict[str, Any], most: int) -> None:
    """Let the oldest go, if there is one too many."""
    if len(table) > most:
        del table[next(iter(table))]


class Members:
    """The table of members, with the graveyard of those who were on it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.graves = Graveyard(config)
        self._members: dict[str, Member] = {}
        self._undialable: dict[str, None] = {}
        """Ids of those without an endpoint."""
        self._unwell: set[str] = set()
        """Ids of the members that are not active."""
        self._alone_on_word: Counter[str] = Counter()
        """How many members that we never met are listed on the word of this peer alone."""
        self._unbelieved: dict[str, dict[str, int]] = {}
        """By node id: the peers whose word alone was not enough, and the hashes of what they said.

        The oldest make room, of both.
        """
        self.doubted = 0
        """How often the word of a peer alone was not enough to list a member."""
        self._census = Census()
        self._unmet: dict[str, None] = {}
        """Ids of those that we never met, in the order in which we heard of them."""
        self.dialable = 0
        """How many other extended members there are that can be dialed and did not leave."""
        self.crowded = False
        """Whether there are too many for everybody to link to everybody (L1)."""
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

    @property
    def active_count(self) -> int:
        """How many these are."""
        return self._census.active

    def at(self, url: str) -> list[Member]:
        """The members that are said to be at this address, seldom more than one.

        No index: this is asked once for each link that we dial, an index takes memory for each
        member all the time.
        """
        return [m for m in self._members.values() if m.record.gossip_endpoint == url]

    def undialable(self) -> list[Member]:
        """The members that nobody can dial."""
        return [self._members[node_id] for node_id in self._undialable]

    def unwell(self) -> list[Member]:
        """The members that are suspected or left."""
        return [self._members[node_id] for node_id in sorted(self._unwell)]

    def joined(self, record: PeerRecord, now: float, wall: int, *, loopback: bool) -> Member:
        """A `join` on the member's own link.

        Raises `OverflowError` when the table is full. A record of an earlier life than the one that
        we met is evidence, but does not replace what we know.
        """
        member = self._members.get(record.node_id)
        if member is None:
            return self._add(record, now, wall, met=record.life, loopback=loopback)
        if record.life >= (member.met or 0):
            # Others may have told us of a later one, true or not. This it knows best.
            self._replace(member, record)
            member.loopback = loopback
        elif record.incarnation > member.record.incarnation:
            self.renew(member, record.incarnation)
        member.out_of_reach = False
        self.hold(member, (), met=max(record.life, member.met or 0))
        self.revive(member, now, wall)
        return member

    def is_old(self, record: PeerRecord, holder: str) -> bool:
        """Whether we know all of this, and need no more who say so."""
        member = self._members.get(record.node_id)
        if member is None or member.record != record:
            return False
        holders = member.holders
        return member.met is not None or len(holders) == HOLDERS or holder in holders

    def vouched_for(
        self, record: PeerRecord, holder: str, now: float, wall: int, *, loopback: bool
    ) -> bool:
        """A peer names a member that we hold no link to (M8, L1).

        Returns whether that is new to us: a member, or another life of one.
        Raises `OverflowError` when the table is full, or when too many are listed on its word
        alone: it may double what we know otherwise. Of one that can be dialed another peer's word
        is enough then, if it is the same.
        """
        member = self._members.get(record.node_id)
        if member is None:
            if 2 * len(self._unmet) >= self._config.limits.members:
                raise OverflowError("too many members that we never met")
            holders = self._words(record, holder)
            self._add(record, now, wall, holders, loopback=loopback)
            return True
        news = record.life > member.record.life
        if news:
            # It came back elsewhere, perhaps.
            if member.record.gossip_endpoint != record.gossip_endpoint:
                member.out_of_reach = False
            self._replace(member, record)
        if member.met is None or record.gossip_endpoint is None or not self.crowded:
            # Else we have seen for ourselves that it is one, and need no word.
            others = [other for other in member.holders if other != holder]
            self.hold(member, (*others, holder)[-HOLDERS:])
        return news

    def may_lose_address(self, record: PeerRecord, holder: str) -> bool:
        """Whether a peer may name this member if it says that nobody can dial it.

        In a crowd it takes two where we know an address: what it could be dialed by is gone then,
        and who was made up so would hear of it from nobody (M8).
        """
        member = self._members.get(record.node_id)
        if (
            not self.crowded
            or record.gossip_endpoint is not None
            or member is None
            or member.record.gossip_endpoint is None
            or record.life <= member.record.life
        ):
            return True
        if self._who_said(record, holder) is not None:
            return True
        self._doubt(record, holder)
        return False

    def _who_said(self, record: PeerRecord, holder: str) -> str | None:
        """Who else said the same, and was not believed."""
        words = self._unbelieved.get(record.node_id, {})
        said = hash(record)
        return next((other for other in words if other != holder and words[other] == said), None)

    def _doubt(self, record: PeerRecord, holder: str) -> None:
        """One peer's word is not enough: wait for another."""
        words = self._unbelieved.setdefault(record.node_id, {})
        words.pop(holder, None)
        words[holder] = hash(record)
        _bound(words, HOLDERS)
        _bound(self._unbelieved, self._config.limits.members)

    def _words(self, record: PeerRecord, holder: str) -> tuple[str, ...]:
        """On whose word this one is to be listed whom a peer names."""
        other = self._who_said(record, holder)
        if other is not None:
            return other, holder
        known_otherwise = len(self._members) - self._alone_on_word.total()
        if self._alone_on_word[holder] < max(self._config.limits.vouched, known_otherwise):
            return (holder,)
        if record.gossip_endpoint is not None:
            # Without one each word is that of a link to it, and lasts as long (M8).
            self._doubt(record, holder)
        self.doubted += 1
        raise OverflowError("too many members on one peer's word")

    def hold(self, member: Member, holders: tuple[str, ...], *, met: int | None = None) -> None:
        """It is listed on the word of these peers; of none where we see for ourselves."""
        self._count_word(member, -1)
        member.holders = holders
        if met is not None:
            member.met = met
        self._count_word(member, +1)

    def _count_word(self, member: Member, change: int) -> None:
        if member.met is not None:
            self._unmet.pop(member.record.node_id, None)
            return
        self._unmet.setdefault(member.record.node_id)
        if len(member.holders) == 1:
            [holder] = member.holders
            self._alone_on_word[holder] += change
            if not self._alone_on_word[holder]:
                del self._alone_on_word[holder]

    def _add(
        self,
        record: PeerRecord,
        now: float,
        wall: int,
        holders: tuple[str, ...] = (),
        *,
        met: int | None = None,
        loopback: bool,
    ) -> Member:
        if len(self._members) >= self._config.limits.members:
            if met is None or not self._unmet:
                raise OverflowError("the member table is full")
            # Whoever is here itself has room before those of whom we only heard.
            self.drop(self._members[next(iter(self._unmet))])
        self.graves.exhume(record.node_id)
        self._unbelieved.pop(record.node_id, None)
        member = Member(
            record=record,
            status=Status.ACTIVE,
            silent_since=now,
            seen_wall=wall,
            loopback=loopback,
            holders=holders,
            met=met,
        )
        self._members[record.node_id] = member
        self._count(member, +1)
        self._count_word(member, +1)
        return member

    def _replace(self, member: Member, record: PeerRecord) -> None:
        """It says other things of itself; of its incarnation we may have heard before."""
        heard = member.record.incarnation if record.extended else 0
        incarnation = max(record.incarnation, heard)
        self._count(member, -1)
        member.record = msgspec.structs.replace(record, incarnation=incarnation)
        self._count(member, +1)

    def revive(self, member: Member, now: float, wall: int) -> None:
        """A frame of its own refutes that it failed."""
        self.mark(member, Status.ACTIVE)
        member.silent_since, member.seen_wall = now, wall

    def mark(self, member: Member, status: Status) -> None:
        """It is suspected, it left, or news refuted that it failed."""
        self._count(member, -1)
        member.status = status
        self._count(member, +1)
        if status is Status.ACTIVE:
            self._unwell.discard(member.record.node_id)
        else:
            self._unwell.add(member.record.node_id)

    def renew(self, member: Member, incarnation: int) -> None:
        """It took another incarnation (M1)."""
        self._count(member, -1)
        member.record = msgspec.structs.replace(member.record, incarnation=incarnation)
        self._count(member, +1)

    def _count(self, member: Member, change: int) -> None:
        """It enters the table as it is (+1), or leaves it (-1); in between it may be changed."""
        self.generation += 1
        hidden = member.record.gossip_endpoint is None
        if member.status is Status.ACTIVE:
            # Plain peers are dialed by everybody, and nobody takes another's word for them (L1).
            known = not hidden and member.record.extended
            self._census.count(member.record.hash, change, hidden=not known)
        if hidden:
            if change > 0:
                self._undialable[member.record.node_id] = None
            else:
                del self._undialable[member.record.node_id]
        elif member.record.extended and member.status is not Status.INACTIVE:
            # The others nobody can be made to link to, and anybody can make them up (M8).
            self.dialable += change
        if change > 0:
            self._look_around()

    def _look_around(self) -> None:
        # Not back at once, or members who come and go would turn all links over.
        few = self._config.mesh * (3 / 4 if self.crowded else 1)
        self.crowded = self.dialable > few

    def root(self, me: PeerRecord) -> Root:
        """Count and sum of the active members and ourselves (A1, M5).

        In a crowd without those that nobody can dial, of whom not everybody knows (L1).
        """
        hidden = me.gossip_endpoint is None
        return self._census.root(me.hash, hidden=hidden, crowded=self.crowded)

    def sketch(self, me: PeerRecord) -> list[int]:
        """The first cells of the set whose root is told in a crowd (A2, M5)."""
        return self._census.sketch(me.hash, hidden=me.gossip_endpoint is None)

    def among(self, hashes: Container[int]) -> list[str]:
        """The ids of the active members that these are the hashes of; 1 µs for each member."""
        return [member.record.node_id for member in self.active() if member.record.hash in hashes]

    def drop(self, member: Member) -> None:
        """Take a member off the table; any mention may bring it back."""
        self._count(member, -1)
        self._count_word(member, -1)
        node_id = member.record.node_id
        self._unmet.pop(node_id, None)
        self._unwell.discard(node_id)
        del self._members[node_id]
        self._look_around()

    def bury(self, member: Member) -> None:
        """Take a member off the table; its id rests in the graveyard (M3)."""
        self.drop(member)
        record = member.record
        dialable = record.gossip_endpoint is not None
        self.graves.bury(record.node_id, record.incarnation, dialable=dialable)
