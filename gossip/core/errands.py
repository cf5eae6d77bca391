"""Asking members for peers that hear nothing of them (M4).

Theory of operation. A peer that had no answer from a member sends a `ping-req`; we ask the member
under a number of our own, and tell the peer `ack`, or `nack` if we hear nothing either. Since we
do not know how much patience it has learned, the `nack` is in time for the least, and an `ack`
follows it if the member answers while the greatest would last.

    Das, Gupta, Motivala: SWIM (2002), section 3.1.
    Dadgar, Phillips, Currey: Lifeguard (2017), section IV-A (nacks).
"""

import msgspec

from gossip.core import exchanges
from gossip.core.context import Context
from gossip.core.events import LinkId
from gossip.core.links import Link
from gossip.core.patience import MOST, least_of
from gossip.core.pings import Pings

ERRAND_TIMER = "errand"

AT_A_TIME, FOR_EACH = 64, 8
"""Members that we ask for others at a time, and for one of them. Guesses."""
DENIED_AFTER = 0.6
"""Of the time that an answer has at least: well before the asker gives up, or a nack of ours is of
no use."""


class _Errand(msgspec.Struct):
    """A member that we ask for somebody else."""

    node_id: str
    asker: LinkId
    asked_as: int
    """The number that the asker gave it."""
    asked_at: float
    deadline: float
    denied: bool = False
    """The asker was told that we hear nothing; an answer is passed on all the same."""


class Errands:
    """What we ask for others, and what others ask us."""

    def __init__(self, context: Context, pings: Pings) -> None:
        self._context = context
        self._links = context.links
        self._pings = pings
        self._least = least_of(context.config)
        self._errands: dict[int, _Errand] = {}
        """By our number."""
        self._due = 0.0

    def pinged(self, link: Link, seq: int) -> None:
        """A peer asks whether we are there."""
        self._pings.answer(link, exchanges.ack(seq))

    def requested(self, link: Link, seq: int, node_id: str) -> None:
        """A peer wants us to ask a member."""
        if node_id == link.peer or self._is_busy(link) or self._pings.link_to(node_id) is None:
            self._pings.answer(link, exchanges.nack(seq, asked=False))
            return
        number, now = self._pings.number(), self._context.now.monotonic
        deadline = now + DENIED_AFTER * self._least
        self._errands[number] = _Errand(node_id, link.id, seq, now, deadline)
        self._pings.ask(node_id, number)
        self._await()

    def _is_busy(self, link: Link) -> bool:
        errands = self._errands.values()
        each = sum(errand.asker == link.id for errand in errands)
        return each >= FOR_EACH or len(errands) >= AT_A_TIME

    def acked(self, link: Link, seq: int) -> None:
        """A member answers that we asked, perhaps, for somebody."""
        errand = self._errands.get(seq)
        if errand is not None and errand.node_id == link.peer:
            del self._errands[seq]
            self._tell(errand, heard=True)

    def look(self) -> None:
        """See who answered in time."""
        now = self._context.now.monotonic
        if now - self._due > self._least / 2:
            # It was us who were away: answers may lie in front of us, unread.
            self._errands.clear()
        for number, errand in list(self._errands.items()):
            if now >= errand.deadline:
                self._judge(number, errand)
        self._await()

    def _judge(self, number: int, errand: _Errand) -> None:
        heard = self._pings.is_heard(errand.node_id, errand.asked_at)
        if not errand.denied:
            self._tell(errand, heard=heard)
        if heard or errand.denied:
            del self._errands[number]
        else:
            errand.denied = True
            # The asker waits so long for its helpers, and had as much patience with the member.
            errand.deadline = errand.asked_at + 2 * MOST * self._least

    def _await(self) -> None:
        """Look again when the next one is due."""
        if self._errands:
            self._due = min(errand.deadline for errand in self._errands.values())
            self._context.set_timer(ERRAND_TIMER, self._due - self._context.now.monotonic)

    def _tell(self, errand: _Errand, *, heard: bool) -> None:
        asker = self._links.get(errand.asker)
        if asker is not None:
            seq = errand.asked_as
            # Without a link any more, its silence says nothing.
            asked = bool(self._links.to(errand.node_id))
            frame = exchanges.ack(seq) if heard else exchanges.nack(seq, asked=asked)
            self._pings.answer(asker, frame)
