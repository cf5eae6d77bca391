"""Repair: whatever eager push lost is found by comparing roots, and settled (A1, A2).

Theory of operation. Roots travel in `join`, `heartbeat` and at the start of a round. Where those of
two peers differ, one of them begins a session (`sessions`): a node has one at a time, because what
the first one brings usually makes the others unnecessary, and not more than one an interval with
the same peer. A round that finds a difference is answered with the first cells of a sketch; after
`join`s and heartbeats, the end that dialed begins.

The member table is compared by the same roots; what follows where it differs is told in `naming`.
"""

from collections.abc import Callable
from typing import TypeVar

from gossip.core import exchanges
from gossip.core.answers import Answers
from gossip.core.context import Context
from gossip.core.digests import Digests
from gossip.core.events import LinkId
from gossip.core.intake import Intake
from gossip.core.links import Link
from gossip.core.messages import (
    Cells,
    Held,
    Page,
    PageRequest,
    Push,
    Roots,
    SketchRequest,
    Untaken,
    Want,
    Wanted,
)
from gossip.core.naming import Naming
from gossip.core.replica import Replica
from gossip.core.roots import far_more
from gossip.core.sessions import Differences, Session, Snapshot, first_cells

ROUND_TRIP = 1.0
"""Seconds in which two rounds count as begun at the same time. A guess."""

S = TypeVar("S", bound=Session)


