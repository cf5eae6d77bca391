"""Repair: whatever eager push lost is found by comparing roots, and pulled (A1–A3, M5).

Theory of operation. Roots travel in `join`, `heartbeat` and at the start of a round. Where a
peer's root differs from ours, each side pulls the other's whole state, page by page in the order
of keys, at most once per link and interval (A2, before the ladder exists). A node pulls from one
link at a time: what the first pull brings usually makes the others unnecessary. The peer that is
asked keeps nothing between pages (A3).

The member table is compared in the same way, and where it differs we ask for the peer's names.
"""

from collections import deque
from collections.abc import Callable

import msgspec

from gossip.core.context import Context
from gossip.core.events import LinkId
from gossip.core.links import Link
from gossip.core.messages import Page, Roots
from gossip.core.replica import Replica

_FOLD_SLICE = 2_000
"""Changes folded into the root at once: 15 ms of hashing where values are small."""
_FOLD_ROOM = 131_072
"""Bytes of values folded at once, and one more value: 50 ms where they are full of fractions."""
_PROMISED = 1.1, 1_000
"""A pull ends when it brought so many times what was promised, and so many more: writes go on
meanwhile, and a liar's state may have no end."""


class _Pull(msgspec.Struct):
    link: LinkId
    ends: float
    """Monotonic seconds: others have their turn then, however much is left."""
    left: int
    """How many more entries it may bring."""
    deadline: float = 0.0
    """Monotonic seconds: when to stop waiting for the page that was asked for."""
    after: str | None = None


