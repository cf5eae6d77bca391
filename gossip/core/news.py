"""What peers tell of members, and how a member refutes what is told of itself (M1, M2, M5).

Theory of operation. An item is (id, incarnation, standing). Of a member that we hold a link to it
changes nothing: we see for ourselves, and hand an accusation to the accused. Of any other member
that item counts which is the latest: of a later incarnation, or of the same one with a standing
that wins. Who hears itself accused takes a later incarnation, makes it durable, and says so at
once: nobody else can, so it ends the suspicion wherever it is heard.

    Das, Gupta, Motivala: SWIM (2002), section 4.2; here `dead` and `left` from a third party are
    no more than `suspect`, so that every death has its refutation.
"""

from math import inf

import msgspec

from gossip.core.context import Ahead, Context
from gossip.core.effects import KeepIncarnation
from gossip.core.links import Link
from gossip.core.members import Member, PeerRecord, Status
from gossip.core.messages import NewsItem, Standing
from gossip.core.probes import Probes
from gossip.core.roster import Roster
from gossip.core.rumors import Rumors

LIFE_AGAIN = 1.0
"""Seconds from a life that we began because of another of our id to the next; doubled each time."""
LIFE_AGAIN_MAX = 60.0
"""Seconds; the longest such wait."""
LIFE_FORGOTTEN = 300.0
"""Seconds without another of our id, after which the first wait counts again."""


