"""How we get to the others, and what a dial or a broken link tells about them (M3, M7, L4).

Theory of operation. `DialPlan` knows what to dial and when. Here the plan meets what happens: a
dial that fails, a connection that opens or breaks, a member that is gone. When the last link to a
member breaks we redial at once: a refused dial is evidence enough to suspect it.
"""

from gossip.core import addresses
from gossip.core.context import CloseCode, Context
from gossip.core.degree import degree
from gossip.core.dialing import DialPlan, Kind, Target
from gossip.core.effects import Dial, ForgetPeer, NoticeKind
from gossip.core.links import Link
from gossip.core.members import Member, PeerRecord, Status
from gossip.core.messages import Roots
from gossip.core.reconcile import Repair
from gossip.core.roster import Roster

DIAL_TIMER = "dial"

REDIAL_SPREAD = 0.05
"""Seconds over which the first redials after a break are spread."""
LASTING = 10.0
"""Seconds after which a link that breaks counts as one that held: it is redialed at once."""
QUICK_BREAKS = 5
"""Links in a row that break soon and are redialed at once all the same: a node that crashes as it
starts is found dead without delay, one that somebody else's id keeps closing is not hammered."""
ANEW_AGAIN = 10.0
"""Seconds from one dial of a member that we hold a link to until the next."""
_OWN_JOINS = 100
"""Own `join`s remembered; each belongs to a link that closes within seconds."""
ENOUGH_FOR = 45.0
"""Seconds after which a member that has links enough is dialed again where all link to all: it does
not believe so, or will soon."""
ID_TAKEN_FOR = 300.0
"""Seconds for which health names that somebody else uses our id."""


