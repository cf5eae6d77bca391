"""Taking what comes in sessions of repair, and telling the peer what of it we do not take (A1)."""

from collections.abc import Callable
from itertools import islice

from gossip.core import exchanges
from gossip.core.context import Context
from gossip.core.entries import Entry
from gossip.core.links import Link
from gossip.core.messages import Entries
from gossip.core.replica import Replica
from gossip.core.roots import Root
from gossip.core.summary import element_of

PUSHED_ON = 50
"""Entries of one frame that are pushed on even in a crowd. A guess."""


class Intake:
    """The way of entries from a session into the map.

    Few are pushed on as if they started here. In a crowd many are not: where halves of a cluster
    meet again each node finds the same ones, and would flood them. Instead, the others are told
    that something is to be had (`untold`), and whoever lacks it begins a session.
    """

    def __init__(self, context: Context, replica: Replica) -> None:
        self._context = context
        self._replica = replica
        self.untold = False
        """Something came that was not pushed on: for `Repair` to tell, and to reset."""

    def take(
        self,
        link: Link,
        entries: Entries,
        source: Root | None,
        done: Callable[[], None] | None = None,
    ) -> None:
        """Apply the entries of one frame, in slices; then call `done`."""
        untaken: list[Entry] = []
        many = len(tuple(islice(entries.items, PUSHED_ON + 1))) > PUSHED_ON
        push_on = not (many and self._context.members.crowded)
        self.untold = self.untold or not push_on

        def applied() -> None:
            if untaken and not link.closing:
                self._refuse(link, untaken)
            if done is not None:
                done()

        self._replica.receive(link, entries, source, untaken=untaken, done=applied, push_on=push_on)

    def _refuse(self, link: Link, untaken: list[Entry]) -> None:
        context = self._context
        until = context.now.monotonic + context.config.held_wait
        elements = [element_of(entry) for entry in untaken]
        for element in elements:
            link.partner.untaken.add(element, until)
        most = context.config.limits.slice_entries
        for start in range(0, len(elements), most):
            frame = exchanges.untaken(elements[start : start + most])
            context.send([link], frame)
