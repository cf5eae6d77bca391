"""Living with the nodes already deployed, which we cannot change (W4, R1, S4, A4).

Theory of operation. A plain peer answers a `join` with its whole state only when it does not know
the id, spreads one random key an interval, and ignores an equal version. So we send it our state
when it joins, a part of it in each round, and new entries at once; and we fetch its state over
HTTP: when a link opened and brought none, and later when the count of updates in its envelopes
moved further than ours did, that is, when it learned something that we cannot have told it. Then
it is sent whatever it turned out to lack.

One extended member fetches for all: all are ranked by the hash of both ids, and the first tells in
its heartbeats what it fetched. The next takes over when that is two waits old.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256

import msgspec

from gossip.core import addresses
from gossip.core.context import Context
from gossip.core.effects import Fetch
from gossip.core.entries import Entry
from gossip.core.errors import FrameFault
from gossip.core.events import Fetched, LinkId
from gossip.core.links import Link
from gossip.core.messages import Entries, Message, PeerList, Pulled
from gossip.core.plain_answers import PlainState, plain_id, plain_state
from gossip.core.replica import Replica

ROUND = 20
"""Entries that a plain peer is sent in a round (S4). What it lacks it is sent when it joins, when
it is written and when its state was fetched; this is for what all of that missed. Measured with
four of us and small values: 2.1 kB a second to it; 100 entries made that 11 kB."""
ROUND_BYTES = 16_384
"""Likewise, unless the first entry alone is larger."""


class _Peer(msgspec.Struct, kw_only=True):
    """What we know of one plain peer beyond its record."""

    since: float
    """When we heard of it, or when the link opened that brought no state yet."""
    wait: float
    """Seconds from one fetch to the next."""
    count: int = 0
    """Updates that it has applied, as its last frame says."""
    counted: int | None = None
    """The same when its state was last fetched by anybody, or sent by itself."""
    our_count: int = 0
    """Ours at that time."""
    welcomed: float | None = None
    """When it was sent the whole state last (W4)."""
    fetched_at: float | None = None
    fetched_wall: int = 0
    fetched_by_us: bool = False
    cursor: str | None = None
    """The key up to which the rounds have come."""


class _Fetching(msgspec.Struct):
    """A request under way: for the state of a plain peer, or for the id of one."""

    peer: str | None
    link: LinkId


class PlainPeers:
    """What we do for plain peers, and about them."""

    def __init__(self, context: Context, replica: Replica) -> None:
        self._context = context
        self._config = context.config
        self._replica = replica
        self._peers: dict[str, _Peer] = {}
        self._fetching: dict[str, _Fetching] = {}
        self._asked: set[LinkId] = set()
        """Dialed links whose other end was asked for its id (R1)."""
        self._dumps: dict[LinkId, Iterator[Entry]] = {}

    # Sending our state

    def welcome(self, link: Link) -> bool:
        """Send who joined the whole state, in slices, as fast as the link drains (W4).

        False where it was sent not long ago: nothing else is to be told to it either.
        """
        peer = self._peers[link.peer or ""]
        now = self._context.now.monotonic
        if peer.welcomed is not None and now - peer.welcomed < self._config.answer_again:
            return False
        peer.welcomed = now
        self._dumps[link.id] = self._lacking(link, None)
        return True

    @property
    def busy(self) -> bool:
        """Whether a slice is left to do."""
        return any(map(self._may_dump, self._dumps))

    def work(self) -> None:
        """Send one frame on each link that is being sent the state and drains."""
        for link_id in list(filter(self._may_dump, self._dumps)):
            link = self._context.links.get(link_id)
            page = self._replica.page(self._dumps[link_id], self._config.limits.slice_entries)
            if not page:
                del self._dumps[link_id]
            elif link is not None:
                self._replica.send_page(link, page)

    def _may_dump(self, link_id: LinkId) -> bool:
        link = self._context.links.get(link_id)
        return link is not None and link.blocked_since is None

    def round(self, link: Link) -> None:
        """Send the entries that this plain peer was sent the longest ago (S4)."""
        peer = self._peers.get(link.peer or "")
        if peer is None or link.blocked_since is not None:
            return
        behind = self._replica.state.behind(peer.cursor)
        page = self._replica.page(behind, ROUND, ROUND_BYTES)
        peer.cursor = None if next(behind, None) is None else page[-1][0]
        self._replica.send_page(link, page)

    # What they say

    def joined(self, link: Link) -> None:
        """A link to a plain peer joined; perhaps it sends its state by itself."""
        peer = self._peers.get(link.peer or "")
        if peer is None:
            peer = _Peer(since=self._context.now.monotonic, wait=self._config.plain_wait)
            self._peers[link.peer or ""] = peer
        elif peer.counted is None or peer.count < peer.counted:
            peer.since = self._context.now.monotonic

    def heard(self, link: Link, message: Message) -> None:
        """A frame came from a plain peer on its own link."""
        peer = self._peers.get(link.peer or "")
        if peer is None or message.sender != link.peer:
            return
        if message.updates is not None:
            if message.updates < peer.count:
                # It restarted and lost everything, what we sent it included.
                peer.counted = None
                peer.since = self._context.now.monotonic
            peer.count = message.updates

    def when_applied(self, link: Link, message: Message) -> Callable[[], None] | None:
        """What to do once the entries of this frame are applied: a plain peer's state counts as
        fetched then.
        """
        peer = self._peers.get(link.peer or "")
        if peer is None or message.kind != "sync" or message.sender != link.peer:
            return None
        return lambda: self._note_fetched(peer, by_us=False, count=peer.count)

    def told(self, pulled: tuple[Pulled, ...]) -> None:
        """An extended peer says which plain peers it fetched from (A4)."""
        for item in pulled:
            peer = self._peers.get(item.node_id)
            if peer is not None and item.time > peer.fetched_wall:
                # What it brought, if anything, has reached us meanwhile.
                brought = self._context.updates > peer.our_count
                peer.wait = self._first_wait(0.0) if brought else self._next_wait(peer, 0.0)
                self._note_fetched(peer, by_us=False, count=item.updates)
                peer.fetched_wall = item.time

    def pulled(self) -> list[Pulled]:
        """What to say of our own fetches in a heartbeat, the newest first."""
        ours = [
            Pulled(node_id, peer.counted or 0, peer.fetched_wall)
            for node_id, peer in self._peers.items()
            if peer.fetched_by_us and self._age(peer) < 2 * peer.wait
        ]
        return sorted(ours, key=lambda item: item.time, reverse=True)

    # Fetching

    def tick(self) -> None:
        """Fetch what is due, once a second."""
        now = self._context.now.monotonic
        fetching = {request.peer for request in self._fetching.values()}
        for link in self._context.links.best():
            if link.extended or link.peer in fetching:
                continue
            peer = self._peers.get(link.peer or "")
            if peer is not None and self._age(peer) >= self._due_at_age(link.peer or "", peer):
                self._fetch(link, "/gossip/state", link.peer)
        for link in self._context.links:
            silent = link.dialed is not None and not link.joined and not link.closing
            if silent and link.id not in self._asked and now - link.opened >= self._patience:
                self._asked.add(link.id)
                self._fetch(link, "/gossip/peers", None)

    @property
    def _patience(self) -> float:
        return self._config.plain_silence

    def _age(self, peer: _Peer) -> float:
        """Seconds since the last fetch, or since the link opened that has brought no state."""
        since = peer.since if peer.fetched_at is None else peer.fetched_at
        if peer.counted is None:
            since = max(since, peer.since)
        return self._context.now.monotonic - since

    def _is_unexplained(self, peer: _Peer) -> bool:
        """Whether it applied more than we and the others can have sent it."""
        moved = peer.count - (peer.counted or 0)
        return moved > self._context.updates - peer.our_count

    def _due_at_age(self, node_id: str, peer: _Peer) -> float:
        """The age of the last fetch at which it is ours to fetch again.

        The others in front of us have two waits each to do it before.
        """
        if peer.counted is None:
            due = self._config.plain_silence if peer.fetched_at is None else peer.wait
        else:
            due = peer.wait if self._is_unexplained(peer) else self._config.plain_wait_max
        return due + 2 * peer.wait * self._place(node_id)

    def _place(self, node_id: str) -> int:
        """How many active extended members fetch from this plain peer rather than we."""
        ours = _rank(self._config.node_id, node_id)
        return sum(
            _rank(member.record.node_id, node_id) < ours
            for member in self._context.members.active()
            if member.record.extended
        )

    def _fetch(self, link: Link, path: str, peer: str | None) -> None:
        origin = self._origin(link)
        if origin is None or (url := origin + path) in self._fetching:
            return
        self._fetching[url] = _Fetching(peer, link.id)
        self._context.emit(Fetch(url, link.loopback, self._config.limits.body))

    def _origin(self, link: Link) -> str | None:
        """Where this peer serves HTTP: as it says, if that is on the host that we know (L4).

        None: it dialed us and named no host for us to know.
        """
        record = link.record
        endpoint = (record.gossip_endpoint if record else None) or link.dialed
        if endpoint is None:
            return None
        claimed = record.api_endpoint if record else None
        if claimed is not None and addresses.same_host(claimed, endpoint):
            return claimed.rstrip("/")
        if claimed is not None:
            self._context.refuse("api-endpoint")
        return addresses.http_origin(endpoint)

    def fetched(self, event: Fetched) -> tuple[Link, str] | None:
        """The answer came. Returns a link and whose it is, where that was the question."""
        request = self._fetching.pop(event.url, None)
        link = self._context.links.get(request.link) if request is not None else None
        if request is None or link is None:
            return None
        try:
            answer = self._read(request, event.body)
        except FrameFault as fault:
            self._context.refuse(fault.reason)
            if (peer := self._peers.get(request.peer or "")) is not None:
                self._back_off(peer, event.seconds)
            return None
        if isinstance(answer, str):
            return link, answer
        self._merge(link, answer, event.seconds)
        return None

    def _read(self, request: _Fetching, body: bytes | None) -> PlainState | str:
        if body is None:
            raise FrameFault("fetch")
        if request.peer is None:
            return plain_id(body, self._config.limits)
        state = plain_state(body, self._config.limits)
        if state.node_id != request.peer:
            raise FrameFault("plain-state")
        return state

    def _merge(self, link: Link, theirs: PlainState, seconds: float) -> None:
        """Apply a plain peer's state, then send it what it lacks."""
        peer = self._peers.get(theirs.node_id)
        if peer is None:
            return
        # The first fetch asks without a reason, and the one after the longest wait likewise.
        for_a_reason = peer.fetched_at is not None and (
            peer.counted is None or self._is_unexplained(peer)
        )
        before = self._context.stats.entries_applied
        sent = dict[str, int]()

        def merged() -> None:
            # Its versions may be anything; what is none of ours counts as lacking.
            brought = self._context.stats.entries_applied > before
            self._note_fetched(peer, by_us=True, count=theirs.count)
            self._dumps[link.id] = self._lacking(link, sent)
            if brought:
                peer.wait = self._first_wait(seconds)
            elif for_a_reason:
                peer.wait = self._next_wait(peer, seconds)

        items = tuple(theirs.entries.values())
        self._replica.receive(link, Entries(items, None), seen=sent, done=merged)

    def _lacking(self, link: Link, theirs: dict[str, int] | None) -> Iterator[Entry]:
        """Our entries that are newer than these versions; all where nobody told us any.

        It will count each that it lacked, and we know why.
        """
        peer = self._peers.get(link.peer or "")
        for entry in self._replica.state.entries():
            if theirs is None:
                yield entry
            elif theirs.get(entry.key, 0) < entry.version:
                if peer is not None:
                    peer.our_count -= 1
                yield entry

    def _note_fetched(self, peer: _Peer, *, by_us: bool, count: int) -> None:
        peer.fetched_at, peer.fetched_wall = self._context.now
        peer.fetched_by_us = by_us
        peer.counted, peer.our_count = count, self._context.updates

    def _back_off(self, peer: _Peer, seconds: float) -> None:
        peer.fetched_at = self._context.now.monotonic
        peer.wait = self._next_wait(peer, seconds)

    def _first_wait(self, seconds: float) -> float:
        config = self._config
        wait = max(config.plain_wait, config.plain_wait_cost * seconds)
        return min(wait, config.plain_wait_max)

    def _next_wait(self, peer: _Peer, seconds: float) -> float:
        return min(max(2 * peer.wait, self._first_wait(seconds)), self._config.plain_wait_max)

    # Ends

    def forget_link(self, link: LinkId) -> None:
        """The link is gone."""
        self._dumps.pop(link, None)
        self._asked.discard(link)

    def forget_peer(self, node_id: str) -> None:
        """The member was removed."""
        self._peers.pop(node_id, None)


def is_plain_word(message: Message) -> bool:
    """Whether such a frame on a dialed link shows that a plain peer is at its other end (R1)."""
    match message.body:
        case Entries() as entries:
            return message.ttl == 0 and entries.hops is None
        case PeerList() as names:
            return message.ttl == 0 and names.discovery
        case _:
            return message.kind == "heartbeat" and message.ttl == 1


def _rank(extended: str, plain: str) -> bytes:
    return sha256(f"{extended} {plain}".encode()).digest()
