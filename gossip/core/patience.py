"""How long a member's answer may take, learned from the answers (M4).

Theory of operation. TCP sends again what the network lost, after a fifth of a second and then after
twice as long each time: where much is lost, a good part of the answers of members that are well
take longer than half a period, and to take each for a failure costs everybody more than to wait. So
the time is a quantile, kept by stochastic approximation: an answer that took longer raises it, each
other one lowers it a little, so that it rests where LATE of the answers take longer. It is never
less than `least`, where it stays while little is lost, and at most MOST times as long. Only a crowd
waits for it (`Probes.timeout`): where all link to all, wrong suspicions are few and cost little.

What says nothing of the network does not count: an answer that took longer than the most, as of a
member that stood still; a late one of the member whose answer was the last late one, for it may be
slow by itself; and those that we read late.

    Robbins, Monro: A stochastic approximation method (1951).
"""

from gossip.core.config import Config

LATE = 0.03
"""Of the answers may take longer."""
MOST = 2.0
"""Times `least`."""
STEP = 0.5
"""Of `least`, by which a late answer raises the time; the rest follows from LATE."""
ASKED = 64
"""Questions remembered; the oldest make room."""


class Patience:
    """Seconds to wait for an answer, `least` at first."""

    def __init__(self, config: Config) -> None:
        self.least = least_of(config)
        self.seconds = self.least
        self._asked: dict[int, tuple[str, float]] = {}
        """By the number of the question: who was asked, and when."""
        self._late = ""
        """Whose answer was the last late one."""

    def asked(self, number: int, node_id: str, now: float) -> None:
        """A member was asked."""
        if len(self._asked) >= ASKED:
            del self._asked[next(iter(self._asked))]
        self._asked[number] = node_id, now

    def answered(self, number: int, node_id: str, now: float) -> None:
        """A member answered, perhaps after we gave it up."""
        asked, at = self._asked.get(number, ("", 0.0))
        if asked != node_id:
            return
        del self._asked[number]
        taken, most = now - at, MOST * self.least
        if taken > most:
            return
        if taken <= self.seconds:
            self.seconds = max(self.least, self.seconds - LATE * STEP * self.least)
        elif node_id != self._late:
            self._late = node_id
            self.seconds = min(most, self.seconds + (1 - LATE) * STEP * self.least)

    def forget(self) -> None:
        """We were away: answers lay unread, and tell nothing of how long they took."""
        self._asked.clear()


def least_of(config: Config) -> float:
    """Seconds that an answer has at least: the other half of a period is for helpers."""
    return config.probe_interval / 2
