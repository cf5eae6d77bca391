"""The connections that we hold, and which of several to one peer survives (L2, L3)."""

from collections.abc import Iterator

import msgspec

from gossip.core.config import Config
from gossip.core.events import Instant, LinkId
from gossip.core.members import PeerRecord
from gossip.core.partner import Partner

_WINDOW = 1.0
"""Seconds over which rates are counted."""


class Link(msgspec.Struct, kw_only=True):
    """One open connection."""

    id: LinkId
    dialed: str | None
    """The URL that we dialed; None for an accepted connection."""
    loopback: bool
    """The other end has a loopback address: it may name loopback endpoints (L4)."""
    opened: float
    received: float
    """Monotonic seconds of the last frame."""
    peer: str | None = None
    """Node id at the other end, once it said so."""
    record: PeerRecord | None = None
    """What it said of itself: a member that was removed comes back by any frame of its own."""
    join_id: str = ""
    """Message id of the `join` of the end that dialed: both ends know it (L2)."""
    introduced: bool = False
    """Our own `join` went out; nothing else may go before it."""
    extended: bool = False
    incarnation: int = 0
    """What the peer said in its `join`; it may have taken a later one since (M1)."""
    own_incarnation: int = 0
    """What we said in ours."""
    disputed_at: float | None = None
    """When the peer was handed what somebody said of its id (K3); None: it began a life since."""
    outrun_at: float | None = None
    """When the peer was handed a later incarnation than its own that others hold (M2)."""
    joined: bool = False
    """The peer introduced itself on this link."""
    closing: bool = False
    closed_with: int | None = None
    """The code with which this end closed it; None: the other end did, or nobody."""
    blocked_since: float | None = None
    faults: int = 0
    duplicate_of: LinkId | None = None
    """The link that replaces this one as soon as it carries a frame (L2)."""
    partner: Partner = msgspec.field(default_factory=Partner)
    """What repairs with the peer have to remember."""
    window: float = 0.0
    frames: int = 0
    bytes: int = 0
    over_rate_since: float | None = None

    @property
    def usable(self) -> bool:
        """Whether data may be sent on it."""
        return self.introduced and not self.closing and self.duplicate_of is None

    def count(self, size: int, now: float, config: Config) -> float | None:
        """Count a frame. Returns until when the link must pause, if it is over its rate."""
        if now - self.window >= _WINDOW:
            if self.frames <= config.limits.frames_per_second and (
                self.bytes <= config.limits.bytes_per_second
            ):
                self.over_rate_since = None
            self.window, self.frames, self.bytes = now, 0, 0
        self.frames += 1
        self.bytes += size
        if (
            self.frames <= config.limits.frames_per_second
            and self.bytes <= config.limits.bytes_per_second
        ):
            return None
        if self.over_rate_since is None:
            self.over_rate_since = now
        return self.window + _WINDOW


class Links:
    """All open links, by number and by peer."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._links: dict[LinkId, Link] = {}
        self._by_peer: dict[str, list[Link]] = {}
        self._best: list[Link] | None = None
        self.generation = 0
        """Grows whenever what `linked` or `best` say may have changed."""

    def __len__(self) -> int:
        return len(self._links)

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._links.values()))

    def get(self, link: LinkId) -> Link | None:
        """The link of this number, unless it is closed or closing."""
        found = self._links.get(link)
        return None if found is None or found.closing else found

    def open(self, link: LinkId, dialed: str | None, loopback: bool, now: Instant) -> Link:
        """A connection opened."""
        opened = Link(
            id=link,
            dialed=dialed,
            loopback=loopback,
            opened=now.monotonic,
            received=now.monotonic,
        )
        self._links[link] = opened
        return opened

    def changed(self) -> None:
        """A link joined, began to close or was replaced: `best` must be found out again."""
        self._best = None
        self.generation += 1

    def oldest_stranger(self) -> Link | None:
        """The oldest accepted link that has not joined; it gets nothing but answers anyway (R6)."""
        strangers = (
            link
            for link in self._links.values()
            if link.dialed is None and not link.joined and not link.closing
        )
        return next(strangers, None)

    def close(self, link: LinkId) -> Link | None:
        """The connection is gone."""
        self.changed()
        closed = self._links.pop(link, None)
        if closed is not None:
            closed.closing = True
        if closed is not None and closed.peer is not None:
            rest = [other for other in self._by_peer[closed.peer] if other is not closed]
            self._by_peer[closed.peer] = rest
            for other in rest:
                if other.duplicate_of == link:
                    # It was to give way to this one.
                    other.duplicate_of = None
            if not rest:
                del self._by_peer[closed.peer]
        return closed

    def identify(self, link: Link, peer: str) -> None:
        """The other end said who it is. Once for each link."""
        self.changed()
        link.peer = peer
        self._by_peer.setdefault(peer, []).append(link)

    def to(self, peer: str) -> list[Link]:
        """The links to this peer that are not closing, oldest first."""
        return [link for link in self._by_peer.get(peer, ()) if not link.closing]

    def linked(self, peer: str) -> bool:
        """Whether a link to this peer is open and not closing; perhaps not yet `usable`."""
        return bool(self.to(peer))

    def known(self, peer: str) -> bool:
        """Whether there is a link to this peer, be it a closing one."""
        return peer in self._by_peer

    def best(self) -> list[Link]:
        """For each peer that joined, the link to send on, in the order of their numbers.

        Extended: the survivor of duplicates. Plain: the newest, where it expects us to (W4).
        """
        if self._best is None:
            self._best = self._find_best()
        return self._best

    def _find_best(self) -> list[Link]:
        chosen = (
            max(usable, key=lambda link: link.id)
            for links in self._by_peer.values()
            if (usable := [link for link in links if link.usable and link.joined])
        )
        return sorted(chosen, key=lambda link: link.id)

    def settle_duplicates(self, peer: str, me: str) -> Link | None:
        """Decide which of several links to an extended peer survives; return it (L2).

        The later lives win, by the sum of the incarnations in the `join`s of both ends, then the
        link dialed by the smaller id, then the newer one, by the ids of the dialer's `join`s: by
        nothing that the ends know differently, so that both decide alike. None where there is
        nothing to decide.
        """
        candidates = [
            link for link in self.to(peer) if link.joined and link.introduced and link.extended
        ]
        if len(candidates) < 2:
            return None
        smaller_dials = me < peer

        def strength(link: Link) -> tuple[int, bool, str]:
            lives = link.incarnation + link.own_incarnation
            return lives, (link.dialed is not None) == smaller_dials, link.join_id

        self.changed()
        survivor = max(candidates, key=strength)
        for link in candidates:
            link.duplicate_of = None if link is survivor else survivor.id
        return survivor

    def replaced_by(self, survivor: Link) -> list[Link]:
        """The links that close now that their survivor carried a frame (L2)."""
        if survivor.peer is None:
            return []
        return [link for link in self.to(survivor.peer) if link.duplicate_of == survivor.id]
