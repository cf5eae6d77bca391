"""Our copy of the map: local writes, entries from peers, and pushing both on (sections 3 and 4).

Theory of operation. A local write gets its version and is pending until the journal has committed
it; only then is it merged, pushed and acknowledged (E7). What peers send is merged at once and
written behind. Whatever was new is pushed on: what starts here goes to every link, what came with
hops left goes to a few (S1, S2). Pushes wait a few milliseconds for company, but the first one
after a pause leaves at once.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from math import ceil, log2

import msgspec

from gossip.core.context import CloseCode, Context
from gossip.core.decoding import decode_entry
from gossip.core.effects import Commit, Reply, StoreEntry
from gossip.core.encoding import encode_entry
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.errors import EntryFault, WriteRefused
from gossip.core.events import LinkId, RequestId, WriteRequested
from gossip.core.expiry import Expiries
from gossip.core.links import Link
from gossip.core.members import Status
from gossip.core.messages import Entries
from gossip.core.plumtree import Plumtree
from gossip.core.roots import Root
from gossip.core.spread import Outbox
from gossip.core.state import Aside, Clock, StateMap, next_version
from gossip.core.ties import Ties
from gossip.core.tombstones import Tombstones

FLUSH_TIMER = "flush"


class _Arrival(msgspec.Struct):
    """Entries of one frame that wait to be applied."""

    link: Link
    items: Iterator[bytes]
    hops: int | None
    source: Root | None
    """Where they were pulled: the root of the set that they belong to."""
    seen: dict[str, int] | None
    """To be filled with the version that came for each key."""
    untaken: list[Entry] | None
    """To be filled with what was set aside, or is long dropped."""
    done: Callable[[], None] | None
    push_on: bool
    superfluous: set[int] = msgspec.field(default_factory=set)
    """The trees of the entries that others pushed before (S3)."""


class Replica:
    """The state, and the way in and out of it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._config = context.config
        self.state = StateMap()
        self.tombstones = Tombstones(context, self.state)
        self.trees = Plumtree(context)
        self.clock = Clock(context.config.max_clock_skew)
        self.aside = Aside(context.config.limits)
        self.last_updated = 0
        """Milliseconds of wall time of the last update applied."""
        self._outbox = Outbox(context.config)
        self._flushed_at = float("-inf")
        self._flush_set = False
        self._unflushed = False
        """Something was queued since; what waits for blocked links only waits for them."""
        self._pending: dict[RequestId, Entry] = {}
        self._pending_keys: dict[str, Entry] = {}
        self._arrivals: deque[_Arrival] = deque()
        self._ties = Ties(context.config, context.rng)
        self._expiries = Expiries(context.config.node_id, context.config.expiry_grace)
        self._expiring = False
        """Perhaps more is due than the last slice ended."""
        self._hops = 0
        self._hops_of: tuple[int, int] | None = None
        """The generations of links and members for which `_hops` was found out."""

    # Local writes

    def restore(self, entries: Iterable[Entry]) -> None:
        """Take entries from the store as they are."""
        for entry in entries:
            if self.state.merge(entry):
                self._count(entry)

    def write(self, wanted: WriteRequested) -> None:
        """Begin a local write or delete; the journal says how it ends (E2, E7)."""
        request = wanted.request
        try:
            entry = self._new_entry(wanted)
        except WriteRefused as refusal:
            self._context.stats.writes_refused += 1
            self._context.emit(Reply(request, None, refusal.reason, str(refusal)))
            return
        self._pending[request] = entry
        self._pending_keys[entry.key] = entry
        self._context.emit(Commit(request, entry, self._context.now.wall))

    def _new_entry(self, wanted: WriteRequested) -> Entry:
        key, only_if = wanted.key, wanted.only_if
        wall = self._context.now.wall
        if self._context.stopping:
            raise WriteRefused("stopping", "the node is stopping")
        if self._context.clocks.out_of_step(self._context.now.monotonic):
            raise WriteRefused("clock", "this node's clock is off from most of its peers")
        if len(self._pending) >= self._config.limits.pending_writes:
            raise WriteRefused("overloaded", "too many writes wait for the journal")
        stored, pending = self.state.get(key), self._pending_keys.get(key)
        if only_if is not None and not only_if.holds(_greater(stored, pending), wall):
            raise WriteRefused("condition", f"{key!r} is not as the condition says")
        version = next_version(self.clock.read(wall), stored, pending)
        if version > self._horizon:
            # Peers would set it aside: it must not be acknowledged as if it spread (E4).
            raise WriteRefused("clock", "the stored version is too far ahead of this node's clock")
        expires_at = None if wanted.lifetime is None else wall + wanted.lifetime
        return Entry(key, version, wanted.value, expires_at, wall, self._config.node_id)

    def committed(self, requests: Iterable[RequestId]) -> None:
        """These writes are durable: merge, spread, acknowledge, in the order of the commits."""
        for request in requests:
            entry = self._settle(request)
            if entry is None:
                continue
            if self.state.merge(entry):
                self._count(entry)
                self._push_fresh(entry)
            self._context.stats.writes += 1
            self._context.emit(Reply(request, entry))

    def commit_failed(self, requests: Iterable[RequestId], detail: str) -> None:
        """These writes did not happen; nothing of them was seen by anybody."""
        for request in requests:
            if self._settle(request) is not None:
                self._context.stats.writes_refused += 1
                self._context.emit(Reply(request, None, "journal", detail))

    def _settle(self, request: RequestId) -> Entry | None:
        entry = self._pending.pop(request, None)
        if entry is not None and self._pending_keys.get(entry.key) is entry:
            del self._pending_keys[entry.key]
        return entry

    # Entries from peers

    def receive(
        self,
        link: Link,
        entries: Entries,
        source: Root | None = None,
        seen: dict[str, int] | None = None,
        untaken: list[Entry] | None = None,
        done: Callable[[], None] | None = None,
        *,
        push_on: bool = True,
    ) -> None:
        """Apply the entries of one frame, some now and the rest in later slices (S5).

        `push_on`: push what is new to others.
        """
        items = iter(entries.items)
        arrival = _Arrival(link, items, entries.hops, source, seen, untaken, done, push_on)
        self._arrivals.append(arrival)

    @property
    def busy(self) -> bool:
        """Whether a slice is left to do."""
        return bool(self._arrivals) or self._expiring or self.tombstones.busy

    def work(self) -> None:
        """Do one slice of what waits."""
        budget = self._config.limits.slice_entries
        if self._expiring:
            budget -= self._end_expired(budget)
        elif not self._arrivals:
            self.tombstones.work()
        while self._arrivals and budget > 0:
            arrival = self._arrivals.popleft()
            taken = 0
            for text in islice(arrival.items, budget):
                self._receive_one(arrival, text)
                taken += 1
            if taken == budget:
                # Perhaps there is more: behind the others, so that no link waits for a long one.
                self._arrivals.append(arrival)
            else:
                self._arrived(arrival)
            budget -= max(taken, 1)

    def _arrived(self, arrival: _Arrival) -> None:
        if arrival.superfluous:
            self.trees.prune(arrival.link, arrival.superfluous)
        if arrival.done is not None:
            arrival.done()

    def _receive_one(self, arrival: _Arrival, text: bytes) -> None:
        try:
            entry = decode_entry(text, self._config.limits)
        except EntryFault as fault:
            self._context.refuse(fault.reason)
            return
        if arrival.seen is not None:
            arrival.seen[entry.key] = entry.version
        if self.tombstones.is_dropped(entry) and self.state.get(entry.key) is None:
            self._context.refuse("floor")
            self._note_untaken(entry, arrival)
        elif entry.version > self._horizon:
            dropped = self.aside.add(entry, arrival.link.id)
            self._context.refuse(dropped or "aside")
            self._note_untaken(entry, arrival)
        elif self._apply(entry):
            if arrival.push_on:
                self._pass_on(entry, arrival)
        elif self._context.members.crowded and arrival.hops is not None:
            self._note_superfluous(entry, arrival)

    def _note_superfluous(self, entry: Entry, arrival: _Arrival) -> None:
        if entry == self.state.get(entry.key):
            tree = self.trees.came_again(entry, arrival.link)
            if tree is not None:
                arrival.superfluous.add(tree)

    @staticmethod
    def _note_untaken(entry: Entry, arrival: _Arrival) -> None:
        if arrival.untaken is not None:
            arrival.untaken.append(entry)

    def _apply(self, entry: Entry) -> bool:
        held = self.state.get(entry.key)
        if held is not None and held.version == entry.version and entry.ties(held):
            self._ties.saw(entry.key, entry.version, self._context.now.monotonic)
        if not self.state.merge(entry):
            self._context.stats.entries_stale += 1
            return False
        self._context.stats.entries_applied += 1
        self._count(entry)
        self._context.emit(StoreEntry(entry))
        return True

    def _count(self, entry: Entry) -> None:
        self._context.updates += 1
        self.last_updated = self._context.now.wall
        self.aside.applied(entry.key)
        self._expiries.add(entry)

    @property
    def _horizon(self) -> int:
        """The latest version that is not from the future (E4)."""
        return self._context.now.wall + int(self._config.max_clock_skew * 1000)

    def apply_due(self) -> None:
        """Apply what was set aside and whose time has come (E4).

        Where something else was written meanwhile, that is what people last meant: it is published
        again just above, the same entry wherever that is done.
        """
        for entry, overtaken in self.aside.due(self._horizon):
            held = self.state.get(entry.key)
            if not self._apply(entry):
                continue
            self._push_fresh(entry)
            if overtaken and held is not None:
                self._publish(held.raised_to(entry.version + 1))

    def repair_ties(self) -> None:
        """Publish the winners of ties once more, which plain peers then take (E3)."""
        now = self._context.now.monotonic
        plain = any(not link.extended for link in self._context.links.best())
        for key, version in self._ties.due(now):
            winner = self.state.get(key)
            if plain and winner is not None and winner.version == version:
                self._publish(winner.raised_to(version + 1))
        self._ties.forget_old(now)

    def expire(self) -> None:
        """Look for what has expired (E6)."""
        self._expiring = True

    def _end_expired(self, most: int) -> int:
        """Follow up to so many expired entries with their tombstones. Returns how many."""
        ended = 0
        for key, version in islice(self._expiries.due(self._context.now.wall), most):
            entry = self.state.get(key)
            if entry is not None and entry.version == version and entry.expires_at is not None:
                self._publish(entry.ended())
            ended += 1
        self._expiring = ended == most
        return ended

    def _publish(self, entry: Entry) -> None:
        """Publish an update that is the same wherever it is made."""
        if entry.version <= MAX_VERSION and self._apply(entry):
            self._push_fresh(entry)

    # Pushing on

    def _full_hops(self) -> int:
        """0 while we hold a link to every active or suspected member, else the full count (S1)."""
        generation = self._context.links.generation, self._context.members.generation
        if self._hops_of != generation:
            self._hops_of = generation
            others = [m for m in self._context.members if m.status is not Status.INACTIVE]
            if all(self._context.links.linked(member.record.node_id) for member in others):
                self._hops = 0
            else:
                depth = ceil(log2(len(others) + 1)) + 2
                self._hops = max(self._config.max_ttl, depth)
        return self._hops

    def _push_fresh(
        self, entry: Entry, but: str | None = None, holders: Root | None = None
    ) -> None:
        """Push an entry that starts here to everybody, except who sent it or surely holds it."""
        links = [
            link
            for link in self._context.links.best()
            if link.peer != but and (holders is None or link.partner.roots.state != holders)
        ]
        if entry.origin == self._config.node_id:
            chosen = self.trees.eager(links, entry)
        else:
            # Its tree has another root.
            chosen = [link.id for link in links]
        self._queue(entry, self._full_hops(), chosen)

    def _pass_on(self, entry: Entry, arrival: _Arrival) -> None:
        """Push an entry that was new to us further (S2)."""
        hops = arrival.hops if arrival.link.extended else None
        if hops is None:
            self._push_fresh(entry, arrival.link.peer, arrival.source)
            return
        self.trees.came(entry, arrival.link)
        if hops > 0:
            links = [
                link
                for link in self._context.links.best()
                if link.extended and link.peer != arrival.link.peer
            ]
            if not self._context.members.crowded:
                # Most have it from its origin, which lacks a link to somebody, or believes so.
                links = self._context.rng.sample(links, min(self._config.fanout, len(links)))
            # Clamped like any hop count from outside (R4); a mesh of 2^32 needs no more.
            self._queue(entry, min(hops, 34) - 1, self.trees.eager(links, entry))

    def _queue(self, entry: Entry, hops: int, links: list[LinkId]) -> None:
        self._outbox.add(entry, hops, links)
        self._unflushed = self._unflushed or bool(links)

    def flush_soon(self) -> None:
        """Send what waits: now, if the last time is long enough ago, else together later."""
        if not self._unflushed or self._flush_set:
            return
        wait = self._flushed_at + self._config.batch_delay - self._context.now.monotonic
        if wait <= 0:
            self.flush()
        else:
            self._flush_set = True
            self._context.set_timer(FLUSH_TIMER, wait)

    def flush(self) -> None:
        """Send what waits for every link that drains; close those that wait for too much (S5)."""
        self._flush_set = self._unflushed = False
        self._flushed_at = self._context.now.monotonic
        writable = []
        for link in self._context.links:
            if link.closing:
                self._outbox.drop(link.id)
            elif link.blocked_since is None:
                writable.append(link.id)
            elif self._outbox.overflows(link.id):
                self._context.close(link, CloseCode.SLOW_READER, "slow reader")
        for batch in self._outbox.take(writable):
            links = [found for id_ in batch.links if (found := self._context.links.get(id_))]
            for frame in self._sync_frames(batch.entries, batch.hops):
                self._context.send(links, frame)

    def _sync_frames(self, entries: Iterable[bytes], hops: int | None) -> Iterator[bytes]:
        context = self._context
        return context.encoder.sync(entries, hops, context.now.wall, context.updates)

    def closed(self, link: Link) -> None:
        """The link is gone."""
        self._outbox.drop(link.id)
        self.trees.closed(link)

    # Pages of the state

    def page(
        self, entries: Iterator[Entry], most: int, most_bytes: int | None = None
    ) -> list[tuple[str, bytes]]:
        """Take and encode the next entries: at most so many, and no more than a frame holds.

        The one that reaches `most_bytes`, where it is given, is the last.
        """
        limits = self._config.limits
        # The last one may be the largest there is. Keys and names escape to six times their size;
        # its key stands again in `next`, one before in `after`, a second name in the envelope.
        names = 18 * limits.key + 12 * limits.node_id
        room = limits.frame_sent - limits.value - names - 2_048
        if most_bytes is not None:
            room = min(room, most_bytes)
        page: list[tuple[str, bytes]] = []
        for entry in islice(entries, most):
            text = encode_entry(entry)
            page.append((entry.key, text))
            room -= len(text) + 1
            if room <= 0:
                break
        return page

    def send_page(self, link: Link, page: list[tuple[str, bytes]]) -> None:
        """Send such a page to a plain peer, as an array."""
        for frame in self._sync_frames((text for _, text in page), None):
            self._context.send([link], frame)


def _greater(stored: Entry | None, pending: Entry | None) -> Entry | None:
    """What a key will be once all that is under way here has been committed (E3)."""
    if pending is None or (stored is not None and stored.supersedes(pending)):
        return stored
    return pending
