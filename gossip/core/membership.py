"""Joining, naming, leaving: what is said about who is with us (sections 1 and 6).

Theory of operation. A node dials, says `join`, and is answered by the end that accepted (W4). From
then on both list each other as long as frames arrive on a link of their own; everything else that
is said about a member is a name to dial. `roster` holds who is listed, `contacts` how we get to
them, `silence` who has not been heard of for too long.
"""

import msgspec

from gossip.core import addresses
from gossip.core.contacts import Contacts
from gossip.core.context import Ahead, CloseCode, Context
from gossip.core.dialing import Kind, Target
from gossip.core.encoding import forwarded
from gossip.core.links import Link
from gossip.core.members import Member, PeerRecord, Status
from gossip.core.messages import Heartbeat, Join, Message, PeerList, Roots
from gossip.core.naming import FEW, Naming
from gossip.core.news import News
from gossip.core.plain import PlainPeers
from gossip.core.reconcile import Repair
from gossip.core.roster import Roster
from gossip.core.rumors import Rumors

NEWCOMER = 5.0
"""Seconds after dialing in which a node is new and dials the names that it is told at once."""


class Membership:
    """Every message about members, sent or received."""

    def __init__(
        self,
        context: Context,
        roster: Roster,
        contacts: Contacts,
        repair: Repair,
        naming: Naming,
        plain: PlainPeers,
        rumors: Rumors,
        news: News,
    ) -> None:
        self._context = context
        self._config = context.config
        self._roster = roster
        self._contacts = contacts
        self._repair = repair
        self._naming = naming
        self._plain = plain
        self._rumors = rumors
        self._news = news
        self._members = context.members
        self._links = context.links
        self.heartbeats_sent = 0

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
        elif record.incarnation > self._context.latest(Ahead.SAID):
            self._refuse_future(link, record)
        else:
            if link.dialed is None and not link.joined:
                link.join_id = message.id
            self._admit(link, record, join.roots)

    def _refuse_future(self, link: Link, record: PeerRecord) -> None:
        """It comes from our future: one of us has a wrong clock, and each has to know (M1, E4)."""
        context = self._context
        context.refuse("incarnation")
        ahead = record.incarnation - context.now.wall
        context.clocks.disagrees(record.node_id, ahead, context.now.monotonic)
        if record.extended:
            # It takes more than one to be sure; who else is there it may not know.
            linked = [link.peer for link in self._links.best() if link.peer is not None]
            self._naming.name(link, linked[:3])
        context.close(link, CloseCode.CLOCK, "your clock is ahead of ours")

    @staticmethod
    def _introduces_itself(link: Link, message: Message, record: PeerRecord) -> bool:
        """Whether a `join` is about the other end of its link rather than passed on from afar.

        A plain peer never answers the one who dialed it with a `join`, but relays those of others.
        """
        if link.peer is not None:
            return message.sender == link.peer
        return message.ttl == 0 and (link.dialed is None or record.extended)

    def _admit(self, link: Link, record: PeerRecord, roots: Roots) -> None:
        if addresses.names_loopback(record.gossip_endpoint or "") and not link.loopback:
            # It is alive, but its endpoint would lead us to ourselves (L4).
            self._context.refuse("loopback-endpoint")
            record = msgspec.structs.replace(record, gossip_endpoint=None)
        heard_of = self._contacts.heard_of(record.gossip_endpoint)
        known = self._members.get(record.node_id)
        before = None if known is None else known.record
        if not self._roster.introduced(link, record):
            return
        first = not link.joined
        if link.peer is None:
            self._links.identify(link, record.node_id)
        link.joined, link.extended = True, record.extended
        link.record, link.incarnation = record, record.incarnation
        self._links.changed()
        self._contacts.joined(link, record.node_id)
        if first and not record.extended:
            self._plain.joined(link)
        if first and link.dialed is None:
            self._answer(link, record)
        new = before is None and not heard_of
        # A plain peer has no life in which it says one thing.
        anew = before is None or (
            record.life > before.life if record.extended else record != before
        )
        if new or (self._members.crowded and anew):
            self._rumors.name(record.node_id, record.node_id)
        if new and record.gossip_endpoint is not None:
            self._announce(record)
        if record.extended:
            # Not before our own `join` is out, which counts as much as theirs.
            self._repair.with_roots(lambda _: self._settle_duplicates(record.node_id))
            if first and self._members.crowded:
                self._repair.with_roots(lambda _: self._vouch(link))
            if first and self._roster.wants_word():
                # Equal roots would tell nothing of who holds which links.
                self._naming.ask(link)
            self._repair.introduced(link, roots)

    def _answer(self, link: Link, record: PeerRecord) -> None:
        """Only the end that accepted answers, once for each connection (W4)."""
        self._repair.with_roots(lambda ours: self._contacts.introduce(link, ours))
        if record.extended or not self._plain.welcome(link):
            return
        context = self._context
        named = [
            member.record
            for member in self._members.active()
            if member.record.gossip_endpoint is not None
            and member.record.node_id != record.node_id
            # Those whom we see ourselves: it could not tell that we only heard of the others (M2).
            and self._links.linked(member.record.node_id)
        ]
        for frame in context.encoder.discovery(named, context.now.wall, context.updates):
            context.send([link], frame)

    def _vouch(self, link: Link) -> None:
        """Tell a new peer of a crowd to whom, that nobody can dial, we hold links (M8)."""
        if not link.closing:
            hidden = self._members.undialable()
            self._naming.name(link, [member.record.node_id for member in hidden])

    def _announce(self, record: PeerRecord) -> None:
        """Tell plain peers of a newcomer that nobody told us of, in their own way."""
        context = self._context
        plain = [
            other
            for other in self._links.best()
            if not other.extended and other.peer != record.node_id
        ]
        announcement = context.encoder.announcement(record, context.now.wall, context.updates)
        context.send(plain, announcement)

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
        newcomer = link.dialed is not None and now - link.opened < NEWCOMER
        unreachable = 0
        crowd = link.extended and self._is_crowd(names)
        # All that a peer knows is no news; of the few that we lacked, our neighbours may not have
        # heard either.
        pass_on = not names.answer or len(names.records) <= FEW
        for record in names.records:
            if record.node_id == self._config.node_id:
                if link.extended:
                    self._news.named_ourselves(record)
                continue
            if record.gossip_endpoint is None:
                unreachable += 1
                if unreachable > self._config.limits.vouched:
                    self._context.refuse("members-full")
                    continue
            if crowd and self._members.is_old(record, link.peer or ""):
                continue
            if link.extended and not self._news.named(link, record):
                continue
            if crowd and record.extended and record.gossip_endpoint is not None:
                self._list(link, record, pass_on=pass_on)
                continue
            spread = 0.0 if newcomer else self._context.rng.uniform(0.5, 1.5)
            self._mention(link, record, now + spread * self._config.hearsay_delay)
        if names.answer:
            self._naming.names_came(link, len(names.records))
        self._contacts.dial_due()

    def _is_crowd(self, names: PeerList) -> bool:
        """Whether with these there are too many to link to all of them (L1)."""
        known = self._members
        if known.crowded:
            return True
        new = {
            record.node_id
            for record in names.records
            if record.extended
            and record.gossip_endpoint is not None
            and record.node_id not in known
            and record.node_id != self._config.node_id
            and known.graves.incarnation(record.node_id) is None
        }
        return known.dialable + len(new) > self._config.mesh

    def _list(self, link: Link, record: PeerRecord, *, pass_on: bool) -> None:
        """A member that we need not dial: the word of who names it is enough for now."""
        peer, url = link.peer or "", record.gossip_endpoint or ""
        if url == self._config.gossip_endpoint or self._contacts.plan.is_own(url):
            return
        if addresses.names_loopback(url) and not link.loopback:
            self._context.refuse("loopback-endpoint")
        elif self._members.graves.may_return(record.node_id, record.incarnation, peer):
            self._roster.vouched_for(record, peer, loopback=link.loopback, pass_on=pass_on)
        else:
            self._mention(link, record, self._context.now.monotonic)

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
        if self._members.graves.earns_dial(node_id, self._context.now.monotonic):
            self._contacts.plan.want(
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
        if member is not None and member.status is not Status.INACTIVE:
            self._roster.left(member)
            self._contacts.left(node_id)

    def forget(self, node_id: str) -> None:
        """An operator wants a member off the lists; it is back as soon as it joins again."""
        if self._links.linked(node_id):
            return
        member = self._members.get(node_id)
        if member is not None:
            self._roster.forgotten(member)
            self._plain.forget_peer(node_id)
        self._contacts.forgotten(node_id)

    def _forward(self, link: Link, message: Message, frame: str | bytes) -> None:
        """Pass a frame on with one hop less, never back to where it came from (R4)."""
        if message.sender == self._config.node_id:
            # From us it would count as our own word.
            self._context.refuse("own-name")
            return
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
            self._heartbeat_of_ours(link, member, heartbeat)

    def _heartbeat_of_ours(self, link: Link, member: Member, heartbeat: Heartbeat) -> None:
        """What only extended peers say in a heartbeat."""
        if heartbeat.news_refused:
            self._context.refuse("news", heartbeat.news_refused)
        if heartbeat.incarnation is not None:
            self._news.told(link, member, heartbeat.incarnation, heartbeat.life)
        self._news.heard(link, heartbeat.news)
        self._plain.told(heartbeat.pulled)
        if heartbeat.roots.state is not None:
            # One that only brings news says nothing of its roots.
            self._repair.overheard(link, heartbeat.roots)

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
            context.me,
            ours,
            self._plain.pulled(),
            self._rumors.for_heartbeat(),
            context.now.wall,
            context.updates,
        )
        context.send(links, frame)
