"""One repair with one peer: find out what differs, pull what we lack, push what it lacks (A2).

Theory of operation. `Differences` asks for the first cells of the peer's sketch and compares them
with ours, asks for more of them while they are too few, and for the sketches of sixteen parts of
the set where even the largest sketch is too small. `Snapshot` pulls the whole state, page by page
in the order of keys, where the peer has far more than we. Whoever lacks much thus sets the pace.

The peer that is asked keeps nothing between two frames (A3, `answers`), so a frame that was lost
costs a time-out and no more: the next round begins anew.
"""

from collections.abc import Callable, Sequence

from gossip.core.context import Context
from gossip.core.digests import Digests
from gossip.core.entries import Entry
from gossip.core.links import Link
from gossip.core.messages import Cells, Page, Roots, Wanted
from gossip.core.replica import Replica
from gossip.core.roots import Root
from gossip.core.sketch import difference, enough
from gossip.core.summary import CELLS, element_of, same_key

_PROMISED = 1.1, 1_000
"""A pull ends when it brought so many times what was promised, and so many more: writes go on
meanwhile, and a liar's state may have no end."""
_FIRST_CELLS = 24
"""Enough for some twenty differences, in one packet."""
_RANGE_CELLS = 256
"""The same for a sixteenth of what did not fit the largest sketch."""
_CELLS_PER_DIFFERENCE = 1.5
_FARTHEST_RANGE = 4
"""Digits of the smallest range: some 200 million differences fit into these sketches."""
_PATIENCE = 3
"""Cells that a peer may send for each entry of both: honest ones need half."""


def first_cells(ours: Root, theirs: Root) -> int:
    """How many cells to begin with: the least number that may be enough."""
    surely = abs(ours.n - theirs.n) * _CELLS_PER_DIFFERENCE
    return min(CELLS, _FIRST_CELLS + int(surely))


class Session:
    """What both ways have in common. `over` is called once, when nothing is left to do."""

    def __init__(
        self,
        context: Context,
        replica: Replica,
        digests: Digests,
        link: Link,
        over: Callable[[], None],
    ) -> None:
        self.link = link
        self._context = context
        self._replica = replica
        self._digests = digests
        self._over = over
        self._ended = False
        self._deadline = float("inf")
        now = context.now.monotonic
        self._ends = now + context.config.pull_longest
        """Monotonic seconds: others have their turn then, however much is left."""
        link.pulled_at = now
        context.stats.pulls += 1

    @property
    def busy(self) -> bool:
        """Whether a slice is left to do."""
        return False

    def work(self) -> None:
        """Do one slice."""

    def tick(self) -> None:
        """Give up a peer that fell silent."""
        if not self._ended and self._context.now.monotonic >= self._deadline:
            self._context.refuse("pull-timeout")
            self.end()

    def end(self) -> None:
        """There is no more to be done."""
        if not self._ended:
            self._ended = True
            self._over()

    def _ask(self, request: bytes) -> None:
        """Send a request, and wait for the answer."""
        self._deadline = self._context.now.monotonic + self._context.config.pull_timeout
        self._context.send([self.link], request)

    def _give_up(self) -> None:
        """What comes has no end."""
        self._context.refuse("pull-endless")
        self.end()

    def _overdue(self) -> bool:
        return self.link.closing or self._context.now.monotonic >= self._ends


class Snapshot(Session):
    """Pull the whole state."""

    def begin(self, theirs: Root) -> None:
        """Ask for the first page, or go on where the last session had to make room."""
        self._left = int(theirs.n * _PROMISED[0]) + _PROMISED[1]
        self._request(self.link.pull_on)

    def _request(self, after: str | None) -> None:
        context = self._context
        self._after = after
        self._ask(context.encoder.page_request(after, context.now.wall, context.updates))

    def page(self, page: Page) -> None:
        """Apply a page, then ask for the next."""
        self._deadline = self._context.now.monotonic + self._context.config.pull_timeout
        self._replica.receive(self.link, page.entries, page.root, done=lambda: self._go_on(page))

    def _go_on(self, page: Page) -> None:
        if self._ended:
            return
        brought = len(tuple(page.entries.items))
        self._left -= brought
        self.link.pull_on = None
        if page.next is not None:
            # Pages that do not move on, are empty or too many would keep us pulling for ever.
            moves_on = brought and (self._after is None or page.next > self._after)
            if not moves_on or self._left < 0:
                self._give_up()
                return
            if not self._overdue():
                self._request(page.next)
                return
            self.link.pull_on = page.next
        self.end()


