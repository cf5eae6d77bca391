"""What an end of a link knows of the other's sets, and of the repairs with it (A1, A2, M5)."""

import msgspec

from gossip.core.config import Config
from gossip.core.messages import Roots
from gossip.core.roots import Root, far_more
from gossip.core.sketch import CELLS


class HeldElements:
    """Elements that one end of a link does not take, for a while (A1)."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        """Monotonic seconds, by element; the oldest make room."""

    def add(self, element: int, until: float) -> None:
        """Offer it no more, nor ask for it, until then."""
        self._until.pop(element, None)
        self._until[element] = until
        if len(self._until) > CELLS:
            del self._until[next(iter(self._until))]

    def holds(self, element: int, now: float) -> bool:
        """Whether that is so of this one."""
        return self._until.get(element, now) > now


class HeldBack(msgspec.Struct):
    """Two sets differ in what one end does not take, and nothing else (A1)."""

    theirs: Root
    ours: Root
    wait: float
    until: float
    """Monotonic seconds: then it is offered again."""


class Partner(msgspec.Struct, kw_only=True):
    """The peer of one link, as one to compare notes with."""

    roots: Roots = Roots(None, None)
    """What the peer said of its sets last."""
    asked_for_members_at: float | None = None
    """When it asked us for members last; a further question soon after is dropped."""
    told_all_until: float = 0.0
    """Until then we do not name all of ours to it again."""
    unanswered_since: float | None = None
    """When we asked it for members last; None: it has answered."""
    tells_all_from: float = 0.0
    """Before that it would not name all of its to us again."""
    pulled_at: float | None = None
    """When we began to pull from it last."""
    pull_on: str | None = None
    """The key behind which the next pull from it goes on: the last one made room for others."""
    compare_whole: bool = False
    """Sketches could not tell what differs: the next session pulls its whole state (A2)."""
    answered_at: float | None = None
    """When its last round was answered with cells."""
    held_back: HeldBack | None = None
    floors_differ_since: float | None = None
    untaken: HeldElements = msgspec.field(default_factory=HeldElements)
    """What the peer has and we did not take."""
    unwanted: HeldElements = msgspec.field(default_factory=HeldElements)
    """What we have and the peer said that it did not take."""

    def hold_back(self, theirs: Root, ours: Root, now: float, config: Config) -> None:
        """Let what these sets differ in rest; longer each time (A1)."""
        held, wait = self.held_back, config.held_wait
        if held is not None and (held.theirs, held.ours) == (theirs, ours):
            wait = min(2 * held.wait, config.held_wait_max)
        self.held_back = HeldBack(theirs, ours, wait, now + wait)

    def differs(self, ours: Root | None, now: float, wait: float) -> bool:
        """Whether the peer said that its state is another than ours, and that can be mended.

        `wait`: seconds for which a difference of floors is a reason to do nothing.
        """
        theirs, held = self.roots.state, self.held_back
        if theirs is None or ours is None or theirs.is_of_same_set(ours):
            return False
        if theirs.floor == ours.floor:
            self.floors_differ_since = None
        elif theirs.n and not far_more(theirs, ours):
            # What was dropped at one end is not to be brought back: the other drops it, too, before
            # they compare. Not for long, or floors that never agree would keep them apart.
            self.floors_differ_since = self.floors_differ_since or now
            if now - self.floors_differ_since < wait:
                return False
        return held is None or now >= held.until or (held.theirs, held.ours) != (theirs, ours)
