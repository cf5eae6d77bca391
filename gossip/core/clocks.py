"""What the clocks of others say of ours (E4).

Of members we know by how much their clocks differ from ours. Peers whose clock is so far off that
one of us refuses the other cannot become members; but each of them speaks about our clock as well:
we saw the `join` that came from our future, or were told that ours came from theirs.
"""

from gossip.core.config import Config
from gossip.core.members import Members

REMEMBERED = 300.0
"""Seconds: such a peer is dialed again several times meanwhile, if it is still there."""


class Clocks:
    """By how much the clocks of others are ahead of ours, in milliseconds."""

    def __init__(self, config: Config, members: Members) -> None:
        self._config = config
        self._members = members
        self._strangers: dict[str, tuple[int, float]] = {}
        """By id or URL, with when it was noted."""

    def disagrees(self, stranger: str, skew: int, now: float) -> None:
        """A peer that cannot be a member because its clock is at least so far from ours."""
        self._strangers.pop(stranger, None)
        self._strangers[stranger] = skew, now
        if len(self._strangers) > self._config.limits.lost:
            del self._strangers[next(iter(self._strangers))]

    def _skews(self, now: float) -> list[int]:
        members = [member.skew for member in self._members.active() if member.skew is not None]
        if any(not self._is_off(skew) for skew in members):
            # Anybody can play a stranger; a member that agrees with us is more than all of them.
            return members
        strangers = [skew for skew, noted in self._strangers.values() if now - noted < REMEMBERED]
        return members + strangers

    def _is_off(self, skew: int) -> bool:
        return abs(skew) > self._config.max_clock_skew * 1000

    def median(self, now: float) -> float:
        """Seconds, of what is in the middle; 0 where nobody says anything."""
        skews = sorted(self._skews(now))
        return skews[len(skews) // 2] / 1000 if skews else 0.0

    def out_of_step(self, now: float) -> bool:
        """Whether our clock is off by more than the allowed skew from most others.

        One of them alone proves nothing: it may be the one that is wrong.
        """
        skews = self._skews(now)
        off = sum(map(self._is_off, skews))
        return len(skews) >= 2 and 2 * off > len(skews)
