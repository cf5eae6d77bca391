"""Answering the peers that repair with us; nothing is kept between two frames (A3)."""

from collections.abc import Iterator, Sequence

from gossip.core import exchanges
from gossip.core.context import Context
from gossip.core.digests import Digests
from gossip.core.entries import Entry
from gossip.core.links import Link
from gossip.core.messages import PageRequest, SketchRequest, Want
from gossip.core.replica import Replica
from gossip.core.roots import Root
from gossip.core.sketch import CELLS

SKETCHES = 4
"""That may wait for the sake of one link: an honest peer asks for one at a time."""


class Answers:
    """What an extended peer may ask us for; not while its link does not drain."""

    def __init__(self, context: Context, replica: Replica, digests: Digests) -> None:
        self._context = context
        self._replica = replica
        self._digests = digests

    def _may(self, link: Link) -> bool:
        if link.blocked_since is not None:
            self._context.refuse("answer-blocked")
            return False
        return True

    def page(self, link: Link, request: PageRequest) -> None:
        """Entries behind a key, and where the next page begins."""
        if self._may(link):
            self._digests.with_roots(lambda ours: self._send_page(link, request.after, ours.state))

    def _send_page(self, link: Link, after: str | None, root: Root | None) -> None:
        if link.closing or root is None:
            return
        context = self._context
        behind = self._replica.state.behind(after)
        page = self._replica.page(behind, context.config.limits.slice_entries)
        following = None if next(behind, None) is None else page[-1][0]
        texts = [text for _, text in page]
        context.stats.pages_served += 1
        frame = exchanges.page(texts, after, following, root)
        context.send([link], frame)

    def sketch(self, link: Link, request: SketchRequest) -> None:
        """Cells of a range; from the first one if our set is another than that of those before."""
        if self._digests.waiting(link) >= SKETCHES:
            self._context.refuse("sketch-busy")
        elif self._may(link):
            self._digests.with_sketch(
                request.range,
                min(request.size, CELLS),
                lambda cells, root: self._send_cells(link, request, cells, root),
                link,
            )

    def _send_cells(
        self, link: Link, request: SketchRequest, cells: Sequence[int], root: Root
    ) -> None:
        if link.closing:
            return
        context = self._context
        first = request.first if root == request.root else 0
        frame = exchanges.cells(request.range, first, cells[first:], root)
        context.send([link], frame)

    def want(self, link: Link, request: Want) -> None:
        """The entries that these elements stand for, where they are newer than the peer's."""
        if self._may(link):
            self._digests.with_roots(lambda ours: self._send_wanted(link, request, ours.state))

    def _send_wanted(self, link: Link, request: Want, root: Root | None) -> None:
        if link.closing or root is None:
            return
        context, state = self._context, self._replica.state
        done = 0

        def newer() -> Iterator[Entry]:
            nonlocal done
            for element, version in request.items:
                done += 1
                entry = state.entry_of(element)
                if entry is not None and entry.version >= version:
                    yield entry

        page = self._replica.page(newer(), context.config.limits.slice_entries)
        context.stats.pages_served += 1
        texts = [text for _, text in page]
        frame = exchanges.wanted(texts, done, root)
        context.send([link], frame)
