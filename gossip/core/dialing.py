"""Whom to dial, and when (M7, L4).

Theory of operation. Every URL worth dialing is a target of one `Kind`. Bootstrap peers are retried
for ever. Members whose link broke are redialed at once, then with exponential backoff and full
jitter. Members that were removed or stored in an earlier life stay targets for a day. Members of a
crowd that were chosen to be linked to get one dial, and one more if nobody answers. Names that we
only heard of get one dial, within a budget that keeps a hostile list from turning us into a port
scanner.

The longest wait for bootstrap and lost peers grows with the number of active members, so that the
whole cluster together dials a missing peer at a constant rate.
"""

from collections.abc import Iterator
from enum import IntEnum
from random import Random

import msgspec

from gossip.core.config import Config

_NEVER = float("inf")
LONGEST_WAIT = 300.0
"""Seconds: even in a huge cluster a node looks for its bootstrap peers now and then."""


_OWN_URLS = 100
"""Own addresses remembered; more than a host has, less than a liar could make us keep."""


OWN_AGAIN = 60.0
"""Seconds after which a bootstrap name that led to ourselves is tried again at the latest."""
FREE_ATTEMPTS = 2
"""Dials of a claimed address that are made without regard to how many others there are."""


class Kind(IntEnum):
    """Why we dial; a greater kind replaces a lesser one for the same URL."""

    HEARSAY = 0
    CHANCE = 1
    """A member of a crowd, chosen at random to be linked to (L1): it gets one dial and no
    second try, but for what `again` says."""
    LOST = 2
    MEMBER = 3
    BOOTSTRAP = 4


class Target(msgspec.Struct, kw_only=True):
    """A URL to dial."""

    url: str
    kind: Kind
    due: float
    """Monotonic seconds."""
    node_id: str | None = None
    """Whom we expect there; None until we know."""
    loopback: bool = False
    """A loopback address is allowed: the operator or a loopback peer named it."""
    introducer: int = 0
    """The link on which we heard of it."""
    attempts: int = 0
    until: float = _NEVER
    """When a lost member is given up."""
    dialing: bool = False
    repeated: bool = False
    """The dial under way repeats one that nobody answered."""
    resting: bool = False
    """Left alone because there is a crowd, though a bootstrap peer; dialed when that ends."""


