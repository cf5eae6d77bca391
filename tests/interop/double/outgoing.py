"""What a plain peer sends."""

from collections.abc import Iterable
from typing import Any

from tests.interop.double.connections import Socket
from tests.interop.double.javascript import UNDEFINED, greater, one_less
from tests.interop.double.jsontext import stringify
from tests.interop.double.node import Node, kind_of
from tests.interop.double.peers import Peer
from tests.interop.double.state import Entry
from tests.interop.double.wire import Message, envelope, now_ms, passed_on


class Outgoing:
    """Builds the frames, chooses who gets them, and counts them."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def join(self, socket: Socket) -> None:
        """The first frame on a connection that it dialed."""
        self._send(self._message("join", self._node.me.as_join(), 0), [socket])

    def introduce(self) -> None:
        """The `join` at the end of start-up, to the connections then open."""
        self._broadcast(self._message("join", self._node.me.as_join(), self._max_ttl))

    def sync(self, socket: Socket) -> None:
        """Everything it holds, in one frame."""
        entries = [entry.as_sync() for entry in self._node.state.entries.values()]
        self._send(self._message("sync", entries, 0), [socket])

    def discovery(self, newcomer: Peer, socket: Socket) -> None:
        """All other active peers, to a newcomer; nothing when there are none."""
        others = [peer for peer in self._node.peers.active() if peer is not newcomer]
        if others:
            data = {"type": "peer_discovery", "peers": [peer.as_mentioned() for peer in others]}
            self._send(self._message("join", data, 0), [socket])

    def announce(self, newcomer: Peer, *, besides: Socket) -> None:
        """A newcomer, to all other connections."""
        data = {"type": "peer_announcement", "peer": newcomer.as_mentioned()}
        self._broadcast(self._message("join", data, 1), besides=besides)

    def round(self, now: int) -> None:
        """One interval: a key for each of a few connections, each drawn anew."""
        node = self._node
        node.stats.rounds += 1
        node.stats.last_gossip = now
        if entries := list(node.state.entries.values()):
            for socket in self._some(node.connections.sockets()):
                self._send(self._gossip(node.rng.choice(entries)), [socket])

    def written(self, entry: Entry) -> None:
        """A local write: it waits for a round to draw it."""
        if not self._node.settings.quirks.writes_wait_for_the_draw:
            self._broadcast(self._gossip(entry))

    def heartbeat(self, now: int) -> None:
        """One heartbeat tick."""
        data = {"timestamp": now, "status": "active", "version": self._node.state.applied}
        self._broadcast(self._message("heartbeat", data, 1))

    def leave(self) -> None:
        """What the deployed nodes send in theory only."""
        self._broadcast(self._message("leave", {"reason": "shutdown"}, self._max_ttl))

    def forward(self, message: Message, source: Socket) -> None:
        """Pass a message on while its `ttl` lasts, even back to where it came from if that is
        another socket.
        """
        quirks = self._node.settings.quirks
        ttl = message.get("ttl", UNDEFINED)
        if not quirks.trusts_ttl:
            ttl = min(ttl, self._max_ttl) if type(ttl) is int else 0
        known = kind_of(message.get("type")) != "other"
        if greater(ttl, 0) and (known or quirks.forwards_unknown_types):
            sockets = self._node.connections.sockets(besides=source)
            self._send(passed_on(message, one_less(ttl)), self._some(sockets))

    @property
    def _max_ttl(self) -> int:
        return self._node.settings.max_ttl

    def _gossip(self, entry: Entry) -> Message:
        return self._message("gossip", entry.as_gossip(), self._max_ttl)

    def _message(self, kind: str, data: Any, ttl: int) -> Message:
        """A message of its own, whose id it will know again."""
        node = self._node
        message = envelope(kind, node.settings.node_id, data, ttl, node.state.applied)
        node.history.add(message["messageId"], message["timestamp"], now_ms())
        return message

    def _some(self, sockets: list[Socket]) -> list[Socket]:
        return self._node.rng.sample(sockets, min(self._node.settings.fanout, len(sockets)))

    def _broadcast(self, message: Message, *, besides: Socket | None = None) -> None:
        self._send(message, self._node.connections.sockets(besides=besides))

    def _send(self, message: Message, sockets: Iterable[Socket]) -> None:
        text = stringify(message)
        for socket in sockets:
            socket.send(text)
            self._node.stats.sent[kind_of(message.get("type"))] += 1
            self._node.stats.bytes_sent += len(text.encode())
