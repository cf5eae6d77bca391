"""What the machines inside a node share: who we are, whom we are linked to, what we want done."""

from collections.abc import Iterable
from random import Random

from gossip.core.clocks import Clocks
from gossip.core.config import Config
from gossip.core.effects import CloseLink, Effect, Notice, NoticeKind, Send, SetTimer
from gossip.core.encoding import Encoder
from gossip.core.events import Instant
from gossip.core.links import Link, Links
from gossip.core.members import Members, PeerRecord
from gossip.core.stats import Stats


class CloseCode:
    """WebSocket close codes (section 10)."""

    GOODBYE = 1000
    FAULTS = 4400
    SILENT = 4408
    DUPLICATE = 4409
    OWN_ID = 4410
    SLOW_READER = 4413
    CLOCK = 4425
    OVER_RATE = 4429
    ENOUGH = 4430


class Ahead:
    """Shares of the allowed skew by which an incarnation may be ahead of the clock (M1)."""

    TOLD = 0.5
    """What a peer tells of another, and what we refute if it is told of us: with one bound for both
    each can refute what is told of it, and whoever was told believes that."""
    SAID = 1.0
    """What a member says of itself."""


def following(due: float, period: float, now: float, periods: int = 1) -> float:
    """When a timer that was due then is due again, so many periods later, or half of one less.

    However late we are, so that timers that were set together go on to fire together.
    """
    missed = max(0, round((now - due) / period))
    return due + (missed + periods) * period


class Context:
    """Shared by the machines of one node. `now` is the instant of the event being handled."""

    def __init__(self, config: Config, rng: Random) -> None:
        self.config = config
        self.rng = rng
        self.now = Instant(0.0, 0)
        self.stats = Stats()
        self.links = Links(config)
        self.members = Members(config)
        self.clocks = Clocks(config, self.members)
        self.encoder = Encoder(config, rng)
        self.me = PeerRecord(
            node_id=config.node_id,
            public_key=config.public_key,
            gossip_endpoint=config.gossip_endpoint,
            api_endpoint=config.api_endpoint,
            region=config.region,
            capabilities=config.capabilities,
            version=config.software_version,
        )
        self.updates = 0
        """How many updates we have applied, local and remote (W2)."""
        self.stopping = False
        self._effects: list[Effect] = []
        self._generations: dict[str, int] = {}

    def emit(self, effect: Effect) -> None:
        """Want something done, behind what we wanted before."""
        self._effects.append(effect)

    def drain(self) -> list[Effect]:
        """What the event led to."""
        effects, self._effects = self._effects, []
        return effects

    def send(self, links: Iterable[Link], frame: bytes) -> None:
        """Send one frame on these links."""
        ids = tuple(link.id for link in links)
        if ids:
            self.stats.messages_sent += len(ids)
            self._effects.append(Send(ids, frame))

    def close(self, link: Link, code: int, reason: str) -> None:
        """Close a link; nothing is sent on it any more."""
        if not link.closing:
            link.closing, link.closed_with = True, code
            self.links.changed()
            self._effects.append(CloseLink(link.id, code, reason))

    def set_timer(self, name: str, delay: float) -> None:
        """Set or replace a timer, this many seconds from now."""
        generation = self._generations.get(name, 0) + 1
        self._generations[name] = generation
        self._effects.append(SetTimer(name, generation, self.now.monotonic + max(0.0, delay)))

    def is_current(self, name: str, generation: int) -> bool:
        """Whether a timer that fired was not replaced meanwhile."""
        return self._generations.get(name) == generation

    def latest(self, share: float) -> int:
        """The incarnation that is ahead of our clock by this share of the skew (see `Ahead`)."""
        return self.now.wall + round(self.config.max_clock_skew * 1000 * share)

    def is_interval_since(self, last: float | None) -> bool:
        """Whether about an interval passed since: rounds come early by what latency differs."""
        return last is None or self.now.monotonic - last >= self.config.interval * 0.9

    def notice(self, kind: NoticeKind, subject: str, detail: str = "") -> None:
        """Tell the operator."""
        self._effects.append(Notice(kind, subject, detail))

    def refuse(self, reason: str, count: int = 1) -> None:
        """Count input that was refused."""
        self.stats.refused[reason] += count

    def fault(self, link: Link, reason: str) -> None:
        """Count a frame fault; too many close the link (R2)."""
        self.refuse(reason)
        link.faults += 1
        if link.faults >= self.config.limits.faults:
            code = CloseCode.OVER_RATE if reason == "rate" else CloseCode.FAULTS
            self.notice(NoticeKind.LINK_FAULTED, link.peer or "not joined", reason)
            self.close(link, code, reason)