class DialPlan:
    """All targets, and the budget of hearsay."""

    def __init__(self, config: Config, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._targets: dict[str, Target] = {}
        self._own: dict[str, None] = {}
        self._tokens = float(config.dial_burst)
        self._refilled = 0.0

    def __len__(self) -> int:
        return len(self._targets)

    def __contains__(self, url: str) -> bool:
        return url in self._targets

    def get(self, url: str) -> Target | None:
        """The target of this URL."""
        return self._targets.get(url)

    def is_own(self, url: str) -> bool:
        """Whether dialing this URL once led back to ourselves (M7)."""
        return url in self._own

    def want(self, target: Target) -> bool:
        """Add a target, or strengthen the one there is. False when it was refused.

        A hearsay queue that is full drops its oldest name of the most talkative introducer.
        """
        if target.url in self._own and target.kind is not Kind.BOOTSTRAP:
            return False
        held = self._targets.get(target.url)
        if held is not None:
            if not held.dialing and (target.kind >= held.kind or held.kind is Kind.LOST):
                # A lost member that somebody sees is worth a dial now: so a healed network merges.
                held.due = min(held.due, target.due)
            if target.kind >= held.kind:
                held.until = target.until
                # Hearsay must not say who is behind the address of a bootstrap peer.
                held.node_id = target.node_id or held.node_id
            held.kind = max(held.kind, target.kind)
            held.loopback = held.loopback or target.loopback
            return True
        if target.kind is Kind.HEARSAY:
            self._make_room()
        self._targets[target.url] = target
        return True

    def unanswered(self) -> list[str]:
        """The bootstrap peers whose last dial led nowhere."""
        return [t.url for t in self._targets.values() if t.kind is Kind.BOOTSTRAP and t.attempts]

    def expect(self, url: str, node_id: str) -> None:
        """The peer behind this URL said who it is."""
        if (target := self._targets.get(url)) is not None:
            target.node_id = node_id

    def opened(self, url: str) -> None:
        """A dial led to a connection; it counts as a success once the peer joins."""
        if (target := self._targets.get(url)) is not None:
            target.dialing = False
            target.due = _NEVER

    def settled(self, node_id: str) -> None:
        """We hold a link to this node: nothing of it needs dialing."""
        for target in self._of(node_id):
            target.due = _NEVER
            target.attempts = 0
            target.dialing = target.repeated = target.resting = False
            if target.kind is not Kind.BOOTSTRAP:
                del self._targets[target.url]

    def unsettled(self, url: str | None, node_id: str | None, due: float) -> None:
        """The last link to this node, or one that we dialed to this URL, is gone."""
        for target in list(self._targets.values()):
            known = target.url == url or (node_id is not None and target.node_id == node_id)
            if known and not target.dialing and target.due == _NEVER:
                target.due = due

    def failed(self, url: str, now: float, active: int) -> Target | None:
        """A dial failed, or its connection closed before a `join`. Returns the target.

        `active` is how many members are active; it stretches the wait (M7). A target whose time is
        over is dropped: `url in plan` is false then.
        """
        target = self._targets.get(url)
        if target is None:
            return None
        target.dialing = target.repeated = False
        if target.kind in (Kind.HEARSAY, Kind.CHANCE) or target.until <= now:
            del self._targets[url]
            return target
        backoff = self._config.dial_backoff * 2 ** min(target.attempts, 16)
        wait = min(self._longest_wait(target, active), backoff)
        if target.kind is not Kind.BOOTSTRAP and target.attempts >= FREE_ATTEMPTS:
            # Their addresses are claims of peers: however many, they share one rate (L4).
            wait = max(wait, 2 * self._claimed() / self._config.dial_rate)
        target.attempts += 1
        target.due = now + self._rng.uniform(0, wait)
        return target

    def again(self, url: str, now: float) -> bool:
        """Dial this URL once more, at once: what was lost may have been our question.

        The first failure alone is repeated, and none of a name that we only heard of. False: it is
        to be taken for a failure.
        """
        target = self._targets.get(url)
        if target is None or target.kind is Kind.HEARSAY or target.repeated or target.attempts:
            return False
        target.repeated, target.dialing, target.due = True, False, now
        return True

    def lost(self, node_id: str, now: float) -> list[Target]:
        """A member was removed: keep looking for it for a day (M7).

        Returns the targets that made room for it.
        """
        for target in self._of(node_id):
            if target.kind is Kind.MEMBER:
                target.kind = Kind.LOST
                target.until = now + self._config.lost_for
        lost = [target for target in self._targets.values() if target.kind is Kind.LOST]
        dropped = lost[: max(0, len(lost) - self._config.limits.lost)]
        for target in dropped:
            del self._targets[target.url]
        return dropped

    def forget(self, node_id: str, now: float, active: int) -> None:
        """A member left in order: dial it no more, unless the operator named it."""
        for target in self._of(node_id):
            if target.kind is Kind.BOOTSTRAP:
                target.due = now + self._longest_wait(target, active)
            else:
                del self._targets[target.url]

    def rest(self, node_id: str, now: float, active: int) -> None:
        """This node is a member, and need not be linked to us (L1).

        If the operator named it, it is dialed all the same, five minutes later or so, in large
        clusters more seldom: nobody else might see that it is cut off from all of us.
        """
        for target in self._of(node_id):
            if target.kind is Kind.BOOTSTRAP:
                longest = max(LONGEST_WAIT, self._config.dial_backoff_max * active)
                target.due = now + longest * self._rng.uniform(0.5, 1.5)
                target.resting = True
            else:
                del self._targets[target.url]

    def wake(self, now: float) -> None:
        """The crowd has ended in which bootstrap peers were left to rest: dial them."""
        for target in self._targets.values():
            if target.resting:
                target.due, target.resting = now, False

    def is_idle(self, url: str) -> bool:
        """Whether nothing but time holds up the next dial of this URL, or it has no target."""
        target = self._targets.get(url)
        if target is None:
            return True
        return not target.dialing and not target.attempts and target.due < _NEVER

    def abandon(self, url: str) -> None:
        """Dial this URL no more."""
        del self._targets[url]

    def hasten(self, url: str, due: float) -> None:
        """Dial this URL, if it has a target, no later than this."""
        if (target := self._targets.get(url)) is not None:
            target.due = min(target.due, due)

    def own(self, url: str, now: float) -> bool:
        """Dialing this URL led to ourselves. Returns whether that is new.

        The name of a bootstrap peer may stand for many nodes, so it is tried again later.
        """
        first = url not in self._own
        if first and len(self._own) >= _OWN_URLS:
            del self._own[next(iter(self._own))]
        self._own[url] = None
        target = self._targets.get(url)
        if target is not None and target.kind is Kind.BOOTSTRAP:
            target.dialing = False
            target.due = now + self._rng.uniform(0.5, 1.0) * OWN_AGAIN
        elif target is not None:
            del self._targets[url]
        return first

    def take_due(self, now: float) -> Iterator[Target]:
        """The targets to dial now; they count as being dialed until told otherwise."""
        self._refill(now)
        parallel = sum(
            target.dialing and target.kind is Kind.HEARSAY for target in self._targets.values()
        )
        # The newest names first: old gossip is the least likely to be true.
        for target in reversed(list(self._targets.values())):
            if target.dialing or target.due > now:
                continue
            if target.kind is Kind.HEARSAY:
                if self._tokens < 1 or parallel >= self._config.dial_parallel:
                    continue
                self._tokens -= 1
                parallel += 1
            target.dialing, target.resting = True, False
            yield target

    def next_due(self, now: float) -> float | None:
        """When to call `take_due` next, right after it was called; None when nothing waits."""
        dues = [t.due for t in self._targets.values() if not t.dialing and t.due < _NEVER]
        later = [due for due in dues if due > now]
        if len(later) < len(dues):
            # Names that only the budget holds back: it refills in this time.
            later.append(now + 1 / self._config.dial_rate)
        return min(later, default=None)

    def links_to_come(self) -> int:
        """How many members are dialed in order to be linked to them, or will be at once."""
        return sum(target.kind is Kind.CHANCE for target in self._targets.values())

    def _longest_wait(self, target: Target, active: int) -> float:
        longest = self._config.dial_backoff_max
        if target.kind is Kind.MEMBER:
            return longest
        return min(longest * max(1, active), LONGEST_WAIT)

    def _claimed(self) -> int:
        """How many targets we have only by the claims of peers."""
        return sum(target.kind in (Kind.LOST, Kind.MEMBER) for target in self._targets.values())

    def _of(self, node_id: str) -> list[Target]:
        return [target for target in self._targets.values() if target.node_id == node_id]

    def _refill(self, now: float) -> None:
        gained = (now - self._refilled) * self._config.dial_rate
        self._tokens = min(float(self._config.dial_burst), self._tokens + gained)
        self._refilled = now

    def _make_room(self) -> None:
        heard = [target for target in self._targets.values() if target.kind is Kind.HEARSAY]
        if len(heard) < self._config.dial_queue:
            return
        crowd: dict[int, list[Target]] = {}
        for target in heard:
            crowd.setdefault(target.introducer, []).append(target)
        oldest = next((t for t in max(crowd.values(), key=len) if not t.dialing), None)
        if oldest is not None:
            del self._targets[oldest.url]