class Differences(Session):
    """Find the differences, and settle them both ways."""

    def begin(self, ours: Root, theirs: Root) -> None:
        """Ask for the first cells."""
        self._prepare(ours, theirs)
        self._request(first_cells(ours, theirs))

    def begin_with(self, cells: Cells, ours: Root) -> None:
        """The peer sent the first cells by itself, as the answer to a round."""
        self._prepare(ours, cells.root)
        self.cells(cells)

    def _prepare(self, ours: Root, theirs: Root) -> None:
        self._ranges = [""]
        self._cells: list[int] = []
        self._cells_of = theirs
        self._cells_left = _PATIENCE * (ours.n + theirs.n) + 2 * CELLS
        self._wanted: Sequence[tuple[int, int]] = ()
        """Elements that we lack, each with the version that we hold of its key, or 0."""
        self._ours: list[int] = []
        """Elements that the peer lacks."""
        self._pushing = False
        self._compared: tuple[Root, Root] | None = None
        """Our root and theirs when differences were found first."""
        self._pushed = False

    # Comparing

    def _request(self, size: int) -> None:
        context = self._context
        self._ask(
            context.encoder.sketch_request(
                self._ranges[-1],
                len(self._cells),
                size,
                self._cells_of if self._cells else None,
                context.now.wall,
                context.updates,
            )
        )

    def cells(self, answer: Cells) -> None:
        """Cells came: those that we asked for, or all again because the peer's set changed."""
        if answer.range != self._ranges[-1] or answer.first not in (0, len(self._cells)):
            return
        size = answer.first + len(answer.cells)
        self._cells_left -= len(answer.cells)
        if not answer.cells or size > CELLS or self._cells_left < 0:
            self._give_up()
            return
        self._deadline = float("inf")
        self._cells = [*self._cells[: answer.first], *answer.cells]
        self._cells_of = answer.root
        self._digests.with_sketch(answer.range, len(self._cells), self._compare)

    def _compare(self, ours: Sequence[int], root: Root) -> None:
        if self._ended:
            return
        found = difference(ours, self._cells)
        if found:
            self._compared = self._compared or (root, self._cells_of)
            self._settle(found)
        elif found is not None:
            if not self._ranges[-1] and root != self._cells_of:
                # Elements that coincide: only the entries themselves tell (see `summary`).
                self.link.pull_on = ""
            self._begin_next_range()
        elif self._overdue():
            self.end()
        elif len(self._cells) < CELLS:
            self._request(min(CELLS, enough(ours, self._cells)))
        elif len(self._ranges[-1]) < _FARTHEST_RANGE:
            outer = self._ranges.pop()
            self._ranges += [outer + digit for digit in "fedcba9876543210"]
            self._begin_range()
        else:
            self._give_up()

    def _begin_range(self) -> None:
        self._cells = []
        self._request(_RANGE_CELLS)

    def _begin_next_range(self) -> None:
        self._ranges.pop()
        if self._ranges and not self._overdue():
            self._begin_range()
        elif self._compared is None or self._pushed:
            self.end()
        else:
            self._digests.with_roots(self._hold_back)

    def _hold_back(self, roots: Roots) -> None:
        """All is done. If that changed nothing, the rest is what we do not take (A1)."""
        if self._compared is not None and roots.state == self._compared[0] and not self._ended:
            ours, theirs = self._compared
            context = self._context
            now = context.now
            self.link.hold_back(theirs, ours, now.monotonic, context.config)
            if not self.link.closing:
                frame = context.encoder.held(ours, theirs, now.wall, context.updates)
                context.send([self.link], frame)
        self.end()

    # Exchanging

    def _settle(self, found: set[int]) -> None:
        summary = self._replica.state.summary
        self._ours = [element for element in found if summary.key_of(element) is not None]
        held = {same_key(element): element for element in self._ours}
        self._wanted = [
            (element, self._version_of(held.get(same_key(element))))
            for element in found.difference(self._ours)
        ]
        self._ask_wanted()

    def _ask_wanted(self) -> None:
        """Ask for the next of what we lack; then push what the peer lacks."""
        if self._ended:
            return
        context = self._context
        if self._overdue():
            self.end()
        elif self._wanted:
            batch = self._wanted[: context.config.limits.slice_entries]
            self._ask(context.encoder.want(batch, context.now.wall, context.updates))
        else:
            self._deadline = self._ends
            self._lacking = filter(None, map(self._entry, self._ours))
            self._pushing = True

    def wanted(self, answer: Wanted) -> None:
        """Some of what we wanted came."""
        self._deadline = self._context.now.monotonic + self._context.config.pull_timeout

        def applied() -> None:
            if answer.done <= 0:
                self._give_up()
            self._wanted = self._wanted[answer.done :]
            self._ask_wanted()

        self._replica.receive(self.link, answer.entries, answer.root, done=applied)

    @property
    def busy(self) -> bool:
        return self._pushing and not self._ended and self.link.blocked_since is None

    def work(self) -> None:
        """Push a page of what the peer lacks, then see to the next range."""
        if not self.busy:
            return
        context = self._context
        page = self._replica.page(self._lacking, context.config.limits.slice_entries)
        if page:
            self._pushed = True
            texts = [text for _, text in page]
            root = self._replica.state.summary.root
            context.send(
                [self.link],
                context.encoder.page(texts, None, root, context.now.wall, context.updates),
            )
            return
        self._pushing = False
        self._begin_next_range()

    def _entry(self, element: int) -> Entry | None:
        """The entry of ours that this element stands for, unless it was replaced meanwhile."""
        state = self._replica.state
        key = state.summary.key_of(element)
        entry = None if key is None else state.get(key)
        return entry if entry is not None and element_of(entry) == element else None

    def _version_of(self, element: int | None) -> int:
        entry = None if element is None else self._entry(element)
        return 0 if entry is None else entry.version
