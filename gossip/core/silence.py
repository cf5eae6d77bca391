"""Who has been silent for too long: links to close, members to suspect or remove (L3, M3).

`detector` says what silence means; this looks at everybody once a second and acts on it.
"""

from collections.abc import Iterable

from gossip.core.contacts import Contacts
from gossip.core.context import CloseCode, Context
from gossip.core.detector import is_mute, judge
from gossip.core.links import Link
from gossip.core.members import Member, Status
from gossip.core.plain import PlainPeers
from gossip.core.roster import Roster

STALL = 3.0
"""Seconds between two looks that show that this node did not run: three times as many as usual."""
STORED_AGAIN = 3_600.0
"""Seconds after which an active member is stored again, so that its last sign of life is known."""


class Silence:
    """Judges links and members by when they were heard last."""

    def __init__(
        self, context: Context, roster: Roster, contacts: Contacts, plain: PlainPeers
    ) -> None:
        self._context = context
        self._config = context.config
        self._roster = roster
        self._contacts = contacts
        self._plain = plain
        self._members = context.members
        self._links = context.links
        self._looked_at: float | None = None

    def tick(self) -> None:
        """Look for silent links and members, once a second."""
        if self._were_away():
            # What the others said meanwhile lies in front of us, unread.
            return
        for link in self._links:
            if not link.closing:
                self._judge_link(link)
        for member in self._to_be_judged():
            self._judge_member(member)

    def _were_away(self) -> bool:
        """Whether this node did not run before this look; not twice in a row, or it never looks."""
        now, before = self._context.now.monotonic, self._looked_at
        away = before is not None and now - before > STALL
        self._looked_at = None if away else now
        return away

    def _to_be_judged(self) -> Iterable[Member]:
        """All members, or in a crowd those of whom we have evidence or news (L1).

        Of the others, no news is good news (M3).
        """
        if not self._members.crowded or not self._roster.hears_of_others:
            return self._members
        linked = {link.peer for link in self._links if link.peer is not None}
        watched = [member for peer in sorted(linked) if (member := self._members.get(peer))]
        others = {
            member.record.node_id: member
            for member in (*self._members.unwell(), *self._members.undialable())
            if member.record.node_id not in linked
        }
        return [*watched, *others.values()]

    def _judge_link(self, link: Link) -> None:
        now = self._context.now.monotonic
        limits = self._config.limits
        if link.blocked_since is not None and now - link.blocked_since >= limits.blocked_for:
            self._context.close(link, CloseCode.SLOW_READER, "slow reader")
            return
        if link.joined and is_mute(plain=not link.extended, config=self._config):
            return
        heartbeat = self._config.heartbeat_interval
        if link.joined and not link.extended:
            # A plain peer sends on one of its sockets only.
            last = max(other.received for other in self._links.to(link.peer or ""))
        else:
            last = link.received
        # An end that lost our `join`, or whose answer was lost, may well go on sending.
        unanswered = link.dialed is not None and not link.joined and now - link.opened >= heartbeat
        if unanswered or now - last >= 3 * heartbeat:
            self._context.close(link, CloseCode.SILENT, "silent")

    def _judge_member(self, member: Member) -> None:
        node_id = member.record.node_id
        now = self._context.now.monotonic
        linked = self._links.linked(node_id)
        if not linked and member.status is not Status.INACTIVE:
            self._contacts.keep_dialing(member)
        vouched = not linked and self._roster.is_vouched_for(member)
        if vouched and member.status is Status.ACTIVE:
            member.silent_since = now
        status = judge(member, linked=linked, vouched=vouched, now=now, config=self._config)
        if status is None:
            self._remove(member)
        elif (
            status is Status.SUSPECTED and member.status is Status.ACTIVE and self._is_gone(member)
        ):
            # Whoever holds a link to it is linked to others now.
            self._members.drop(member)
        elif status is Status.SUSPECTED and member.status is Status.ACTIVE:
            self._roster.suspect(member, "it is silent")
        elif member.status is Status.ACTIVE and now - member.stored_at >= STORED_AGAIN:
            self._roster.store(member)

    def _is_gone(self, member: Member) -> bool:
        """Whether, in a crowd, nobody vouches any more for a member that nobody can dial (M8)."""
        return self._members.crowded and member.met is None

    def _remove(self, member: Member) -> None:
        node_id = member.record.node_id
        self._roster.remove(member)
        self._plain.forget_peer(node_id)
        if member.status is not Status.INACTIVE:
            self._contacts.removed(node_id)
