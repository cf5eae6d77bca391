"""Naming members: who lacks some asks a peer, and is told by it (M5, L1).

Theory of operation. Roots of the member tables travel with those of the states (`reconcile`). Where
two of them differ, we ask that peer for names: in a crowd whose tables differ in few for those that
we lack, which it finds by a sketch of ours, else for those of all its active members. In a crowd it
is for the one that knows fewer to ask, and the other says that it knows more.
"""

from collections.abc import Sequence

from gossip.core import exchanges
from gossip.core.context import Context
from gossip.core.digests import Digests
from gossip.core.links import Link
from gossip.core.messages import Roots
from gossip.core.partner import Partner
from gossip.core.rumors import Rumors
from gossip.core.sketch import difference

EACH_NAME = 0.02
"""Seconds, for each name of an answer, until all are asked for again. A guess: 16 kB a second
while tables differ in more than sketches tell."""
ASK_AGAIN = 1.0
"""Seconds from one question for the members that we lack to the next. A guess: 1 kB a second."""
NAME_AGAIN = 0.1
"""Seconds from one answer by a sketch to the next, whoever asks: it takes 11 ms with 10,000
members."""
UNANSWERED = 4
"""Intervals for which a peer that did not answer is not asked for members again. A guess: who
claims to know more and never answers gets one question in a few."""
FEW = 32
"""Members by which two tables differ that are found by a sketch; surely, there are more cells."""