class Repair:
    """Compares roots and settles what differs."""

    def __init__(
        self, context: Context, replica: Replica, digests: Digests, naming: Naming
    ) -> None:
        self._context = context
        self._replica = replica
        self._digests = digests
        self._naming = naming
        self._intake = Intake(context, replica)
        self._answers = Answers(context, replica, digests)
        self._session: Session | None = None
        self._repaired_at: float | None = None
        self._waiting: dict[LinkId, None] = {}

    def with_roots(self, action: Callable[[Roots], None]) -> None:
        """Call back with our roots: at once, or when hashing has caught up."""
        self._digests.with_roots(action)

    @property
    def busy(self) -> bool:
        """Whether a slice is left to do."""
        return self._digests.busy or (self._session is not None and self._session.busy)

    def work(self) -> None:
        """Do one slice."""
        if self._digests.busy:
            self._digests.work()
        elif self._session is not None:
            self._session.work()

    # What peers say of their sets

    def _heard(self, link: Link, theirs: Roots) -> None:
        link.partner.roots = theirs
        if theirs.state is not None:
            self._replica.tombstones.heard(theirs.state.floor)

    def overheard(self, link: Link, theirs: Roots) -> None:
        """A heartbeat told the roots of an extended peer.

        Heartbeats come from everybody, and while somebody writes they all differ a little: no more
        than one of them an interval leads to a session, and none to naming the members.
        """
        self._heard(link, theirs)
        if (
            link.dialed is not None
            and self._session is None
            and self._context.is_interval_since(self._repaired_at)
        ):
            self.with_roots(lambda ours: self._want_if_different(link, ours))

    def introduced(self, link: Link, theirs: Roots) -> None:
        """A `join` told the roots of an extended peer."""
        self._heard(link, theirs)

        def compare(ours: Roots) -> None:
            if link.dialed is not None:
                self._want_if_different(link, ours)
            self._naming.compare(link, ours)

        self.with_roots(compare)

    def told(self, link: Link, theirs: Roots, *, is_answer: bool) -> None:
        """A peer began a round, or answers that we should pull from it."""
        held = link.partner.roots
        self._heard(link, theirs if theirs.state is not None else Roots(held.state, theirs.members))

        def compare(ours: Roots) -> None:
            if theirs.state is None:
                # It says how many members it has, and no more than that.
                pass
            elif is_answer:
                self._want_if_different(link, ours)
            elif self._differs(link, ours):
                self._answer_round(link, ours)
            self._naming.compare(link, ours)
            if not is_answer and self._naming.peer_should_ask(link, ours):
                # On few of our links it would hear of that from us soon; it may have no other.
                self._send_roots(link, Roots(None, ours.members), answer=True)

        self.with_roots(compare)

    def _answer_round(self, link: Link, ours: Roots) -> None:
        """Where a round found a difference: begin, let the peer begin, or begin for it (A2)."""
        theirs = link.partner.roots.state
        if theirs is None or ours.state is None:
            return
        if far_more(ours.state, theirs):
            self._want(link)
        elif far_more(theirs, ours.state):
            self._send_roots(link, ours, answer=True)
        elif self._session is None or self._session.link is not link:
            link.partner.answered_at = self._context.now.monotonic
            size = first_cells(ours.state, theirs)
            self._answers.sketch(link, SketchRequest("", 0, size, None))

    def ask(self, link: Link) -> None:
        """Begin a round with this peer (S4): tell it our roots."""

        def send(ours: Roots) -> None:
            in_session = self._session is not None and self._session.link is link
            if not link.closing and not in_session:
                self._send_roots(link, ours, answer=False)

        self.with_roots(send)

    def _send_roots(self, link: Link, ours: Roots, *, answer: bool) -> None:
        self._context.send([link], exchanges.root(ours, answer=answer))

    def _differs(self, link: Link, ours: Roots) -> bool:
        now, interval = self._context.now.monotonic, self._context.config.interval
        return not link.closing and link.partner.differs(ours.state, now, 2 * interval)

    # Sessions

    def _want_if_different(self, link: Link, ours: Roots) -> None:
        if self._differs(link, ours):
            self._want(link)

    def _want(self, link: Link) -> None:
        if self._context.is_interval_since(link.partner.pulled_at):
            self._waiting[link.id] = None
            if self._session is None:
                self._begin_next()

    def _begin_next(self) -> None:
        self._session = None
        self.with_roots(self._begin)

    def _begin(self, ours: Roots) -> None:
        while self._waiting and self._session is None:
            link_id = next(iter(self._waiting))
            del self._waiting[link_id]
            link = self._context.links.get(link_id)
            # The session before this one may have brought all that this peer has.
            if link is not None and self._differs(link, ours):
                self._begin_with(link, ours)

    def _begin_with(self, link: Link, ours: Roots) -> None:
        theirs = link.partner.roots.state
        if theirs is None or ours.state is None:
            return
        if far_more(theirs, ours.state):
            link.partner.pulled_at = self._context.now.monotonic
            self._send_roots(link, ours, answer=True)
        elif (
            far_more(ours.state, theirs)
            or link.partner.pull_on is not None
            or link.partner.compare_whole
        ):
            snapshot = self._opened(Snapshot, link)
            snapshot.begin(theirs)
        else:
            self._opened(Differences, link).begin(ours.state, theirs)

    def _opened(self, kind: type[S], link: Link) -> S:
        session = kind(
            self._context, self._replica, self._digests, self._intake, link, self._begin_next
        )
        self._session = session
        self._repaired_at = link.partner.pulled_at
        return session

    def cells(self, link: Link, cells: Cells) -> None:
        """Cells came: that a session asked for, or the answer to a round of ours."""
        self._heard(link, Roots(cells.root, link.partner.roots.members))
        session = self._session
        if session is not None and session.link is link:
            if isinstance(session, Differences):
                session.cells(cells)
        elif session is not None or link.partner.pull_on is not None or link.partner.compare_whole:
            self.with_roots(lambda ours: self._want_if_different(link, ours))
        elif not cells.range and not cells.first and not self._leaves_it_to(link):
            self.with_roots(lambda ours: self._begin_with_cells(link, cells, ours))

    def _leaves_it_to(self, link: Link) -> bool:
        """Whether both began a round at the same time, and the peer is the one to go on."""
        now, last = self._context.now.monotonic, link.partner.answered_at
        answered = last is not None and now - last < ROUND_TRIP
        return answered and self._context.config.node_id > (link.peer or "")

    def _begin_with_cells(self, link: Link, cells: Cells, ours: Roots) -> None:
        again = self._session is None and self._context.is_interval_since(link.partner.pulled_at)
        if again and ours.state is not None and self._differs(link, ours):
            self._opened(Differences, link).begin_with(cells, ours.state)

    def page(self, link: Link, page: Page) -> None:
        """A page came."""
        session = self._session
        if isinstance(session, Snapshot) and session.link is link and session.page(page):
            return
        self._intake.take(link, page.entries, page.root)

    def wanted(self, link: Link, wanted: Wanted) -> None:
        """Entries came that a session asked for."""
        session = self._session
        if isinstance(session, Differences) and session.link is link and session.wanted(wanted):
            return
        self._intake.take(link, wanted.entries, wanted.root)

    def pushed(self, link: Link, push: Push) -> None:
        """A peer that has a session with us found that we lack these."""
        self._intake.take(link, push.entries, push.root)

    def held(self, link: Link, held: Held) -> None:
        """A peer does not take what it lacks of our set: it is not offered again and again (A1)."""
        self._heard(link, Roots(held.theirs, link.partner.roots.members))
        link.partner.hold_back(
            held.theirs, held.ours, self._context.now.monotonic, self._context.config
        )

    def untaken(self, link: Link, untaken: Untaken) -> None:
        """A peer did not take these of ours: they are not pushed to it for a while (A1)."""
        until = self._context.now.monotonic + self._context.config.held_wait
        for element in untaken.elements:
            link.partner.unwanted.add(element, until)

    def asked(self, link: Link, request: PageRequest | SketchRequest | Want) -> None:
        """A peer has a session with us."""
        match request:
            case PageRequest():
                self._answers.page(link, request)
            case SketchRequest():
                self._answers.sketch(link, request)
            case Want():
                self._answers.want(link, request)

    def tick(self) -> None:
        """Give up a session whose peer fell silent; tell others what sessions brought."""
        if self._session is not None:
            self._session.tick()
        if self._intake.untold:
            self._intake.untold = False
            for link in self._context.links.best():
                if link.extended:
                    self.ask(link)

    def forget_link(self, link: LinkId) -> None:
        """The link is gone."""
        self._waiting.pop(link, None)
        if self._session is not None and self._session.link.id == link:
            self._session.end()