class News:
    """Takes news from linked extended peers, and refutes for ourselves."""

    def __init__(self, context: Context, roster: Roster, rumors: Rumors, probes: Probes) -> None:
        self._context = context
        self._config = context.config
        self._roster = roster
        self._rumors = rumors
        self._probes = probes
        self._members = context.members
        self._links = context.links
        self._accused = 0
        """The latest incarnation of ours that somebody suspects."""
        self._another = 0
        """The latest life of our id that somebody else had, as we were told."""
        self._keeping = False
        """The store has our next incarnation and did not answer yet."""
        self._refuted_at: float | None = None
        self._begins_life = False
        """Our next incarnation is a life."""
        self._life_due = -inf
        """Monotonic seconds: no life begins before, whoever says what of our id."""
        self._life_wait = 0.0

    # Of others

    def heard(self, link: Link, items: tuple[NewsItem, ...]) -> None:
        """Items that came from a linked extended peer."""
        for item in items:
            latest = self._context.latest(Ahead.TOLD)
            if item.incarnation > max(latest, self._held(item.node_id)):
                self._context.refuse("incarnation")
            elif item.node_id == self._config.node_id:
                self._heard_of_ourselves(item)
            elif item.standing is Standing.ALIVE:
                life = item.incarnation if item.life is None else item.life
                self._heard_alive(link, item.node_id, item.incarnation, life)
            else:
                self._heard_suspect(link, item)

    def _held(self, node_id: str) -> int:
        """The incarnation that we hold of it: in that one it can be doubted whatever its clock."""
        if node_id == self._config.node_id:
            return self._context.me.incarnation
        member = self._members.get(node_id)
        return 0 if member is None else member.record.incarnation

    def _heard_alive(self, link: Link, node_id: str, incarnation: int, life: int) -> None:
        member = self._members.get(node_id)
        if member is None:
            if self._members.graves.may_return(node_id, incarnation, link.peer or ""):
                self._members.graves.exhume(node_id)
        elif (
            member.record.extended
            and incarnation > member.record.incarnation
            and not self._links.linked(node_id)
            # In a crowd a life is told by name: of the one that we know this says nothing (L1).
            and not (self._members.crowded and life > member.record.life)
        ):
            self._roster.refuted(member, incarnation, link.peer or "")

    def _heard_suspect(self, link: Link, item: NewsItem) -> None:
        member = self._members.get(item.node_id)
        if member is None or not member.record.extended:
            return
        if item.incarnation < member.record.incarnation:
            return
        if self._links.linked(item.node_id):
            self._rumors.accuse(item.node_id, item.incarnation)
            if member.status is Status.ACTIVE:
                self._probes.doubt(item.node_id)
        else:
            self._roster.accused(member, item, by=link.peer or "")

    def named(self, link: Link, record: PeerRecord) -> bool:
        """A linked extended peer names a member, with its incarnation. Returns whether it may be.

        Without an endpoint, it can be reached through those only who hold a link to it (M8).
        """
        peer = link.peer or ""
        member = self._members.get(record.node_id)
        known = PeerRecord(node_id=record.node_id) if member is None else member.record
        latest = self._context.latest(Ahead.TOLD)
        if record.incarnation > max(latest, known.incarnation) or (
            record.life > max(latest, known.life)
        ):
            self._context.refuse("incarnation")
            return False
        if self._links.linked(record.node_id):
            self._roster.told_of_linked(record)
        elif not self._members.may_lose_address(record, peer):
            return False
        self._heard_alive(link, record.node_id, record.incarnation, record.life)
        if record.gossip_endpoint is None and record.extended:
            self._roster.vouched_for(record, peer)
        return True

    def told(self, link: Link, member: Member, incarnation: int, life: int) -> None:
        """A member says on its own link which incarnation it has, and with which it began."""
        known = member.record.incarnation
        begun = 0 if link.record is None else link.record.life
        if life < begun or incarnation > self._context.latest(Ahead.SAID):
            self._context.refuse("incarnation")
            return
        if incarnation > known or life > begun:
            self._roster.renewed(link, member, incarnation, life)
        if incarnation < known:
            self._roster.doubt(member.record.node_id, known)
        if link.record is not None:
            self._roster.dispute(link, link.record, member.record)

    # Of ourselves

    def named_ourselves(self, record: PeerRecord) -> None:
        """A peer hands us what somebody says of our id: another who uses it, or a liar (K3).

        What we say of ourselves counts again when we have an incarnation beyond that, and a life
        if it was one.
        """
        me, latest = self._context.me, self._context.latest(Ahead.TOLD)
        if me.life < record.life <= latest or record.is_another(me):
            self._another = max(self._another, record.life)
        if me.incarnation < record.incarnation <= latest:
            self._accused = max(self._accused, record.incarnation)
        if record.incarnation > max(latest, me.incarnation):
            self._context.refuse("incarnation")
        self.refute()

    def _heard_of_ourselves(self, item: NewsItem) -> None:
        if item.standing is not Standing.ALIVE:
            self._accused = max(self._accused, item.incarnation)
            self.refute()

    def refute(self) -> None:
        """Take a later incarnation if somebody suspects this one; no more often than allowed.

        And begin a life with it where somebody else has our id.
        """
        context, now = self._context, self._context.now
        too_soon = (
            self._refuted_at is not None
            and now.monotonic - self._refuted_at < self._config.refute_again
        )
        another = self._another >= context.me.life and now.monotonic >= self._life_due
        if self._keeping or too_soon or not (another or self._accused >= context.me.incarnation):
            return
        self._keeping, self._begins_life = True, another
        latest = max(self._accused, self._another, context.me.incarnation)
        context.emit(KeepIncarnation(max(latest + 1, now.wall)))

    def kept(self, incarnation: int) -> None:
        """Our next incarnation is durable: say so (M1)."""
        context = self._context
        self._keeping = False
        self._refuted_at = context.now.monotonic
        context.me = msgspec.structs.replace(context.me, incarnation=incarnation)
        if self._begins_life:
            context.me = msgspec.structs.replace(context.me, life=incarnation)
            self._rest_before_another_life()
        context.stats.refutations += 1
        self._probes.were_suspected()
        self._rumors.tell_renewed()

    def _rest_before_another_life(self) -> None:
        """Each is named by everybody to everybody: two nodes of one id would do so all the time."""
        now = self._context.now.monotonic
        quiet = now - self._life_due >= LIFE_FORGOTTEN
        self._life_wait = LIFE_AGAIN if quiet else min(2 * self._life_wait, LIFE_AGAIN_MAX)
        self._life_due = now + self._life_wait
