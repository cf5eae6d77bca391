"""Joining, leaving, being silent: who is with us, and how we get to them (sections 6 and 7).

Theory of operation. A node dials, says `join`, and is answered by the end that accepted (W4). From
then on both list each other as long as frames arrive on a link of their own; everything else that
is said about a member is a name to dial. When the last link to a member breaks we redial at once:
a refused dial is evidence enough to suspect it.
"""

import msgspec

from gossip.core import addresses
from gossip.core.context import CloseCode, Context
from gossip.core.detector import is_mute, judge
from gossip.core.dialing import DialPlan, Kind, Target
from gossip.core.effects import Dial, ForgetPeer, NoticeKind, StorePeer
from gossip.core.encoding import forwarded
from gossip.core.links import Link
from gossip.core.members import Member, PeerRecord, Status
from gossip.core.messages import Heartbeat, Join, Message, PeerList, Roots
from gossip.core.plain import PlainPeers
from gossip.core.reconcile import Repair
from gossip.core.replica import Replica

DIAL_TIMER = "dial"

_NEWCOMER = 5.0
"""Seconds after dialing in which a node is new and dials the names that it is told at once."""
_REDIAL_SPREAD = 0.05
"""Seconds over which the first redials after a break are spread."""
_SETTLED = 10.0
"""Seconds after which a link that breaks counts as one that held: it is redialed at once."""
_QUICK_BREAKS = 5
"""Links in a row that break soon and are redialed at once all the same: a node that crashes as it
starts is found dead without delay, one that somebody else's id keeps closing is not hammered."""
_OWN_JOINS = 100
"""Own `join`s remembered; each belongs to a link that closes within seconds."""
_ID_TAKEN_FOR = 300.0
"""Seconds for which health names that somebody else uses our id."""
_STORED_AGAIN = 3_600.0
"""Seconds after which an active member is stored again, so that its last sign of life is known."""


