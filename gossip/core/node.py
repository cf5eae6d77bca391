"""The node: one door for everything that can happen, and the machines behind it.

`Node.handle` checks a frame in the order of R1, cheapest first, and routes what it says to the
machine whose business it is: `Membership` (what is said of members), `Repair` (roots and pulls) or
`Replica` (entries). `Contacts` hears of dials and connections, `Silence` looks at what is missing.
It works in slices: where `More` is among the effects, the caller passes `Resumed` after everybody
else had a turn; where it says `hold`, no further frame of that link before that.
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import msgspec

from gossip.core.config import Config
from gossip.core.contacts import DIAL_TIMER, Contacts
from gossip.core.context import CloseCode, Context, following
from gossip.core.decoding import decode
from gossip.core.digests import Digests
from gossip.core.effects import Effect, More, Pause
from gossip.core.entries import Entry
from gossip.core.errands import ERRAND_TIMER, Errands
from gossip.core.errors import EnvelopeFault, FrameFault
from gossip.core.events import (
    CommitFailed,
    Committed,
    DialFailed,
    DropAsideRequested,
    Event,
    Fetched,
    ForgetRequested,
    FrameReceived,
    FrameStopped,
    IncarnationKept,
    Instant,
    LinkBlocked,
    LinkClosed,
    LinkId,
    LinkOpened,
    LinkWritable,
    Restored,
    Resumed,
    Started,
    StopRequested,
    TimerFired,
    WriteRequested,
)
from gossip.core.links import Link
from gossip.core.membership import Membership
from gossip.core.messages import (
    Ack,
    Body,
    Cells,
    Entries,
    Graft,
    Heartbeat,
    Held,
    Join,
    Leave,
    Message,
    Nack,
    NamesRequest,
    Page,
    PageRequest,
    PeerList,
    Ping,
    PingRequest,
    Prune,
    Push,
    RootExchange,
    SketchRequest,
    Untaken,
    Want,
    Wanted,
)
from gossip.core.naming import Naming
from gossip.core.news import News
from gossip.core.overlay import Overlay
from gossip.core.pings import Pings
from gossip.core.plain import PlainPeers, is_plain_word
from gossip.core.probes import ANSWER_TIMER, PERIOD_TIMER, Probes
from gossip.core.reconcile import Repair
from gossip.core.replica import FLUSH_TIMER, Replica
from gossip.core.roster import Roster
from gossip.core.rumors import NEWS_TIMER, Rumors
from gossip.core.silence import Silence
from gossip.core.spread import History
from gossip.core.stats import MemberView, Overview, Stats

_ROUND_TIMER = "round"
_HEARTBEAT_TIMER = "heartbeat"
_TICK_TIMER = "tick"
_WHILE_STOPPING = LinkClosed | Committed | CommitFailed | WriteRequested
"""Writers are answered to the end, if only to be refused."""
_TICK = 1.0
"""Seconds between two looks at what is silent: a fifth of the finest promise made of it."""


class Node:
    """One node of the cluster, without its clock, its sockets and its disk."""

    def __init__(self, config: Config, rng: Random) -> None:
        """`rng` is this node's own; the same seed and the same events give the same effects."""
        self._config = config
        self._context = Context(config, rng)
        self._replica = Replica(self._context)
        self._rumors = Rumors(self._context)
        digests = Digests(self._context, self._replica.state)
        self._naming = Naming(self._context, self._rumors, digests)
        self._repair = Repair(self._context, self._replica, digests, self._naming)
        self._plain = PlainPeers(self._context, self._replica)
        self._roster = Roster(self._context, self._rumors)
        self._contacts = Contacts(self._context, self._roster, self._repair)
        pings = Pings(self._context)
        self._probes = Probes(self._context, self._roster, self._contacts, pings)
        self._errands = Errands(self._context, pings)
        self._news = News(self._context, self._roster, self._rumors, self._probes)
        self._overlay = Overlay(self._context, self._contacts)
        self._silence = Silence(self._context, self._roster, self._contacts, self._plain)
        self._membership = Membership(
            self._context,
            self._roster,
            self._contacts,
            self._repair,
            self._naming,
            self._plain,
            self._rumors,
            self._news,
        )
        self._data_seen = History(config.max_message_history, config.cleanup_timeout)
        self._control_seen = History(config.limits.history_control, config.cleanup_timeout)
        self._resume_due = False
        self._tick_due = 0.0
        self._handlers = self._event_handlers()
        self._exchanges = self._exchange_handlers()
        self._timers: dict[str, Callable[[], None]] = {
            FLUSH_TIMER: self._replica.flush,
            DIAL_TIMER: self._contacts.dial_due,
            NEWS_TIMER: self._rumors.flush,
            PERIOD_TIMER: self._probes.next_period,
            ANSWER_TIMER: self._probes.look,
            ERRAND_TIMER: self._errands.look,
            _ROUND_TIMER: self._round,
            _HEARTBEAT_TIMER: self._beat,
            _TICK_TIMER: self._tick,
        }

    # The door

    def handle(self, event: Event, now: Instant) -> list[Effect]:
        """Let something happen. Returns what is to be done about it, in order.

        Never raises for what a peer or a client sent. An exception is a bug of this package, and
        the node must not be used after it.
        """
        context = self._context
        context.now = now
        if context.stopping and not isinstance(event, _WHILE_STOPPING):
            return []
        self._route(event)
        if self._replica.busy:
            self._replica.work()
        if self._repair.busy and (isinstance(event, Resumed) or not self._resume_due):
            # A slice for each turn of the others, not one for each of their frames.
            self._repair.work()
        if self._plain.busy:
            self._plain.work()
        if isinstance(event, Resumed):
            self._resume_due = False
        if not context.stopping:
            self._replica.flush_soon()
            hold = self._replica.busy or self._plain.busy
            if hold or self._repair.busy:
                self._resume_due = True
                context.emit(More(hold))
        return context.drain()

    def _route(self, event: Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is None:
            raise TypeError(f"no such event: {event!r}")
        handler(event)

    def _event_handlers(self) -> dict[type[Event], Callable[[Any], None]]:
        replica = self._replica
        return {
            FrameReceived: self._frame,
            Resumed: lambda _: None,
            WriteRequested: replica.write,
            FrameStopped: self._stopped,
            Committed: lambda event: replica.committed(event.requests),
            CommitFailed: lambda event: replica.commit_failed(event.requests, event.detail),
            TimerFired: self._timer_fired,
            LinkOpened: self._opened,
            LinkClosed: self._closed,
            LinkBlocked: lambda event: self._blocked(event.link, self._context.now.monotonic),
            LinkWritable: lambda event: self._blocked(event.link, None),
            Fetched: self._fetched,
            DialFailed: lambda event: self._contacts.dial_failed(event.url, refused=event.refused),
            IncarnationKept: lambda event: self._news.kept(event.incarnation),
            DropAsideRequested: self._drop_aside,
            ForgetRequested: lambda event: self._membership.forget(event.node_id),
            Restored: lambda event: replica.restore(event.entries),
            Started: self._start,
            StopRequested: lambda _: self._stop(),
        }

    def _exchange_handlers(self) -> dict[type[Body], Callable[[Link, Any], None]]:
        repair, probes, trees = self._repair, self._probes, self._replica.trees
        errands = self._errands
        return {
            RootExchange: lambda link, root: repair.told(link, root.roots, is_answer=root.answer),
            PageRequest: repair.asked,
            SketchRequest: repair.asked,
            Want: repair.asked,
            Page: repair.page,
            Cells: repair.cells,
            Push: repair.pushed,
            Wanted: repair.wanted,
            Untaken: repair.untaken,
            Held: repair.held,
            NamesRequest: lambda link, names: self._naming.answer(link, names.cells),
            Ping: lambda link, ping: errands.pinged(link, ping.seq),
            PingRequest: lambda link, ping: errands.requested(link, ping.seq, ping.target),
            Ack: lambda link, ack: self._acked(link, ack.seq),
            Nack: lambda link, nack: probes.nacked(link, nack.seq, asked=nack.asked),
            Prune: lambda link, prune: trees.pruned(link, prune.trees),
            Graft: lambda link, graft: trees.grafted(link, graft.trees),
        }

    def _acked(self, link: Link, seq: int) -> None:
        self._errands.acked(link, seq)
        self._probes.acked(link, seq)

    # Reading. `get` from any thread: it takes one reference to an immutable entry. The others walk
    # what events change: only between two of them.

    @property
    def stats(self) -> Stats:
        """The live counters."""
        return self._context.stats

    def get(self, key: str) -> Entry | None:
        """The committed entry of this key, be it a tombstone."""
        return self._replica.state.get(key)

    def entries(self) -> Iterator[Entry]:
        """All committed entries in the order of their keys, tombstones included."""
        return self._replica.state.entries()

    def set_aside(self) -> list[Entry]:
        """Entries from the future that wait to be applied (E4)."""
        return self._replica.aside.entries()

    def members(self) -> list[MemberView]:
        """All other members, ordered by id."""
        views = [
            MemberView(
                record=msgspec.structs.replace(member.record, last_seen=member.seen_wall),
                status=member.status.value,
                heartbeat_count=member.heartbeats,
                linked=self._context.links.linked(member.record.node_id),
            )
            for member in self._context.members
        ]
        return sorted(views, key=lambda view: view.record.node_id)

    @property
    def listed(self) -> int:
        """How many other members there are."""
        return len(self._context.members)

    def status_of(self, node_id: str) -> str | None:
        """What `members` says of this one; None where it is not among them."""
        member = self._context.members.get(node_id)
        return None if member is None else member.status.value

    def overview(self, now: Instant) -> Overview:
        """This node now."""
        context, state = self._context, self._replica.state
        return Overview(
            me=msgspec.structs.replace(context.me, last_seen=now.wall),
            version=context.updates,
            last_updated=self._replica.last_updated,
            live=state.live,
            total=len(state),
            links=len(context.links),
            aside=len(self._replica.aside),
            heartbeats_sent=self._membership.heartbeats_sent,
            stats=context.stats,
            self_doubt=self._probes.self_doubt,
            answer_timeout=self._probes.timeout,
            reasons=tuple(self._reasons()),
        )

    def _drop_aside(self, event: DropAsideRequested) -> None:
        self._replica.aside.drop(event.key)

    def _reasons(self) -> Iterator[str]:
        active = self._context.members.active()
        silent = self._contacts.plan.unanswered()
        if silent and not active:
            yield f"bootstrap: nobody to join at {', '.join(silent[:3])}"
        if self._contacts.id_taken:
            yield "identity: another node uses this node's id"
        now = self._context.now.monotonic
        skew = self._context.clocks.median(now)
        if self._context.clocks.out_of_step(now):
            yield f"clock: {skew:+.1f} s off from most peers, local writes are refused"
        elif abs(skew) >= self._config.skew_reported:
            yield f"clock: peers are {skew:+.1f} s from ours in the median"

    # Life

    def _start(self, event: Started) -> None:
        context = self._context
        context.me = msgspec.structs.replace(
            context.me, incarnation=event.incarnation, life=event.incarnation
        )
        self._replica.clock.raise_to(event.clock_floor)
        # Nodes that start together must not speak together for ever after.
        context.set_timer(_ROUND_TIMER, context.rng.uniform(0, self._config.interval))
        context.set_timer(_HEARTBEAT_TIMER, context.rng.uniform(0, self._config.heartbeat_interval))
        # Together with the probes: an idle process pays for waking up, not for what it does then.
        first = min(_TICK, self._probes.start())
        self._tick_due = context.now.monotonic + first
        context.set_timer(_TICK_TIMER, first)
        self._contacts.start(event.peers, event.dial_after)

    def _stop(self) -> None:
        """Say `leave`, then close every link behind what was sent (W5, M6)."""
        context = self._context
        self._replica.flush()
        leave = context.encoder.leave("shutdown", context.now.wall, context.updates)
        context.send([link for link in context.links if link.joined and not link.closing], leave)
        for link in context.links:
            context.close(link, CloseCode.GOODBYE, "goodbye")
        context.stopping = True

    def _timer_fired(self, event: TimerFired) -> None:
        if self._context.is_current(event.timer, event.generation):
            self._timers[event.timer]()

    def _beat(self) -> None:
        self._context.set_timer(_HEARTBEAT_TIMER, self._config.heartbeat_interval)
        self._membership.beat()

    def _round(self) -> None:
        """Compare notes with a few random peers (S4)."""
        context = self._context
        context.set_timer(_ROUND_TIMER, self._config.interval)
        context.stats.gossip_rounds += 1
        context.stats.last_gossip_time = context.now.wall
        links = context.links.best()
        for link in context.rng.sample(links, min(self._config.fanout, len(links))):
            if link.extended:
                self._repair.ask(link)
            else:
                self._plain.round(link)

    def _tick(self) -> None:
        now = self._context.now.monotonic
        self._tick_due = following(self._tick_due, _TICK, now)
        self._context.set_timer(_TICK_TIMER, self._tick_due - now)
        self._data_seen.forget_old(now)
        self._control_seen.forget_old(now)
        self._replica.apply_due()
        self._replica.repair_ties()
        self._replica.expire()
        self._replica.tombstones.tick()
        self._plain.tick()
        self._repair.tick()
        self._news.refute()
        self._silence.tick()
        self._overlay.tick()
        self._contacts.dial_due()

    # Links

    def _opened(self, event: LinkOpened) -> None:
        context = self._context
        context.stats.links_opened += 1
        link = context.links.open(event.link, event.dialed, event.remote_is_loopback, context.now)
        if len(context.links) > self._config.limits.links:
            self._overlay.make_room()
        self._contacts.opened(link)

    def _closed(self, event: LinkClosed) -> None:
        link = self._context.links.close(event.link)
        if link is None:
            return
        self._context.stats.links_closed += 1
        self._replica.closed(link)
        self._repair.forget_link(link.id)
        self._plain.forget_link(link.id)
        if not self._context.stopping:
            self._contacts.closed(link, event.code)
            self._contacts.dial_due()

    def _blocked(self, link_id: LinkId, since: float | None) -> None:
        link = self._context.links.get(link_id)
        if link is not None:
            link.blocked_since = since
            if since is None:
                self._replica.flush()

    def _fetched(self, event: Fetched) -> None:
        identified = self._plain.fetched(event)
        if identified is not None and not identified[0].joined:
            self._membership.identify_plain(*identified)

    # Frames

    def _frame(self, event: FrameReceived) -> None:
        link = self._context.links.get(event.link)
        if link is None:
            return
        try:
            if (message := self._decode(link, event.data)) is not None:
                self._message(link, message, event.data)
        except FrameFault as fault:
            self._fault(link, fault.reason, in_envelope=isinstance(fault, EnvelopeFault))

    def _stopped(self, event: FrameStopped) -> None:
        """What a frame comes to that was looked at before: it counts as if we had done that."""
        link = self._context.links.get(event.link)
        if link is None:
            return
        self._count(link, event.size)
        if event.fault is not None:
            self._fault(link, event.fault, in_envelope=event.in_envelope)
        else:
            self._heard(link)
            self._context.stats.duplicates += 1

    def _fault(self, link: Link, reason: str, *, in_envelope: bool) -> None:
        # A plain peer relays what others made up, in good faith (R2).
        if in_envelope and not link.extended:
            self._context.refuse(reason)
        else:
            self._context.fault(link, reason)

    def _decode(self, link: Link, data: str | bytes) -> Message | None:
        """Size, rate, syntax, sender, seen before (R1). None for what is dropped without fault."""
        context, limits = self._context, self._config.limits
        # A plain peer that we dialed sends its whole state before we know what it is.
        plain = not link.extended and (link.joined or link.dialed is not None)
        size = (
            len(data)
            if isinstance(data, bytes) or data.isascii()
            else len(data.encode("utf-8", "surrogatepass"))
        )
        if size > (limits.frame_accepted_plain if plain else limits.frame_accepted):
            raise FrameFault("size")
        self._count(link, size)
        message = decode(data, limits)
        if context.encoder.is_own(message.id):
            context.stats.duplicates += 1
            if isinstance(message.body, Join) and link.peer is None:
                # The very frame that we sent as we dialed: the other end is ourselves (M7).
                self._contacts.met_ourselves(link, message.id)
            return None
        foreign = message.sender not in (link.peer, "")
        if link.extended and foreign and self._speaks_for_itself(message):
            raise EnvelopeFault("from")
        # Before the history is asked: an id that somebody else used first hides no life (M2).
        self._heard(link)
        history = self._data_seen if isinstance(message.body, Entries) else self._control_seen
        if message.id and not history.add(message.id, context.now.monotonic):
            context.stats.duplicates += 1
            if isinstance(message.body, Leave) and message.sender == link.peer:
                # A relay was faster than the one who leaves.
                self._membership.left(link.peer)
            return None
        context.stats.messages_received += 1
        return message

    def _heard(self, link: Link) -> None:
        link.received = self._context.now.monotonic
        if link.joined:
            self._roster.spoke(link)

    def _count(self, link: Link, size: int) -> None:
        """Count a frame against the rate of its link (R2)."""
        context = self._context
        until = link.count(size, context.now.monotonic, self._config)
        if until is None:
            return
        context.emit(Pause(link.id, until))
        since = link.over_rate_since
        if since is not None and context.now.monotonic - since >= self._config.limits.over_rate_for:
            link.over_rate_since = None
            context.fault(link, "rate")

    @staticmethod
    def _speaks_for_itself(message: Message) -> bool:
        """Whether an extended peer sends such a message only in its own name (R1)."""
        match message.body:
            case Join() | Heartbeat() | PeerList():
                return message.ttl == 0
            case Entries() | Leave():
                return False
            case _:
                return True

    def _message(self, link: Link, message: Message, frame: str | bytes) -> None:
        if link.joined:
            self._membership.survived(link)
        elif link.dialed is not None and is_plain_word(message):
            self._membership.identify_plain(link, message.sender)
        if link.joined and not link.extended:
            self._plain.heard(link, message)
        match message.body:
            case Entries() as entries:
                done = self._plain.when_applied(link, message)
                self._replica.receive(link, entries, done=done)
            case Join() as join:
                self._membership.join(link, message, join, frame)
            case Heartbeat() as heartbeat:
                self._membership.heartbeat(link, message, heartbeat)
            case Leave():
                self._membership.leave(link, message, frame)
            case PeerList() as names:
                self._membership.names(link, names)
            case exchange:
                self._exchange(link, exchange)

    def _exchange(self, link: Link, exchange: Body) -> None:
        """Section 5, between extended peers only; who has not joined gets nothing (R6)."""
        if not link.joined or not link.extended:
            self._context.refuse("not-joined")
            return
        handler = self._exchanges.get(type(exchange))
        if handler is None:
            self._context.refuse("exchange")
        else:
            handler(link, exchange)
