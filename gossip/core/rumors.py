"""News of members that waits to be told (M5).

Theory of operation. A change of a member's standing or incarnation goes out within
`Config.news_delay`, on all extended links, or in a crowd on some of them; then it rides on
heartbeats, until it was told a number of times that is logarithmic in the size of the cluster:
enough for almost everybody to hear it from somebody. Whom chance left out in a crowd is told when
it asks for the members that it lacks: the sketch of its table shows whom it lists as active. News
that accuses a member goes to that member as well, on its own link, so that it can refute it (M2).

Plain peers have no incarnation and could refute nothing: there is no news of them.

    Kermarrec, Massoulié, Ganesh: Probabilistic reliable dissemination in large-scale systems
    (2003), for what a fan-out reaches.
"""

from collections.abc import Container
from math import ceil, log2

import msgspec

from gossip.core import exchanges
from gossip.core.context import Context
from gossip.core.events import LinkId
from gossip.core.links import Link
from gossip.core.members import Member, PeerRecord, Status
from gossip.core.messages import NewsItem, Roots, Standing

NEWS_TIMER = "news"

FANOUT = 5
"""Links of a crowd on which news goes out at once: less than one node in a hundred misses it then,
1 - c = exp(-5 c), and is told by heartbeats, or finds out as it compares tables."""

_AS_TOLD = {Status.SUSPECTED: Standing.SUSPECT, Status.INACTIVE: Standing.LEFT}
"""What news calls the members that are not active."""


class _Rumor(msgspec.Struct):
    item: NewsItem
    told: int = 0