class Membership:
    """The members, the dial plan, and every message about either."""

    def __init__(
        self, context: Context, replica: Replica, repair: Repair, plain: PlainPeers
    ) -> None:
        self._context = context
        self._config = context.config
        self._replica = replica
        self._repair = repair
        self._plain = plain
        self._members = context.members
        self._links = context.links
        self.plan = DialPlan(context.config, context.rng)
        self._answered: dict[str, float] = {}
        """When a plain id was sent the whole state last (W4)."""
        self._own_joins: dict[str, None] = {}
        """Ids of our `join`s that came back to us."""
        self.id_taken_at: float | None = None
        """Monotonic seconds when a peer took somebody else for us last."""
        self.heartbeats_sent = 0

    def start(self, peers: tuple[PeerRecord, ...]) -> None:
        """Dial the bootstrap peers, and those remembered from an earlier life (M7)."""
        now, wall = self._context.now
        for url in self._config.bootstrap:
            self.plan.want(Target(url=url, kind=Kind.BOOTSTRAP, due=now, loopback=True))
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
                    due=now + late,
                    node_id=peer.node_id,
                    # Where nobody trustworthy named a loopback endpoint, none was stored.
                    loopback=addresses.names_loopback(peer.gossip_endpoint),
                    until=now + self._config.lost_for - age,
                )
            )
        self.dial_due()

    # Dialing

    def dial_due(self) -> None:
        """Dial what is due, and come back when the next one is."""
        now = self._context.now.monotonic
        for target in self.plan.take_due(now):
            if target.node_id is not None and self._links.linked(target.node_id):
                self.plan.settled(target.node_id)
                continue
            self._context.stats.dials += 1
            self._context.emit(Dial(target.url, target.loopback))
        upcoming = self.plan.next_due(now)
        if upcoming is not None:
            self._context.set_timer(DIAL_TIMER, upcoming - now)

    def dial_failed(self, url: str) -> None:
        """A dial led nowhere: wait longer, and suspect the member that we hold no link to (M3)."""
        self._context.stats.dials_failed += 1
        target = self._failed(url)
        if target is not None and target.kind is Kind.BOOTSTRAP and target.attempts == 1:
            self._context.notice(NoticeKind.BOOTSTRAP_SILENT, url, "no node answers, retrying")
        member = self._members.get(target.node_id) if target and target.node_id else None
        if (
            member is not None
            and member.status is Status.ACTIVE
            and member.record.gossip_endpoint == url
            and not self._links.linked(member.record.node_id)
        ):
            self._suspect(member, "its address does not answer")
        self.dial_due()

    def _failed(self, url: str) -> Target | None:
        active = len(self._members.active())
        target = self.plan.failed(url, self._context.now.monotonic, active)
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
            self.plan.opened(link.dialed)
            self._repair.with_roots(lambda ours: self._send_join(link, ours))

    def _send_join(self, link: Link, ours: Roots) -> None:
        context = self._context
        if link.closing:
            return
        context.send(
            [link], context.encoder.join(context.me, ours, context.now.wall, context.updates)
        )
        if link.dialed is not None:
            link.join_id = context.encoder.last_id
        link.introduced = True
        self._links.changed()

    def closed(self, link: Link, code: int | None) -> None:
        """A connection is gone: redial its peer at once, if that was the last one."""
        now = self._context.now.monotonic
        if link.dialed is not None and not link.joined:
            if link.join_id in self._own_joins:
                if self.plan.own(link.dialed, now):
                    self._context.notice(NoticeKind.OWN_URL, link.dialed)
            else:
                if code == CloseCode.OWN_ID:
                    self._id_taken(link.dialed)
                self._failed(link.dialed)
        if link.peer is None or self._links.linked(link.peer):
            return
        if code == CloseCode.DUPLICATE:
            # We hold no other: the one that it kept is somebody else's, who uses our id.
            self._id_taken(link.peer)
        member = self._members.get(link.peer)
        due = now + self._context.rng.uniform(0, self._redial_spread(link, member))
        if member is not None and member.status is not Status.INACTIVE:
            if code != CloseCode.SILENT:
                member.silent_since = now
            self._want_member(member, due)
        self.plan.unsettled(link.dialed, link.peer, due)

    def _redial_spread(self, link: Link, member: Member | None) -> float:
        """Seconds over which a redial is spread: more each time that a new link breaks soon."""
        if member is None or self._context.now.monotonic - link.opened >= _SETTLED:
            if member is not None:
                member.breaks = 0
            return _REDIAL_SPREAD
        member.breaks += 1
        if member.breaks <= _QUICK_BREAKS:
            return _REDIAL_SPREAD
        backoff = self._config.dial_backoff * 2.0 ** min(member.breaks - _QUICK_BREAKS, 16)
        return min(self._config.dial_backoff_max, backoff)

    def met_ourselves(self, link: Link, join_id: str) -> None:
        """Our own `join` came back on a link that we accepted: the dialer is ourselves (M7)."""
        self._own_joins[join_id] = None
        if len(self._own_joins) > _OWN_JOINS:
            del self._own_joins[next(iter(self._own_joins))]
        self._context.close(link, CloseCode.OWN_ID, "own id")

    def _id_taken(self, where: str) -> None:
        now = self._context.now.monotonic
        if self.id_taken_at is None or now - self.id_taken_at >= _ID_TAKEN_FOR:
            self._context.notice(NoticeKind.ID_TAKEN, where, "another node uses this node's id")
        self.id_taken_at = now

    @property
    def id_taken(self) -> bool:
        """Whether another node seems to use our id, by what peers did in the last minutes."""
        taken = self.id_taken_at
        return taken is not None and self._context.now.monotonic - taken < _ID_TAKEN_FOR

    def _want_member(self, member: Member, due: float) -> None:
        url = member.record.gossip_endpoint
        if url is not None:
            self.plan.want(
                Target(
                    url=url,
                    kind=Kind.MEMBER,
                    due=due,
                    node_id=member.record.node_id,
                    loopback=member.loopback,
                )
            )

    # Joining

    def join(self, link: Link, message: Message, join: Join, frame: str | bytes) -> None:
        """Somebody introduces itself on its own link, or is introduced by a relay (W3, W4)."""
        record = join.record
        if message.sender != record.node_id:
            self._context.refuse("join-sender")
        elif not self._introduces_itself(link, message, record):
            self.names(link, PeerList((record,)))
            self._forward(link, message, frame)
        elif record.node_id == self._config.node_id:
            self._context.close(link, CloseCode.OWN_ID, "own id")
        elif record.incarnation > self._context.now.wall + self._config.max_clock_skew * 1000:
            self._context.refuse("incarnation")
        else:
            if link.dialed is None and not link.joined:
                link.join_id = message.id
            self._admit(link, record, join.roots)

    @staticmethod
    def _introduces_itself(link: Link, message: Message, record: PeerRecord) -> bool:
        """Whether a `join` is about the other end of its link rather than passed on from afar.

        A plain peer never answers the one who dialed it with a `join`, but relays those of others.
        """
        if link.peer is not None:
            return message.sender == link.peer
        return message.ttl == 0 and (link.dialed is None or record.extended)

    def _admit(self, link: Link, record: PeerRecord, roots: Roots) -> None:
        target = self.plan.get(record.gossip_endpoint or "")
        heard_of = target is not None and target.kind is Kind.HEARSAY
        new = record.node_id not in self._members
        if not self._list(record, loopback=link.loopback):
            return
        first = not link.joined
        if link.peer is None:
            self._links.identify(link, record.node_id)
        link.joined, link.extended = True, record.extended
        link.record, link.incarnation = record, record.incarnation
        self._links.changed()
        if link.dialed is not None:
            self.plan.expect(link.dialed, record.node_id)
        self.plan.settled(record.node_id)
        if first and link.dialed is None:
            self._answer(link, record)
        if new and not heard_of:
            self._announce(record)
        if record.extended:
            self._settle_duplicates(record.node_id)
            self._repair.told(link, roots)
        elif first:
            self._plain.joined(link)

    def _list(self, record: PeerRecord, *, loopback: bool) -> bool:
        """Put a member on the table. False where there is no room."""
        now, wall = self._context.now
        endpoint = record.gossip_endpoint
        if endpoint is not None and addresses.names_loopback(endpoint) and not loopback:
            # It is alive, but its endpoint would lead us to ourselves (L4).
            self._context.refuse("loopback-endpoint")
            record = msgspec.structs.replace(record, gossip_endpoint=None)
        known = self._members.get(record.node_id)
        before = None if known is None else known.record
        try:
            status = self._members.joined(record, now, wall, loopback=loopback)
        except OverflowError:
            self._context.refuse("members-full")
            return False
        if status is None or status is Status.INACTIVE:
            self._context.notice(NoticeKind.PEER_JOINED, record.node_id, endpoint or "")
        elif status is Status.SUSPECTED:
            self._context.notice(NoticeKind.PEER_REFUTED, record.node_id)
        member = self._members.get(record.node_id)
        if member is not None and (before is None or before != member.record):
            self._store(member)
        return True

    def _store(self, member: Member) -> None:
        member.stored_at = self._context.now.monotonic
        if member.record.gossip_endpoint is None:
            return
        record = msgspec.structs.replace(member.record, last_seen=member.seen_wall)
        self._context.emit(StorePeer(record))

    def _answer(self, link: Link, record: PeerRecord) -> None:
        """Only the end that accepted answers, once for each connection (W4)."""
        self._repair.with_roots(lambda ours: self._send_join(link, ours))
        if record.extended:
            return
        now = self._context.now.monotonic
        last = self._answered.get(record.node_id)
        if last is not None and now - last < self._config.answer_again:
            return
        self._answered[record.node_id] = now
        self._plain.dump(link)
        context = self._context
        others = [m.record for m in self._members.active() if m.record.node_id != record.node_id]
        named = [other for other in others if other.gossip_endpoint is not None]
        for frame in context.encoder.discovery(named, context.now.wall, context.updates):
            context.send([link], frame)

    def _announce(self, record: PeerRecord) -> None:
        """Tell the others of a newcomer that nobody told us of; plain peers in their own way."""
        if record.gossip_endpoint is None:
            return
        context = self._context
        others = [other for other in self._links.best() if other.peer != record.node_id]
        plain = [other for other in others if not other.extended]
        context.send(plain, context.encoder.announcement(record, context.now.wall, context.updates))
        for other in others:
            if other.extended:
                self._repair.name(other, [record.node_id])

    def _settle_duplicates(self, node_id: str) -> None:
        survivor = self._links.settle_duplicates(node_id, self._config.node_id)
        if survivor is not None:
            # It carries a frame at once, so that the others can close; and what was lost with
            # them is found by comparing roots.
            self._repair.ask(survivor)

    def survived(self, link: Link) -> None:
        """A link carried a frame: its duplicates are not needed any more (L2)."""
        for other in self._links.replaced_by(link):
            self._context.close(other, CloseCode.DUPLICATE, "duplicate link")

    def identify_plain(self, link: Link, node_id: str) -> None:
        """The id of a plain link that we dialed: what its own frames say (R1)."""
        known = self._members.get(node_id)
        if node_id == self._config.node_id or (known is not None and known.record.extended):
            return
        record = known.record if known is not None else PeerRecord(node_id=node_id)
        if record.gossip_endpoint is None:
            record = msgspec.structs.replace(record, gossip_endpoint=link.dialed)
        self._admit(link, record, Roots(None, None))

    # Names

    def names(self, link: Link, names: PeerList) -> None:
        """Somebody mentions others: names to dial, never evidence (M2)."""
        if names.refused:
            self._context.refuse("peer-record", names.refused)
        now = self._context.now.monotonic
        newcomer = link.dialed is not None and now - link.opened < _NEWCOMER
        for record in names.records:
            spread = 0.0 if newcomer else self._context.rng.uniform(0.5, 1.5)
            self._mention(link, record, now + spread * self._config.hearsay_delay)
        self.dial_due()

    def _mention(self, link: Link, record: PeerRecord, due: float) -> None:
        url, node_id = record.gossip_endpoint, record.node_id
        if url is None or node_id == self._config.node_id or url == self._config.gossip_endpoint:
            return
        if self._links.linked(node_id):
            return
        if addresses.names_loopback(url) and not link.loopback:
            self._context.refuse("loopback-endpoint")
            return
        member = self._members.get(node_id)
        if member is not None and member.record.gossip_endpoint == url:
            # Its address is being dialed already, more often than a mention deserves.
            return
        if self._members.earns_dial(node_id, self._context.now.monotonic):
            self.plan.want(
                Target(
                    url=url,
                    kind=Kind.HEARSAY,
                    due=due,
                    node_id=node_id,
                    loopback=link.loopback,
                    introducer=link.id,
                )
            )

    # Leaving

    def leave(self, link: Link, message: Message, frame: str | bytes) -> None:
        """Somebody leaves in order; said by a relay it proves nothing (M6)."""
        if message.sender == link.peer:
            self.left(link.peer)
        else:
            self._context.refuse("leave-relayed")
        self._forward(link, message, frame)

    def left(self, node_id: str) -> None:
        """A member said on its own link that it leaves."""
        member = self._members.get(node_id)
        if member is None or member.status is Status.INACTIVE:
            return
        self._members.mark(member, Status.INACTIVE)
        now = self._context.now.monotonic
        member.silent_since = now
        self.plan.forget(node_id, now, len(self._members.active()))
        self._context.emit(ForgetPeer(node_id))
        self._context.notice(NoticeKind.PEER_LEFT, node_id, member.record.gossip_endpoint or "")

    def _forward(self, link: Link, message: Message, frame: str | bytes) -> None:
        """Pass a frame on with one hop less, never back to where it came from (R4)."""
        ttl = min(message.ttl or 0, self._config.max_ttl)
        others = [
            other
            for other in self._links.best()
            if other.peer not in (link.peer, message.sender) and other.blocked_since is None
        ]
        if ttl < 1 or not others:
            return
        copy = forwarded(frame, ttl - 1, self._config.limits)
        if copy is None:
            self._context.refuse("not-forwarded")
            return
        chosen = self._context.rng.sample(others, min(self._config.fanout, len(others)))
        self._context.stats.forwarded += len(chosen)
        self._context.send(chosen, copy)

    # Signs of life

    def heartbeat(self, link: Link, message: Message, heartbeat: Heartbeat) -> None:
        """A member says that it is alive; said by a relay it proves nothing (R1, W8)."""
        member = self._members.get(message.sender)
        if member is None or message.sender != link.peer:
            return
        member.heartbeats += 1
        if heartbeat.timestamp is not None:
            member.skew = heartbeat.timestamp - self._context.now.wall
        if link.extended:
            self._plain.told(heartbeat.pulled)
            self._repair.overheard(link, heartbeat.roots)

    def alive(self, link: Link) -> None:
        """A frame came from this peer on its own link: that is evidence (M2)."""
        member = self._members.get(link.peer or "")
        if member is None:
            if link.record is not None:
                self._list(link.record, loopback=link.loopback)
        elif member.status is Status.SUSPECTED:
            self._members.revive(member, *self._context.now)
            self._context.notice(NoticeKind.PEER_REFUTED, member.record.node_id)
        else:
            member.silent_since, member.seen_wall = self._context.now

    def beat(self) -> None:
        """Tell every peer that we are alive."""
        self.heartbeats_sent += 1
        best = self._links.best()
        plain = [link for link in best if not link.extended]
        extended = [link for link in best if link.extended]
        context = self._context
        context.send(plain, context.encoder.plain_heartbeat(context.now.wall, context.updates))
        if extended:
            self._repair.with_roots(
                lambda ours: self._send_heartbeat(
                    [link for link in extended if not link.closing], ours
                )
            )

    def _send_heartbeat(self, links: list[Link], ours: Roots) -> None:
        context = self._context
        frame = context.encoder.heartbeat(
            ours,
            context.me.incarnation,
            self._plain.pulled(),
            context.now.wall,
            context.updates,
        )
        context.send(links, frame)

    # Silence

    def tick(self) -> None:
        """Look for silent links and members, once a second."""
        for link in self._links:
            if not link.closing:
                self._judge_link(link)
        for member in self._members:
            self._judge_member(member)
        horizon = self._context.now.monotonic - self._config.answer_again
        self._answered = {id_: at for id_, at in self._answered.items() if at > horizon}
        self.dial_due()

    def _judge_link(self, link: Link) -> None:
        now = self._context.now.monotonic
        limits = self._config.limits
        if link.blocked_since is not None and now - link.blocked_since >= limits.blocked_for:
            self._context.close(link, CloseCode.SLOW_READER, "slow reader")
            return
        if link.joined and is_mute(plain=not link.extended, config=self._config):
            return
        heartbeat = self._config.heartbeat_interval
        if link.joined and not link.extended:
            # A plain peer sends on one of its sockets only.
            last = max(other.received for other in self._links.to(link.peer or ""))
        else:
            last = link.received
        # An end that lost our `join`, or whose answer was lost, may well go on sending.
        unanswered = link.dialed is not None and not link.joined and now - link.opened >= heartbeat
        if unanswered or now - last >= 3 * heartbeat:
            self._context.close(link, CloseCode.SILENT, "silent")

    def _judge_member(self, member: Member) -> None:
        node_id = member.record.node_id
        now = self._context.now.monotonic
        linked = self._links.linked(node_id)
        status = judge(member, linked=linked, now=now, config=self._config)
        if status is None:
            self._remove(member)
        elif status is Status.SUSPECTED and member.status is Status.ACTIVE:
            self._suspect(member, "it is silent")
        elif member.status is Status.ACTIVE and now - member.stored_at >= _STORED_AGAIN:
            self._store(member)

    def _suspect(self, member: Member, why: str) -> None:
        self._members.mark(member, Status.SUSPECTED)
        endpoint = member.record.gossip_endpoint or "no endpoint"
        detail = f"{why} ({endpoint})"
        self._context.notice(NoticeKind.PEER_SUSPECTED, member.record.node_id, detail)

    def _remove(self, member: Member) -> None:
        node_id = member.record.node_id
        left = member.status is Status.INACTIVE
        self._members.bury(member)
        self._plain.forget_peer(node_id)
        self._answered.pop(node_id, None)
        if not left:
            self._forget(self.plan.lost(node_id, self._context.now.monotonic))
            endpoint = member.record.gossip_endpoint or ""
            self._context.notice(NoticeKind.PEER_REMOVED, node_id, endpoint)