class Contacts:
    """Dials, redials, and links that open and close."""

    def __init__(self, context: Context, roster: Roster, repair: Repair) -> None:
        self._context = context
        self._config = context.config
        self._roster = roster
        self._repair = repair
        self._members = context.members
        self._links = context.links
        self.plan = DialPlan(context.config, context.rng)
        self._own_joins: dict[str, None] = {}
        """Ids of our `join`s that came back to us."""
        self._anew = set[str]()
        """URLs that are dialed under no plan, while they are."""
        self.id_taken_at: float | None = None
        """Monotonic seconds when a peer took somebody else for us last."""

    def start(self, peers: tuple[PeerRecord, ...], dial_after: float) -> None:
        """Dial the bootstrap peers, and those remembered from an earlier life (M7)."""
        now, wall = self._context.now
        first = now + dial_after
        for url in self._config.bootstrap:
            self.plan.want(Target(url=url, kind=Kind.BOOTSTRAP, due=first, loopback=True))
        for place, peer in enumerate(sorted(peers, key=lambda peer: -peer.last_seen)):
            age = max(0, wall - peer.last_seen) / 1000
            over = age >= self._config.lost_for or place >= self._config.limits.lost
            if peer.gossip_endpoint is None or over:
                self._context.emit(ForgetPeer(peer.node_id))
                continue
            late = max(0, place - self._config.dial_burst) / self._config.dial_rate
            self.plan.want(
                Target(
                    url=peer.gossip_endpoint,
                    kind=Kind.LOST,
                    due=first + late,
                    node_id=peer.node_id,
                    # Where nobody trustworthy named a loopback endpoint, none was stored.
                    loopback=addresses.names_loopback(peer.gossip_endpoint),
                    until=now + self._config.lost_for - age,
                )
            )
        self.dial_due()

    def dial_due(self) -> None:
        """Dial what is due, and come back when the next one is."""
        now = self._context.now.monotonic
        for target in self.plan.take_due(now):
            if target.node_id is not None and self._links.linked(target.node_id):
                self.plan.settled(target.node_id)
                continue
            optional = target.kind is not Kind.BOOTSTRAP and not target.repeated
            if optional and self._needs_no_dial(target):
                self.plan.abandon(target.url)
                continue
            self._context.stats.dials += 1
            self._context.emit(Dial(target.url, target.loopback))
        upcoming = self.plan.next_due(now)
        if upcoming is not None:
            self._context.set_timer(DIAL_TIMER, upcoming - now)

    def dial_failed(self, url: str, *, refused: bool) -> None:
        """A dial led nowhere: wait longer, and suspect the member that we hold no link to (M3).

        `refused`: its host says that nobody listens there. Otherwise it may have been our question
        that was lost: in a crowd, where everybody would hear of it, it is asked once more.
        """
        self._context.stats.dials_failed += 1
        now = self._context.now.monotonic
        if url in self._anew:
            # That is for the probe to judge, which waits for more than this.
            self._anew.discard(url)
            return
        if self._members.crowded and not refused and self.plan.again(url, now):
            self.dial_due()
            return
        target = self._failed(url)
        if target is not None and target.kind is Kind.BOOTSTRAP and target.attempts == 1:
            self._context.notice(NoticeKind.BOOTSTRAP_SILENT, url, "no node answers, retrying")
        self._accuse(url, "its address does not answer")
        self.dial_due()

    def _accuse(self, url: str, why: str, but: str | None = None) -> None:
        """Suspect the members that are said to be at an address, and are not.

        By the address, not by whom we expected there: a bootstrap peer that joined by itself, and
        that we never reached, is known by that alone. Where others hold links to a member that we
        cannot reach, it may be our fault. We say so once: if it lives, it refutes that. Then in a
        mesh who told us of that is believed while it is linked to us (M2), in a crowd anybody is
        who would tell us if it failed (L1).
        """
        for member in self._members.at(url):
            if (
                member.status is Status.ACTIVE
                and member.record.node_id != but
                and not self._links.linked(member.record.node_id)
                and not (member.out_of_reach and self._roster.hears_of_others)
                and (self._members.crowded or not self._roster.is_vouched_for(member))
            ):
                if self._members.crowded:
                    member.out_of_reach = True
                    # Its time begins now: nobody looked at it before (M3).
                    member.silent_since = self._context.now.monotonic
                self._roster.suspect(member, why)

    def _needs_no_dial(self, target: Target) -> bool:
        """Whether others see this member, and we either have links enough or cannot reach it."""
        member = self._members.get(target.node_id or "")
        if not self._members.crowded or member is None or member.status is not Status.ACTIVE:
            return False
        return target.kind is Kind.LOST or (member.out_of_reach and target.kind is not Kind.CHANCE)

    def _failed(self, url: str) -> Target | None:
        now = self._context.now.monotonic
        target = self.plan.failed(url, now, self._members.active_count)
        if target is not None and target.kind is Kind.LOST and url not in self.plan:
            self._forget([target])
        return target

    def _forget(self, targets: list[Target]) -> None:
        """Members that are dialed no more are not remembered across restarts either."""
        for target in targets:
            if target.node_id is not None and target.node_id not in self._members:
                self._context.emit(ForgetPeer(target.node_id))

    def opened(self, link: Link) -> None:
        """A connection is open; whoever dialed speaks first (W3)."""
        if link.dialed is not None:
            self._anew.discard(link.dialed)
            self.plan.opened(link.dialed)
            self._repair.with_roots(lambda ours: self.introduce(link, ours))

    def introduce(self, link: Link, ours: Roots) -> None:
        """Send our own `join` on a link (W3, W4)."""
        context = self._context
        if link.closing:
            return
        context.send(
            [link], context.encoder.join(context.me, ours, context.now.wall, context.updates)
        )
        if link.dialed is not None:
            link.join_id = context.encoder.last_id
        link.introduced, link.own_incarnation = True, context.me.incarnation
        self._links.changed()

    def closed(self, link: Link, code: int | None) -> None:
        """A connection is gone: redial its peer at once, if that was the last one.

        `code`: what the other end said, be it as an answer.
        """
        now = self._context.now.monotonic
        # Not everybody answers with the code of the one who closes.
        code = code if link.closed_with is None else link.closed_with
        if link.dialed is not None and not link.joined:
            if link.join_id in self._own_joins:
                if self.plan.own(link.dialed, now):
                    self._context.notice(NoticeKind.OWN_URL, link.dialed)
            else:
                if code == CloseCode.OWN_ID:
                    self._id_taken(link.dialed)
                elif code == CloseCode.CLOCK and link.closed_with is None:
                    beyond = int(self._config.max_clock_skew * 1000) + 1
                    self._context.clocks.disagrees(link.dialed, -beyond, now)
                self._failed(link.dialed)
                if code not in (CloseCode.OVER_RATE, CloseCode.CLOCK):
                    self._accuse(link.dialed, "who is at its address does not join")
        if link.peer is None or self._links.linked(link.peer):
            return
        member = self._members.get(link.peer)
        if code == CloseCode.ENOUGH and member is not None and member.status is Status.ACTIVE:
            self._has_enough(member, now)
            return
        self._roster.word_gone(link.peer)
        other = self._links.known(link.peer)
        if code == CloseCode.DUPLICATE and link.closed_with is None and not other:
            # It closed this one and we held no other: the one that it kept is somebody else's, who
            # uses our id.
            self._id_taken(link.peer)
        due = now + self._context.rng.uniform(0, self._redial_spread(link, member))
        if member is not None and member.status is not Status.INACTIVE:
            if code != CloseCode.SILENT:
                member.silent_since = now
            self.want_member(member, due)
        self.plan.unsettled(link.dialed, link.peer, due)

    def _has_enough(self, member: Member, now: float) -> None:
        """A member closed its link to us, or we ours, because one of us has enough of them (L1)."""
        node_id, rng = member.record.node_id, self._context.rng
        linked = sum(link.extended for link in self._links.best())
        later = now + rng.uniform(0.5, 1.5) * ENOUGH_FOR
        if linked < min(degree(self._members.dialable + 1), self._members.dialable):
            # We have not, and may know nobody else than a bootstrap peer.
            self.plan.unsettled(None, node_id, now + rng.uniform(1, 3))
        elif self._members.crowded:
            self.plan.rest(node_id, now, self._members.active_count)
        else:
            self.plan.unsettled(None, node_id, later)
        if not self._members.crowded:
            self.want_member(member, later)
        if member.record.gossip_endpoint is None:
            # We cannot tell any more whether it lives; those can who are linked to it.
            self._members.drop(member)

    def _redial_spread(self, link: Link, member: Member | None) -> float:
        """Seconds over which a redial is spread: more each time that a new link breaks soon."""
        if member is None or self._context.now.monotonic - link.opened >= LASTING:
            if member is not None:
                member.breaks = 0
            return REDIAL_SPREAD
        member.breaks += 1
        if member.breaks <= QUICK_BREAKS:
            return REDIAL_SPREAD
        backoff = self._config.dial_backoff * 2.0 ** min(member.breaks - QUICK_BREAKS, 16)
        return min(self._config.dial_backoff_max, backoff)

    def met_ourselves(self, link: Link, join_id: str) -> None:
        """Our own `join` came back on a link that we accepted: the dialer is ourselves (M7)."""
        self._own_joins[join_id] = None
        if len(self._own_joins) > _OWN_JOINS:
            del self._own_joins[next(iter(self._own_joins))]
        self._context.close(link, CloseCode.OWN_ID, "own id")

    def _id_taken(self, where: str) -> None:
        now = self._context.now.monotonic
        if self.id_taken_at is None or now - self.id_taken_at >= ID_TAKEN_FOR:
            self._context.notice(NoticeKind.ID_TAKEN, where, "another node uses this node's id")
        self.id_taken_at = now

    @property
    def id_taken(self) -> bool:
        """Whether another node seems to use our id, by what peers did in the last minutes."""
        taken = self.id_taken_at
        return taken is not None and self._context.now.monotonic - taken < ID_TAKEN_FOR

    def want_member(self, member: Member, due: float) -> None:
        """Dial a member, if it can be dialed."""
        self._want(member, due, Kind.MEMBER)

    def try_member(self, member: Member) -> None:
        """Dial a member, to be linked to it; no more than that, and once again if need be."""
        now = self._context.now.monotonic
        self._want(member, now, Kind.CHANCE)
        # A bootstrap peer is a target already, of a later time.
        self.plan.hasten(member.record.gossip_endpoint or "", now)

    def dial_anew(self, member: Member) -> None:
        """Dial a member that we hold one link to: perhaps that link alone is stuck (M4).

        By no plan: if it leads nowhere, nobody tries again. Its address is a claim of its own, so
        not more often than once in `ANEW_AGAIN`.
        """
        url, now = member.record.gossip_endpoint, self._context.now.monotonic
        if url is None or self.plan.is_own(url) or len(self._links.to(member.record.node_id)) > 1:
            return
        target = self.plan.get(url)
        recent = member.dialed_anew is not None and now - member.dialed_anew < ANEW_AGAIN
        if not recent and (target is None or not target.dialing):
            member.dialed_anew = now
            self._anew.add(url)
            self._context.stats.dials += 1
            self._context.emit(Dial(url, member.loopback))

    def _want(self, member: Member, due: float, kind: Kind) -> None:
        url = member.record.gossip_endpoint
        if url is not None:
            self.plan.want(
                Target(
                    url=url,
                    kind=kind,
                    due=due,
                    node_id=member.record.node_id,
                    loopback=member.loopback,
                )
            )

    def keep_dialing(self, member: Member) -> None:
        """Dial a member where all link to all: news of it may have outlived our plan."""
        known = self._members.crowded or self._links.known(member.record.node_id)
        if not known and (member.record.gossip_endpoint or "") not in self.plan:
            self.want_member(member, self._context.now.monotonic)

    def heard_of(self, url: str | None) -> bool:
        """Whether we dial this URL only because others named it."""
        target = self.plan.get(url or "")
        return target is not None and target.kind is Kind.HEARSAY

    def joined(self, link: Link, node_id: str) -> None:
        """A link joined: we know who is behind its URL, and need not dial this node any more."""
        if link.dialed is not None:
            self.plan.expect(link.dialed, node_id)
            self._accuse(link.dialed, "somebody else answers at its address", but=node_id)
        self.plan.settled(node_id)

    def left(self, node_id: str) -> None:
        """A member left in order: dial it no more, unless the operator named it."""
        now = self._context.now.monotonic
        self.plan.forget(node_id, now, self._members.active_count)

    def forgotten(self, node_id: str) -> None:
        """An operator wants it neither dialed nor remembered; bootstrap peers are dialed on."""
        self.left(node_id)
        self._context.emit(ForgetPeer(node_id))

    def removed(self, node_id: str) -> None:
        """A member was removed without having left: keep looking for it (M7)."""
        self._forget(self.plan.lost(node_id, self._context.now.monotonic))