class Repair:
    """Compares roots and pulls what we lack."""

    def __init__(self, context: Context, replica: Replica) -> None:
        self._context = context
        self._replica = replica
        self._pull: _Pull | None = None
        self._pulled_at: float | None = None
        self._asked_names_at: float | None = None
        self._waiting: dict[LinkId, None] = {}
        self._when_folded: deque[Callable[[Roots], None]] = deque()

    # Our own roots

    def with_roots(self, action: Callable[[Roots], None]) -> None:
        """Call back with our roots: at once, or when hashing has caught up (A2)."""
        self._when_folded.append(action)
        if len(self._when_folded) == 1:
            self.work()

    @property
    def busy(self) -> bool:
        """Whether a slice is left to do."""
        return bool(self._when_folded)

    def work(self) -> None:
        """Do one slice of hashing; call back whoever waits once all is done."""
        if not self._when_folded or not self._replica.state.fold(_FOLD_SLICE, _FOLD_ROOM):
            return
        context = self._context
        roots = Roots(self._replica.state.root(), context.members.root(context.me))
        actions, self._when_folded = self._when_folded, deque()
        for action in actions:
            action(roots)

    # What peers say of theirs

    def overheard(self, link: Link, theirs: Roots) -> None:
        """A heartbeat told the roots of an extended peer.

        Heartbeats come from everybody, and while somebody writes they all differ a little: no more
        than one of them an interval leads to a pull, and none to naming the members.
        """
        link.roots = theirs
        if self._pull is None and self._again(self._pulled_at):
            self.with_roots(lambda ours: self._want_if_different(link, ours))

    def told(self, link: Link, theirs: Roots, *, answer: bool = False) -> None:
        """A `join` or a round told the roots of an extended peer; `answer`: it wants ours too."""
        link.roots = theirs

        def compare(ours: Roots) -> None:
            self._want_if_different(link, ours)
            if answer and _state_differs(link, ours):
                context = self._context
                frame = context.encoder.root(ours, context.now.wall, context.updates, answer=True)
                context.send([link], frame)
            self._compare_members(link, ours)

        self.with_roots(compare)

    def _want_if_different(self, link: Link, ours: Roots) -> None:
        if _state_differs(link, ours):
            self._want(link, link.roots)

    def ask(self, link: Link) -> None:
        """Begin a round with this peer (S4): tell it our roots."""
        context = self._context

        def send(ours: Roots) -> None:
            if not link.closing:
                frame = context.encoder.root(ours, context.now.wall, context.updates, answer=False)
                context.send([link], frame)

        self.with_roots(send)

    def _compare_members(self, link: Link, ours: Roots) -> None:
        """Where our members differ from this peer's, ask for its names; not everybody at once."""
        differs = not link.closing and link.roots.members not in (None, ours.members)
        if differs and self._again(self._asked_names_at):
            self._asked_names_at = self._context.now.monotonic
            self.ask_names(link)

    def ask_names(self, link: Link) -> None:
        """Ask a peer for its active members."""
        context = self._context

        def send(_: Roots) -> None:
            # Behind our own `join`, which waits for the roots as well.
            if not link.closing:
                request = context.encoder.names_request(context.now.wall, context.updates)
                context.send([link], request)

        self.with_roots(send)

    def name_members(self, link: Link) -> None:
        """Answer a peer that asks for our active members; not more often than it may ask."""
        context = self._context
        now = context.now.monotonic
        too_soon = link.named_at is not None and now - link.named_at < context.config.interval / 2
        if too_soon or link.blocked_since is not None:
            context.refuse("names-too-soon" if too_soon else "names-blocked")
            return
        link.named_at = now
        self.name(link, [member.record.node_id for member in self._context.members.active()])

    def name(self, link: Link, node_ids: list[str]) -> None:
        """Tell an extended peer the names of these members.

        One that cannot be dialed is named only to say that we hold a link to it (M8).
        """
        context = self._context
        known = (context.members.get(node_id) for node_id in node_ids if node_id != link.peer)
        records = [
            member.record
            for member in known
            if member is not None
            and (
                member.record.gossip_endpoint is not None
                or context.links.linked(member.record.node_id)
            )
        ]
        for frame in context.encoder.members(records, context.now.wall, context.updates):
            context.send([link], frame)

    def _again(self, last: float | None) -> bool:
        return last is None or self._context.now.monotonic - last >= self._context.config.interval

    # Pulling

    def _want(self, link: Link, theirs: Roots) -> None:
        if theirs.state is None or theirs.state.n == 0 or not self._again(link.pulled_at):
            return
        self._waiting[link.id] = None
        if self._pull is None:
            self._begin_next()

    def _begin_next(self) -> None:
        self._pull = None
        self.with_roots(self._begin)

    def _begin(self, ours: Roots) -> None:
        while self._waiting and self._pull is None:
            link_id = next(iter(self._waiting))
            del self._waiting[link_id]
            link = self._context.links.get(link_id)
            # The pull before this one may have brought all that this peer has.
            if link is not None and link.roots.state != ours.state:
                self._pulled_at = link.pulled_at = self._context.now.monotonic
                self._context.stats.pulls += 1
                longest = self._context.config.pull_longest
                promised = link.roots.state.n if link.roots.state is not None else 0
                self._pull = _Pull(
                    link.id,
                    self._context.now.monotonic + longest,
                    int(promised * _PROMISED[0]) + _PROMISED[1],
                )
                self._request(link, link.pull_on)

    def _request(self, link: Link, after: str | None) -> None:
        context = self._context
        if self._pull is not None:
            self._pull.after = after
            self._pull.deadline = context.now.monotonic + context.config.pull_timeout
        context.send([link], context.encoder.page_request(after, context.now.wall, context.updates))

    def serve(self, link: Link, after: str | None) -> None:
        """Answer a page request; not while the link does not drain."""
        if link.blocked_since is not None:
            self._context.refuse("page-blocked")
            return
        self.with_roots(lambda ours: self._serve(link, after, ours))

    def _serve(self, link: Link, after: str | None, ours: Roots) -> None:
        if link.closing or ours.state is None:
            return
        context = self._context
        behind = self._replica.state.behind(after)
        page = self._replica.page(behind, context.config.limits.slice_entries)
        following = None if next(behind, None) is None else page[-1][0]
        texts = [text for _, text in page]
        context.stats.pages_served += 1
        context.send(
            [link],
            context.encoder.page(texts, following, ours.state, context.now.wall, context.updates),
        )

    def page(self, link: Link, page: Page) -> None:
        """A page came: apply it, then ask for the next."""
        pull = self._pull
        if pull is None or pull.link != link.id:
            self._replica.receive(link, page.entries, page.root)
            return
        pull.deadline = self._context.now.monotonic + self._context.config.pull_timeout

        def applied() -> None:
            if self._pull is pull:
                self._go_on(link, pull, page)

        self._replica.receive(link, page.entries, page.root, done=applied)

    def _go_on(self, link: Link, pull: _Pull, page: Page) -> None:
        """Ask for the next page, or give others their turn."""
        brought = len(tuple(page.entries.items))
        pull.left -= brought
        link.pull_on = None
        if page.next is not None and not link.closing:
            # Pages that do not move on, are empty or too many would keep us pulling for ever.
            moves_on = brought and (pull.after is None or page.next > pull.after)
            if not moves_on or pull.left < 0:
                self._context.refuse("pull-endless")
            elif self._context.now.monotonic < pull.ends:
                self._request(link, page.next)
                return
            else:
                link.pull_on = page.next
        self._begin_next()

    def tick(self) -> None:
        """Give up a pull whose peer fell silent."""
        if self._pull is not None and self._context.now.monotonic >= self._pull.deadline:
            self._context.refuse("pull-timeout")
            self._begin_next()

    def forget_link(self, link: LinkId) -> None:
        """The link is gone."""
        self._waiting.pop(link, None)
        if self._pull is not None and self._pull.link == link:
            self._begin_next()


def _state_differs(link: Link, ours: Roots) -> bool:
    """Whether the peer of an open link said last that its state is another than ours."""
    return not link.closing and link.roots.state not in (None, ours.state)