class _AllNames:
    """When to ask for all members of a peer: they are much, and somebody always comes or goes.

    An interval after the last question as long as we learn from those who know more, or nobody
    answers, else much later; and at once where one word was not enough, of the next one that turns
    out to know more: whom two name is listed (L1).
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._members = context.members
        self._asked: Partner | None = None
        """Whom we asked last."""
        self._asked_at: float | None = None
        self._is_answered = False
        self._knew_then = 0
        """How many members we knew when we asked."""
        self._doubted_then = 0
        """How many names we had doubted when we asked."""
        self._rests_until = 0.0
        """Monotonic seconds."""

    def may_ask(self, partner: Partner, *, knows_more: bool) -> bool:
        """Whether it is time to ask this peer."""
        now = self._context.now.monotonic
        if now < partner.tells_all_from:
            return False
        if knows_more and self._is_answered and self._members.doubted > self._doubted_then:
            return True
        learning = knows_more and len(self._members) > self._knew_then
        rested = learning or now >= self._rests_until
        return rested and self._context.is_interval_since(self._asked_at)

    def question_went(self, partner: Partner) -> None:
        """This peer was asked."""
        self._asked = partner
        self._asked_at = self._rests_until = self._context.now.monotonic
        self._is_answered = False
        self._knew_then = len(self._members)
        self._doubted_then = self._members.doubted

    def names_came(self, partner: Partner, names: int) -> None:
        """A peer named so many members in one frame of an answer."""
        now, each = self._context.now.monotonic, EACH_NAME * names
        partner.tells_all_from = max(partner.tells_all_from, now) + each
        if partner is self._asked:
            self._is_answered = True
            # No more than what we list since: who goes on naming others does not silence us.
            most = now + EACH_NAME * len(self._members)
            self._rests_until = min(max(self._rests_until, now) + each, most)


class Naming:
    """Asks for members, and names them to who asks."""

    def __init__(self, context: Context, rumors: Rumors, digests: Digests) -> None:
        self._context = context
        self._members = context.members
        self._rumors = rumors
        self._digests = digests
        self._all_names = _AllNames(context)
        self._asked_lacking_at: float | None = None
        """When we asked any peer for those that we lack."""
        self._named_lacking_at: float | None = None
        """When we answered any peer with those that it lacks."""

    # Asking

    def compare(self, link: Link, ours: Roots) -> None:
        """Where our members differ from this peer's, ask for its names; not everybody at once."""
        theirs = link.partner.roots.members
        if link.closing or theirs is None or ours.members is None or theirs == ours.members:
            return
        since, waited = link.partner.unanswered_since, UNANSWERED * self._context.config.interval
        if since is not None and self._context.now.monotonic - since < waited:
            return
        if self._members.crowded and abs(theirs.n - ours.members.n) <= FEW:
            self._ask_for_lacking(link)
        elif self._all_names.may_ask(link.partner, knows_more=theirs.n > ours.members.n):
            self.ask(link)

    def peer_should_ask(self, link: Link, ours: Roots) -> bool:
        """Whether it is for this peer to ask us for members, of a crowd, and not the other way."""
        theirs = link.partner.roots.members
        if link.closing or theirs is None or ours.members is None:
            return False
        return self._members.crowded and ours.members.n > theirs.n + FEW

    def _ask_for_lacking(self, link: Link) -> None:
        now, last = self._context.now.monotonic, self._asked_lacking_at
        if last is None or now - last >= ASK_AGAIN:
            self._asked_lacking_at = now
            self._ask(link, self._members.sketch(self._context.me))

    def ask(self, link: Link) -> None:
        """Ask a peer for its active members."""
        self._all_names.question_went(link.partner)
        self._ask(link, ())

    def _ask(self, link: Link, cells: Sequence[int]) -> None:
        def send(_: Roots) -> None:
            # Behind our own `join`, which waits for the roots as well.
            if not link.closing:
                self._context.send([link], exchanges.names_request(cells))

        link.partner.unanswered_since = self._context.now.monotonic
        self._digests.with_roots(send)

    def names_came(self, link: Link, names: int) -> None:
        """A peer that says that we asked it named so many members in one frame."""
        link.partner.unanswered_since = None
        self._all_names.names_came(link.partner, names)

    # Naming

    def answer(self, link: Link, cells: Sequence[int]) -> None:
        """Answer a peer that asks for our active members; not more often than it may ask."""
        context, partner = self._context, link.partner
        now, last = context.now.monotonic, partner.asked_for_members_at
        if last is not None and now - last < context.config.interval / 2:
            context.refuse("names-too-soon")
            return
        if link.blocked_since is not None:
            context.refuse("names-blocked")
            return
        partner.asked_for_members_at = now
        found = self._differences(cells)
        if found is not None:
            self._name_lacking(link, found)
        elif now >= partner.told_all_until:
            active = [member.record.node_id for member in self._members.active()]
            named = self.name(link, active, answer=True)
            partner.told_all_until = now + EACH_NAME * named
        else:
            context.refuse("names-too-soon")

    def _differences(self, cells: Sequence[int]) -> set[int] | None:
        """The members of whom only one of us knows, as far as these cells of a peer tell."""
        if not cells or not self._members.crowded:
            return None
        return difference(self._members.sketch(self._context.me)[: len(cells)], cells)

    def _name_lacking(self, link: Link, found: set[int]) -> None:
        now, last = self._context.now.monotonic, self._named_lacking_at
        if not found:
            return
        if last is not None and now - last < NAME_AGAIN:
            self._context.refuse("names-too-soon")
            return
        self._named_lacking_at = now
        lacking = self._members.among(found)
        self.name(link, lacking, answer=True)
        unwell = self._rumors.correct(link, found)
        if len(lacking) + unwell < len(found):
            # The others we lack ourselves, or know in another incarnation.
            self._ask_for_lacking(link)

    def name(self, link: Link, node_ids: list[str], *, answer: bool = False) -> int:
        """Tell an extended peer the names of these members; return how many.

        One that cannot be dialed is named only to say that we hold a link to it (M8).
        """
        context = self._context
        known = (self._members.get(node_id) for node_id in node_ids if node_id != link.peer)
        records = [
            member.record
            for member in known
            if member is not None
            and (
                member.record.gossip_endpoint is not None
                or context.links.linked(member.record.node_id)
            )
        ]
        for frame in exchanges.members(records, context.config.limits, answer=answer):
            context.send([link], frame)
        return len(records)