class Rumors:
    """What is to be told, to everybody or to the accused."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._members = context.members
        self._links = context.links
        self._rumors: dict[str, _Rumor] = {}
        """By node id: of each member the newest alone."""
        self._accusations: dict[str, int] = {}
        """By node id: the incarnation in which others were told to suspect it."""
        self._disputes: dict[tuple[LinkId, int], PeerRecord] = {}
        """What somebody said of the id of the member of this link, of this life of it, and that one
        did not."""
        self._newcomers: dict[str, str] = {}
        """By node id: who named it. Everybody names a newcomer to everybody else once (L1)."""
        self._renewed = False
        """Our own incarnation is to be told."""
        self._timer_set = False

    def tell(self, member: Member, standing: Standing) -> None:
        """A member changed."""
        record = member.record
        if record.extended:
            other = standing is Standing.ALIVE and record.life != record.incarnation
            life = record.life if other else None
            self._add(NewsItem(record.node_id, record.incarnation, standing, life))
            if standing is Standing.SUSPECT and self._members.crowded:
                # Its own link may not be among those on which news goes out.
                self.accuse(record.node_id, record.incarnation)
        else:
            self.forget(record.node_id)

    def tell_dead(self, node_id: str, incarnation: int) -> None:
        """This incarnation is over, though others may know it; a member can refute that."""
        self._add(NewsItem(node_id, incarnation, Standing.DEAD))

    def tell_renewed(self) -> None:
        """We have another incarnation: the next frame says so."""
        self._renewed = True
        self._soon()

    def accuse(self, node_id: str, incarnation: int) -> None:
        """Hand a suspicion to the member itself, to be refuted."""
        self._accusations[node_id] = max(incarnation, self._accusations.get(node_id, 0))
        self._soon()

    def dispute(self, link: Link, record: PeerRecord) -> None:
        """Hand to the member of this link what somebody else said of its id (K3)."""
        self._disputes[link.id, record.life] = record
        self._soon()

    def name(self, node_id: str, source: str) -> None:
        """There is a new member, as `source` says, which may be the member itself.

        Those beyond the bound are found by comparing tables (M5).
        """
        if len(self._newcomers) < self._context.config.limits.newcomers:
            self._newcomers[node_id] = source
        self._soon()

    def forget(self, node_id: str) -> None:
        """What was to be told of this member is over."""
        self._rumors.pop(node_id, None)

    def _add(self, item: NewsItem) -> None:
        """Tell this from now on, and what was told of this member no more."""
        self.forget(item.node_id)
        if len(self._rumors) >= self._context.config.limits.rumors:
            del self._rumors[max(self._rumors.values(), key=_told).item.node_id]
        self._rumors[item.node_id] = _Rumor(item)
        self._soon()

    def for_heartbeat(self) -> tuple[NewsItem, ...]:
        """What to tell in a heartbeat that goes out now."""
        return self._take(sorted(self._rumors.values(), key=_told))

    def _take(self, rumors: list[_Rumor]) -> tuple[NewsItem, ...]:
        times = ceil(log2(len(self._members) + 2))
        taken = rumors[: self._context.config.limits.news]
        for rumor in taken:
            rumor.told += 1
            if rumor.told >= times:
                del self._rumors[rumor.item.node_id]
        return tuple(rumor.item for rumor in taken)

    def _soon(self) -> None:
        if not self._timer_set:
            self._timer_set = True
            self._context.set_timer(NEWS_TIMER, self._context.config.news_delay)

    def flush(self) -> None:
        """Tell what nobody was told yet; come back if that was too much for one frame."""
        self._timer_set = False
        # Before the news, which may be that an earlier life of who is named is over.
        self._name_newcomers()
        fresh = [rumor for rumor in self._rumors.values() if not rumor.told]
        news = self._take(fresh)
        links = [link for link in self._links.best() if link.extended]
        if self._renewed:
            # What we say of ourselves counts on our own links alone: nobody else says it for us.
            self._renewed = False
            self._send(links, news)
        elif news:
            self._send(self._some(links), news)
        for node_id, incarnation in list(self._accusations.items()):
            self._hand_over(node_id, incarnation)
        for (link_id, _), record in list(self._disputes.items()):
            self._hand_over_record(link_id, record)
        if len(news) < len(fresh) or self._accusations or self._disputes:
            self._soon()

    def _some(self, links: list[Link]) -> list[Link]:
        """In a crowd a few at random: on all of them everybody would hear of it a dozen times."""
        if self._members.crowded and len(links) > FANOUT:
            return self._context.rng.sample(links, FANOUT)
        return links

    def _name_newcomers(self) -> None:
        named, self._newcomers = self._newcomers, {}
        members = [
            (member.record, source)
            for node_id, source in named.items()
            if (member := self._members.get(node_id)) is not None
            and (member.record.gossip_endpoint is not None or self._links.linked(node_id))
        ]
        for link in self._links.best() if members else ():
            records = [record for record, source in members if source != link.peer]
            if link.extended and records and link.blocked_since is None:
                for frame in exchanges.members(records, self._context.config.limits):
                    self._context.send([link], frame)

    def _hand_over(self, node_id: str, incarnation: int) -> None:
        member, links = self._members.get(node_id), self._links.to(node_id)
        if member is None or not links or member.record.incarnation > incarnation:
            # Gone, or it has refuted that already.
            del self._accusations[node_id]
        elif usable := [link for link in links if link.usable]:
            del self._accusations[node_id]
            self._send(usable[-1:], (NewsItem(node_id, incarnation, Standing.SUSPECT),))

    def _hand_over_record(self, link_id: LinkId, record: PeerRecord) -> None:
        link = self._links.get(link_id)
        if link is None or link.introduced:
            del self._disputes[link_id, record.life]
        if link is not None and link.introduced:
            for frame in exchanges.members([record], self._context.config.limits):
                self._context.send([link], frame)

    def correct(self, link: Link, listed: Container[int]) -> int:
        """Tell a peer who is suspected or left, of those whom by these hashes it lists as active.

        Chance left it out when others heard of that, or it was away. `listed` may be hashes that
        differ between us: of ours none is of such a member. Returns how many there are.
        """
        news = [
            NewsItem(member.record.node_id, member.record.incarnation, _AS_TOLD[member.status])
            for member in self._members.unwell()
            if member.record.extended and member.record.hash in listed
        ]
        if news:
            self._send([link], tuple(news[: self._context.config.limits.news]))
        return len(news)

    def _send(self, links: list[Link], news: tuple[NewsItem, ...]) -> None:
        context = self._context
        frame = context.encoder.heartbeat(
            context.me, Roots(None, None), (), news, context.now.wall, context.updates
        )
        context.send(links, frame)


def _told(rumor: _Rumor) -> int:
    return rumor.told
