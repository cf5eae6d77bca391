"""Changes of the member table, each with what follows from it (M1–M3, M6).

`Members` is the table; here stand the few ways in which it changes: somebody introduced itself,
spoke, fell silent, left, or was silent for too long, and what news may change. Each tells the
operator, the store, and the others.
"""

import msgspec

from gossip.core.context import Ahead, Context
from gossip.core.effects import ForgetPeer, NoticeKind, StorePeer
from gossip.core.links import Link
from gossip.core.members import Member, PeerRecord, Status
from gossip.core.messages import NewsItem, Standing
from gossip.core.rumors import Rumors

DISPUTED_AGAIN = 30.0
"""Seconds until a member is handed again what others say of its id. A guess: it may have refused
that for a while, since its clock is behind ours."""

_RANKS = {Status.ACTIVE: 0, Status.SUSPECTED: 1, Status.INACTIVE: 2}
"""Of two items of news of one incarnation the greater wins (M1)."""


class Roster:
    """The only one who changes members."""

    def __init__(self, context: Context, rumors: Rumors) -> None:
        self._context = context
        self._rumors = rumors
        self._members = context.members
        self._links = context.links

    # By evidence of our own

    def introduced(self, link: Link, record: PeerRecord, *, same_process: bool = False) -> bool:
        """Somebody introduced itself on its own link. False where there is no room for it.

        `same_process`: it did so before, and has a later incarnation since.
        """
        now, wall = self._context.now
        known = self._members.get(record.node_id)
        before = None if known is None else known.record
        met = None if known is None else known.met
        status = None if known is None else known.status
        buried = self._members.graves.incarnation(record.node_id)
        try:
            member = self._members.joined(record, now, wall, loopback=link.loopback)
        except OverflowError:
            self._context.refuse("members-full")
            return False
        if status is None or status is Status.INACTIVE:
            endpoint = record.gossip_endpoint or ""
            self._context.notice(NoticeKind.PEER_JOINED, record.node_id, endpoint)
        elif status is Status.SUSPECTED:
            self._context.notice(NoticeKind.PEER_REFUTED, record.node_id)
        if met is None or before != member.record:
            self.store(member)
        if met is not None and record.life > met and not same_process:
            # In its new life it holds none of the links that it vouched for.
            self.word_gone(record.node_id)
        known_as = buried if before is None else before.incarnation
        self._tell_returned(member, known_as, status)
        if known_as is not None and record.extended and record.incarnation < known_as:
            self.doubt(record.node_id, known_as)
        if record.extended and before is not None:
            self.dispute(link, record, before)
            begins = before.extended and record.life > before.life
            if begins and record.gossip_endpoint is None and self._members.crowded:
                # Few there hear of more. News of a life that begins while we look on may be far
                # ahead of what we heard.
                over = record.life - 1 if same_process else before.incarnation
                self._rumors.tell_dead(record.node_id, over)
        return True

    def told_of_linked(self, record: PeerRecord) -> None:
        """A peer names a member that we hold a link to: it can refute what it did not say (M2)."""
        for link in self._links.to(record.node_id):
            said = link.record
            if not link.extended or said is None:
                continue
            self.dispute(link, said, record)
            if record.incarnation > said.incarnation:
                self._outrun(link, record)

    def dispute(self, link: Link, said: PeerRecord, told: PeerRecord) -> None:
        """Hand to the member of a link what is told of its id, if that is not what it said (K3).

        Somebody told of a later life and was wrong, or another node uses this very one. It is
        handed over again after a while if the member does not begin another life.
        """
        its_own = told.life <= said.life and not told.is_another(said)
        if its_own or told.life > self._context.latest(Ahead.TOLD):
            return
        if self._is_due(link.disputed_at):
            link.disputed_at = self._context.now.monotonic
            self._rumors.dispute(link, told)

    def _outrun(self, link: Link, told: PeerRecord) -> None:
        """Hand to the member of a link a later incarnation, which counts elsewhere.

        It takes a later one, or roots would differ. Mostly it told us of that a moment later.
        """
        refutable = told.incarnation <= self._context.latest(Ahead.TOLD)
        if refutable and self._is_due(link.outrun_at):
            link.outrun_at = self._context.now.monotonic
            self._rumors.dispute(link, told)

    def _is_due(self, last: float | None) -> bool:
        return last is None or self._context.now.monotonic - last >= DISPUTED_AGAIN

    def doubt(self, node_id: str, incarnation: int) -> None:
        """Let a member refute a later incarnation than it says it has.

        That is of a life that is over, or of another who used its id (K3).
        """
        if incarnation <= self._context.latest(Ahead.TOLD):
            self._rumors.accuse(node_id, incarnation)

    def _tell_returned(self, member: Member, known_as: int | None, status: Status | None) -> None:
        """Tell others of a later incarnation than `known_as`; let this one refute what they heard.

        A plain peer was known as 0, an id that is new here as None.
        """
        self._rumors.forget(member.record.node_id)
        if known_as is None or not member.record.extended:
            return
        if member.record.incarnation > known_as:
            self._rumors.tell(member, Standing.ALIVE)
        elif status is not Status.ACTIVE:
            self._rumors.accuse(member.record.node_id, known_as)

    def store(self, member: Member) -> None:
        """Have a member remembered across restarts, if it can be dialed then (M7)."""
        member.stored_at = self._context.now.monotonic
        if member.record.gossip_endpoint is None:
            return
        record = msgspec.structs.replace(member.record, last_seen=member.seen_wall)
        self._context.emit(StorePeer(record))

    def spoke(self, link: Link) -> None:
        """A frame came from a peer on its own link: that is evidence (M2)."""
        member = self._members.get(link.peer or "")
        if member is None:
            if link.record is not None:
                self.introduced(link, link.record)
        elif member.status is Status.SUSPECTED:
            self._members.revive(member, *self._context.now)
            self._context.notice(NoticeKind.PEER_REFUTED, member.record.node_id)
            self._tell_returned(member, member.record.incarnation, Status.SUSPECTED)
        else:
            member.silent_since, member.seen_wall = self._context.now

    def suspect(self, member: Member, why: str) -> None:
        """A member seems to have failed."""
        self._members.mark(member, Status.SUSPECTED)
        endpoint = member.record.gossip_endpoint or "no endpoint"
        detail = f"{why} ({endpoint})"
        self._context.notice(NoticeKind.PEER_SUSPECTED, member.record.node_id, detail)
        self._rumors.tell(member, Standing.SUSPECT)

    def left(self, member: Member) -> None:
        """A member said on its own link that it leaves."""
        self._members.mark(member, Status.INACTIVE)
        member.silent_since = self._context.now.monotonic
        node_id = member.record.node_id
        self._context.emit(ForgetPeer(node_id))
        self._context.notice(NoticeKind.PEER_LEFT, node_id, member.record.gossip_endpoint or "")
        self._rumors.tell(member, Standing.LEFT)

    def remove(self, member: Member) -> None:
        """A member was away for too long, or left long enough ago."""
        self._members.bury(member)
        if member.status is not Status.INACTIVE:
            endpoint = member.record.gossip_endpoint or ""
            self._context.notice(NoticeKind.PEER_REMOVED, member.record.node_id, endpoint)
            self._rumors.tell(member, Standing.DEAD)

    def forgotten(self, member: Member) -> None:
        """An operator wants it off the list: a decision of ours, of which nobody is told."""
        self._members.bury(member)
        self._rumors.forget(member.record.node_id)
        self._context.notice(NoticeKind.PEER_REMOVED, member.record.node_id, "by the operator")

    def renewed(self, link: Link, member: Member, incarnation: int, life: int) -> None:
        """A member said on its own link that it took another incarnation (M1).

        Of that one all else is true that it said on this link, though we may have heard since of
        another who used its id (K3); and it did not leave, whoever said so (M6).
        """
        before = msgspec.structs.replace(member.record, incarnation=incarnation)
        said = link.record or before
        link.record = msgspec.structs.replace(said, incarnation=incarnation, life=life)
        if life > said.life:
            link.disputed_at = None
            if self._members.crowded:
                # Others know the incarnation from news, and perhaps not whose it is.
                self._rumors.name(said.node_id, said.node_id)
        later = incarnation > member.record.incarnation
        if link.record != before or member.status is Status.INACTIVE or not later:
            self.introduced(link, link.record, same_process=True)
            return
        self._members.renew(member, incarnation)
        self._members.hold(member, (), met=life)
        self._rumors.tell(member, Standing.ALIVE)

    # By news, of members that we hold no link to

    def is_vouched_for(self, member: Member) -> bool:
        """Whether a peer that we are linked to holds a link to this member, by its own word.

        Where members are too many to link to all, chance dials them all, and whoever holds a link
        to one tells if it fails (L1).
        """
        if member.hearsay:
            return self._members.crowded and self.hears_of_others
        return any(map(self._links.linked, member.holders))

    @property
    def hears_of_others(self) -> bool:
        """Whether we hold a link on which news of a failure would come."""
        return any(link.extended for link in self._links.best())

    def word_gone(self, holder: str) -> None:
        """A peer that may have vouched for others is gone, or has begun a new life."""
        for member in self._members:
            if holder in member.holders and not member.hearsay:
                others = tuple(other for other in member.holders if other != holder)
                self._members.hold(member, others)

    def wants_word(self) -> bool:
        """Whether a member that nobody can dial is listed for whom nobody vouches any more (M8)."""
        return any(
            member.status is not Status.INACTIVE
            and not self._links.linked(member.record.node_id)
            and not self.is_vouched_for(member)
            for member in self._members.undialable()
        )

    def accused(self, member: Member, item: NewsItem, *, by: str) -> None:
        """A peer suspects a member, or says that it left: so do we, until it refutes that.

        Of the same incarnation, `left` alone is news of who is suspected (M1).
        """
        before, left = member.status, item.standing is Standing.LEFT
        rank = _RANKS[Status.INACTIVE if left else Status.SUSPECTED]
        if (item.incarnation, rank) <= (member.record.incarnation, _RANKS[before]):
            return
        self._members.renew(member, item.incarnation)
        if before is Status.ACTIVE or (before is Status.INACTIVE and not left):
            # The time of that life begins now, for nobody looked at it before (M3); and only once,
            # or who goes on accusing would keep it on the list.
            member.silent_since = self._context.now.monotonic
        if left:
            self._members.mark(member, Status.INACTIVE)
            if before is not Status.INACTIVE:
                self._context.notice(NoticeKind.PEER_LEFT, member.record.node_id, f"as {by} says")
            self._rumors.tell(member, Standing.LEFT)
        elif before is Status.SUSPECTED:
            self._rumors.tell(member, Standing.SUSPECT)
        else:
            self.suspect(member, "a peer suspects it")

    def refuted(self, member: Member, incarnation: int, holder: str) -> None:
        """A peer tells of a later incarnation, which only the member itself can have made."""
        before = member.status
        self._members.renew(member, incarnation)
        self._members.mark(member, Status.ACTIVE)
        member.silent_since = self._context.now.monotonic
        if not member.hearsay:
            # None but this one: of two peers who have it from each other neither knows better.
            self._members.hold(member, (holder,))
        if before is Status.SUSPECTED:
            self._context.notice(NoticeKind.PEER_REFUTED, member.record.node_id, f"by {holder}")
        elif before is Status.INACTIVE:
            self._context.notice(NoticeKind.PEER_JOINED, member.record.node_id, f"by {holder}")
        self._rumors.tell(member, Standing.ALIVE)

    def vouched_for(
        self, record: PeerRecord, holder: str, *, loopback: bool = False, pass_on: bool = False
    ) -> None:
        """A peer names a member: one that nobody can dial (M8), or one of too many (L1).

        `pass_on`: name it to others, if it is news here.
        """
        if self._links.linked(record.node_id):
            return
        buried = self._members.graves.incarnation(record.node_id)
        if buried is not None and record.incarnation <= buried:
            # It was us who were away, perhaps: who holds a link to it lets it refute that. Not
            # more often than a mention earns a dial.
            if self._members.graves.earns_dial(record.node_id, self._context.now.monotonic):
                self._rumors.tell_dead(record.node_id, buried)
            return
        if record.gossip_endpoint is None and not self._members.graves.may_hide(record.node_id):
            return
        try:
            known = self._members.get(record.node_id)
            before = None if known is None else known.record.incarnation
            news = self._members.vouched_for(record, holder, *self._context.now, loopback=loopback)
        except OverflowError:
            self._context.refuse("members-full")
            return
        if known is not None and news and record.incarnation > (before or 0):
            self.refuted(known, record.incarnation, holder)
        if known is None and not (self._members.crowded and record.gossip_endpoint is None):
            self._context.notice(NoticeKind.PEER_JOINED, record.node_id, f"by {holder}")
        if news and pass_on:
            self._rumors.name(record.node_id, holder)
