"""One repair with one peer: find out what differs, pull what we lack, push what it lacks (A2).

Theory of operation. `Differences` asks for the first cells of the peer's sketch and compares them
with ours, asks for more of them while they are too few, and for the sketches of sixteen parts of
the set where even the largest sketch is too small. What comes when nobody waits for it, such as the
late answer to an earlier session, is no part of the session. `Snapshot` pulls the whole state, page
by page in the order of keys, where the peer has far more than we. Whoever lacks much thus sets the
pace.

The peer that is asked keeps nothing between two frames (A3, `answers`), so a frame that was lost
costs a time-out and no more: the next round begins anew.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum, auto

from gossip.core import exchanges
from gossip.core.context import Context
from gossip.core.digests import Digests
from gossip.core.entries import Entry
from gossip.core.intake import Intake
from gossip.core.links import Link
from gossip.core.messages import Cells, Page, Roots, Wanted
from gossip.core.replica import Replica
from gossip.core.roots import Root
from gossip.core.sketch import CELLS, difference, enough
from gossip.core.summary import element_of, same_key

_FIRST_CELLS = 24
"""Enough for some twenty differences, in one packet."""
_RANGE_CELLS = 256
"""The same for a sixteenth of what did not fit the largest sketch."""
_CELLS_PER_DIFFERENCE = 1.5
_FARTHEST_RANGE = 4
"""Digits of the smallest range: some 200 million differences fit into these sketches."""
CELLS_PER_ENTRY = 3
"""Cells that a peer may send for each entry of both: honest ones need half."""


def first_cells(ours: Root, theirs: Root) -> int:
    """How many cells to begin with: the least number that may be enough."""
    surely = abs(ours.n - theirs.n) * _CELLS_PER_DIFFERENCE
    return min(CELLS, max(_FIRST_CELLS, int(surely)))


class Session:
    """What both ways have in common. `over` is called once, when nothing is left to do."""

    def __init__(
        self,
        context: Context,
        replica: Replica,
        digests: Digests,
        intake: Intake,
        link: Link,
        over: Callable[[], None],
    ) -> None:
        self.link = link
        self._context = context
        self._replica = replica
        self._digests = digests
        self._intake = intake
        self._over = over
        self._ended = False
        self._deadline = float("inf")
        now = context.now.monotonic
        self._ends = now + context.config.pull_longest
        """Monotonic seconds: others have their turn then, however much is left."""
        link.partner.pulled_at = now
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
        """Ask for the first page, or go on where the last session had to make room.

        It ends when it brought a tenth more than was promised, and a thousand: writes go on
        meanwhile, and a liar's state may have no end.
        """
        self._left = theirs.n * 11 // 10 + 1_000
        self._request(self.link.partner.pull_on)
        self.link.partner.compare_whole = False

    def _request(self, after: str | None) -> None:
        self._after = after
        self._applying = False
        self._ask(exchanges.page_request(after))

    def page(self, page: Page) -> bool:
        """Apply a page, then ask for the next. False where it is not the one that we asked for."""
        if page.after != self._after or self._applying:
            return False
        self._applying = True
        self._deadline = self._ends
        self._intake.take(self.link, page.entries, page.root, lambda: self._go_on(page))
        return True

    def _go_on(self, page: Page) -> None:
        if self._ended:
            return
        brought = len(tuple(page.entries.items))
        self._left -= brought
        self.link.partner.pull_on = None
        if page.next is not None:
            # Pages that do not move on, are empty or too many would keep us pulling for ever.
            moves_on = brought and (self._after is None or page.next > self._after)
            if not moves_on or self._left < 0:
                self._give_up()
                return
            if not self._overdue():
                self._request(page.next)
                return
            self.link.partner.pull_on = page.next
        self.end()


class _Phase(Enum):
    """What a session waits for."""

    CELLS = auto()
    COMPARISON = auto()
    """Of the cells that came, with ours, which takes some slices."""
    ENTRIES = auto()
    APPLIED = auto()
    """The entries that came."""
    ROOM = auto()
    """On the link, for what the peer lacks."""
    END = auto()


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
        self._phase = _Phase.CELLS
        self._ranges = [""]
        self._cells: list[int] = []
        self._cells_of = theirs
        self._cells_left = CELLS_PER_ENTRY * (ours.n + theirs.n) + 2 * CELLS
        self._wanted: Sequence[tuple[int, int]] = ()
        """Elements that we lack, each with the version that we hold of its key, or 0."""
        self._lacking: Iterator[Entry] = iter(())
        """Entries that the peer lacks."""
        self._compared: tuple[Root, Root] | None = None
        """Our root and theirs when differences were found first."""
        self._pushed = False

    # Comparing

    def _request(self, size: int) -> None:
        self._phase = _Phase.CELLS
        known = self._cells_of if self._cells else None
        self._ask(exchanges.sketch_request(self._ranges[-1], len(self._cells), size, known))

    def cells(self, answer: Cells) -> None:
        """Cells came: those that we asked for, or all again because the peer's set changed."""
        goes_on = answer.first == len(self._cells) and answer.root == self._cells_of
        if (
            self._phase is not _Phase.CELLS
            or answer.range != self._ranges[-1]
            or not (goes_on or answer.first == 0)
        ):
            self._context.refuse("answer-late")
            return
        size = answer.first + len(answer.cells)
        self._cells_left -= len(answer.cells)
        if (
            size <= (len(self._cells) if answer.first else 0)
            or size > CELLS
            or self._cells_left < 0
        ):
            self._give_up()
            return
        self._phase = _Phase.COMPARISON
        self._deadline = self._ends
        self._cells = [*self._cells[: answer.first], *answer.cells]
        self._cells_of = answer.root
        self._digests.with_sketch(answer.range, size, self._compare, self.link)

    def _compare(self, ours: Sequence[int], root: Root) -> None:
        if self._ended:
            return
        found = difference(ours, self._cells)
        if found:
            self._compared = self._compared or (root, self._cells_of)
            self._settle(found)
        elif found is not None:
            # Where elements coincide only the entries themselves tell (see `summary`).
            same = root.is_of_same_set(self._cells_of)
            self.link.partner.compare_whole = not self._ranges[-1] and not same
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
        self._phase = _Phase.END
        self._ranges.pop()
        if self._ranges and not self._overdue():
            self._begin_range()
        elif self._compared is None:
            self.end()
        else:
            self._digests.with_roots(self._conclude)

    def _conclude(self, roots: Roots) -> None:
        """All is done. If that changed nothing, the rest is what one end does not take (A1)."""
        if self._ended or self._compared is None:
            return
        ours, theirs = self._compared
        if roots.state == ours and not self._pushed and not self._overdue():
            context = self._context
            self.link.partner.hold_back(theirs, ours, context.now.monotonic, context.config)
            context.send([self.link], exchanges.held(ours, theirs))
        self.end()

    # Exchanging

    def _settle(self, found: set[int]) -> None:
        summary = self._replica.state.summary
        ours = [element for element in found if summary.key_of(element) is not None]
        versions = {same_key(element): self._version_of(element) for element in ours}
        self._lacking = self._offers(ours)
        now, untaken = self._context.now.monotonic, self.link.partner.untaken
        lacking = [each for each in found.difference(ours) if not untaken.holds(each, now)]
        self._wanted = [(element, versions.get(same_key(element), 0)) for element in lacking]
        self._go_on()

    def _offers(self, ours: list[int]) -> Iterator[Entry]:
        """The entries that the peer lacks, but for those that it did not take before."""
        for element in ours:
            if not self.link.partner.unwanted.holds(element, self._context.now.monotonic):
                entry = self._entry(element)
                if entry is not None:
                    yield entry

    def _go_on(self) -> None:
        """Ask for the next of what we lack; then push what the peer lacks."""
        context = self._context
        if self._overdue():
            self.end()
        elif self._wanted:
            self._phase = _Phase.ENTRIES
            batch = self._wanted[: context.config.limits.slice_entries]
            self._ask(exchanges.want(batch))
        else:
            self._phase = _Phase.ROOM
            self._deadline = self._ends

    def wanted(self, answer: Wanted) -> bool:
        """Some of what we wanted came. False where nobody waits for it."""
        if self._phase is not _Phase.ENTRIES:
            return False
        self._phase = _Phase.APPLIED
        self._deadline = self._ends

        def applied() -> None:
            if self._ended:
                return
            if answer.done <= 0:
                self._give_up()
                return
            self._wanted = self._wanted[answer.done :]
            self._go_on()

        self._intake.take(self.link, answer.entries, answer.root, applied)
        return True

    @property
    def busy(self) -> bool:
        waits = self._phase is _Phase.ROOM and not self._ended
        return waits and self.link.blocked_since is None

    def work(self) -> None:
        """Push a page of what the peer lacks, then see to the next range."""
        if not self.busy:
            return
        context = self._context
        page = self._replica.page(self._lacking, context.config.limits.slice_entries)
        if not page:
            self._begin_next_range()
        elif self._overdue():
            self.end()
        else:
            self._pushed = True
            texts = [text for _, text in page]
            root = self._replica.state.summary.root
            frame = exchanges.push(texts, root)
            context.send([self.link], frame)

    def _entry(self, element: int) -> Entry | None:
        """The entry of ours that this element stands for, unless it was replaced meanwhile."""
        entry = self._replica.state.entry_of(element)
        return entry if entry is not None and element_of(entry) == element else None

    def _version_of(self, element: int) -> int:
        entry = self._entry(element)
        return 0 if entry is None else entry.version
