"""Whom to hold links to in a cluster too large for everybody to link to everybody (L1).

Theory of operation. Up to `Config.mesh` other members, everybody links to all. Beyond that each
node wants `degree` links to members chosen at random, half of them dialed by itself, and dials
while it has fewer. It accepts whoever comes, so that a newcomer always gets in, and closes links
chosen at random while it has `SLACK` more than it wants, those that it accepted first: who floods
a node with connections does not take those away that the node chose itself. Now and then it
exchanges one link for another, so that the graph stays random whatever happened to it, and so that
members who lost all their links are found.

A random graph in which everybody has at least four links is connected almost surely, and a message
crosses it in about log N steps; half of its nodes may go at once.

    Leitão, Pereira, Rodrigues: HyParView (2007), for the separation of who is known from whom one
    is linked to.
"""

from math import ceil

from gossip.core.contacts import Contacts
from gossip.core.context import CloseCode, Context
from gossip.core.degree import degree
from gossip.core.links import Link
from gossip.core.members import Member, Status

SLACK = 4
"""Links more than wanted, before some are closed."""
DIALS = 2
"""Dials in a second, as for names only heard of (L4)."""
FAR = 10.0
"""Seconds from one dial of a member that we could not reach to the next of any such."""
SETTLED = 10.0
"""Seconds that a link is left alone: a newcomer is to hear of others before it loses one."""
HURRIED = 1.0
"""The same where there is no room for the next newcomer otherwise. A guess: several round trips."""


class Overlay:
    """Keeps the number of links in bounds, and the graph random."""

    def __init__(self, context: Context, contacts: Contacts) -> None:
        self._context = context
        self._contacts = contacts
        self._members = context.members
        self._exchanging = False
        """A link is to be closed, for which another was dialed."""
        self._far_due = 0.0
        """Monotonic seconds: then a member may be dialed again that we could not reach."""
        self._rewired_at: float | None = None
        self._until_rewiring = 0.0

    def tick(self) -> None:
        """Look at our links, once a second."""
        if not self._members.crowded:
            self._contacts.plan.wake(self._context.now.monotonic)
            return
        links = [link for link in self._context.links.best() if self._counts(link)]
        wanted = degree(self._members.dialable + 1)
        own = sum(link.dialed is not None for link in links)
        lacking = max(wanted - len(links), wanted // 2 - own)
        surplus = len(links) - wanted - SLACK
        if lacking > 0:
            self._dial(lacking - self._contacts.plan.links_to_come())
        if surplus > 0:
            # Half of it: the other ends may be about to close some as well.
            self._drop(links, ceil(surplus / 2))
        elif self._exchanging and len(links) > wanted:
            self._exchanging = False
            self._context.close(self._context.rng.choice(links), CloseCode.ENOUGH, "exchanged")
        elif self._is_time():
            self._exchanging = True
            self._dial(1)

    def make_room(self) -> None:
        """Close one link, for we hold too many: of a stranger that does not join, or a spare one.

        What we dialed stays: who fills our table could cut us off otherwise.
        """
        before = self._context.now.monotonic - HURRIED
        stranger = self._context.links.oldest_stranger()
        is_idle = stranger is not None and stranger.opened < before
        if not is_idle and (spare := self._spare(before)) is not None:
            # Thousands may begin at once, and all of them know none but the bootstrap peers.
            self._context.close(spare, CloseCode.ENOUGH, "room for a newcomer")
            return
        self._context.refuse("links")
        if stranger is not None:
            self._context.close(stranger, CloseCode.OVER_RATE, "too many links")

    def _spare(self, before: float) -> Link | None:
        """The oldest accepted link that opened before then, unless we have no more than we want.

        Those of members that cannot be dialed last: they choose their links themselves.
        """
        if not self._members.crowded:
            return None
        links = [link for link in self._context.links.best() if link.extended]
        if len(links) <= degree(self._members.dialable + 1):
            return None
        old = (link for link in links if link.dialed is None and link.opened < before)
        return min(old, key=lambda link: not self._counts(link), default=None)

    def _counts(self, link: Link) -> bool:
        """Whether it leads to a member that can be dialed, or we are one that cannot.

        Who cannot be dialed chooses all its links itself: nobody takes them away.
        """
        if not link.extended:
            return False
        member = self._members.get(link.peer or "")
        dialable = member is not None and member.record.gossip_endpoint is not None
        return dialable or self._context.config.gossip_endpoint is None

    def _is_time(self) -> bool:
        """Whether a link is to be exchanged; not all nodes at once."""
        context, now = self._context, self._context.now.monotonic
        if self._rewired_at is not None and now - self._rewired_at < self._until_rewiring:
            return False
        first = self._rewired_at is None
        self._rewired_at = now
        self._until_rewiring = context.config.rewire_interval * context.rng.uniform(0.5, 1.5)
        return not first

    def _dial(self, count: int) -> None:
        if count <= 0:
            return
        now, rng = self._context.now.monotonic, self._context.rng
        candidates = [m for m in self._members.active() if self._may_be_dialed(m)]
        near = [member for member in candidates if not member.out_of_reach]
        far = [member for member in candidates if member.out_of_reach]
        chosen = rng.sample(near, min(count, DIALS, len(near)))
        if len(chosen) < count and far and now >= self._far_due:
            # We could not reach it once; perhaps nobody could reach anybody then.
            self._far_due = now + FAR
            chosen.append(rng.choice(far))
        for member in chosen:
            self._contacts.try_member(member)

    def _may_be_dialed(self, member: Member) -> bool:
        record = member.record
        return (
            record.extended
            and record.gossip_endpoint is not None
            and member.status is Status.ACTIVE
            and not self._context.links.known(record.node_id)
            and self._contacts.plan.is_idle(record.gossip_endpoint)
        )

    def _drop(self, links: list[Link], count: int) -> None:
        before = self._context.now.monotonic - SETTLED
        old = [link for link in links if link.opened < before]
        self._context.rng.shuffle(old)
        # Stable: the accepted ones come first, in random order.
        old.sort(key=lambda link: link.dialed is not None)
        for link in old[:count]:
            self._context.close(link, CloseCode.ENOUGH, "enough links")
