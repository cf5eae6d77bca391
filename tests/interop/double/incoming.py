"""What a plain peer makes of a message: first its id, then its type, then on with it."""

from collections.abc import Callable
from typing import Any

from tests.interop.double.connections import Socket
from tests.interop.double.javascript import UNDEFINED, map_key, truthy
from tests.interop.double.jsontext import parse
from tests.interop.double.node import Node, kind_of
from tests.interop.double.outgoing import Outgoing
from tests.interop.double.peers import Peer
from tests.interop.double.urls import dialable
from tests.interop.double.wire import Message, now_ms

Dial = Callable[[Any, float], None]
"""Dial an endpoint, which may be malformed, after so many seconds."""

MODEST = 16
"""How many names of one discovery a double dials whose quirk is off."""


class Incoming:
    """Handles the messages of all sockets."""

    def __init__(self, node: Node, outgoing: Outgoing, dial: Dial) -> None:
        self._node = node
        self._quirks = node.settings.quirks
        self._outgoing = outgoing
        self._dial = dial

    def receive(self, text: str, socket: Socket) -> None:
        """Handle one message. Raises `RecursionError` for what is nested too deep."""
        self._node.stats.bytes_received += len(text)
        try:
            message = parse(text)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        self._node.stats.received[kind_of(message.get("type"))] += 1
        message_id = message.get("messageId", UNDEFINED)
        if message_id in self._node.history:
            return
        self._remember(message_id, message)
        self._handle(message, socket)
        self._outgoing.forward(message, socket)

    def _remember(self, message_id: Any, message: Message) -> None:
        good = kind_of(message.get("type")) != "other" and isinstance(
            message.get("data"), dict | list
        )
        if good or self._quirks.remembers_bad_messages:
            now = now_ms()
            by_sender = self._quirks.ages_history_by_sender
            sent = message.get("timestamp", UNDEFINED) if by_sender else now
            self._node.history.add(message_id, sent, now)

    def _handle(self, message: Message, socket: Socket) -> None:
        data = message.get("data")
        match message.get("type"):
            case "gossip":
                self._merge([data], message)
            case "sync" if isinstance(data, list):
                self._merge(data, message)
            case "join" if isinstance(data, dict):
                self._join(message.get("from", UNDEFINED), data, socket)
            case "heartbeat":
                self._heartbeat(message.get("from", UNDEFINED), socket)
            case "leave":
                self._leave(message.get("from", UNDEFINED), socket)

    def _merge(self, items: list[Any], message: Message) -> None:
        sent, now = message.get("timestamp", UNDEFINED), now_ms()
        for item in items:
            self._node.state.merge(item, sent, now)

    def _join(self, sender: Any, data: dict[str, Any], socket: Socket) -> None:
        if self._is_me(sender):
            return
        match data.get("type"):
            case "peer_discovery":
                names = data.get("peers")
                self._learn(names if isinstance(names, list) else [])
            case "peer_announcement":
                self._learn([data.get("peer")])
            case _:
                self._direct_join(sender, data, socket)

    def _is_me(self, node_id: Any) -> bool:
        return map_key(node_id) == map_key(self._node.settings.node_id)

    def _direct_join(self, sender: Any, data: dict[str, Any], socket: Socket) -> None:
        endpoint = data.get("gossipEndpoint")
        if truthy(endpoint) and not dialable(endpoint):
            return
        known = self._node.peers.get(sender) is not None
        peer = self._node.peers.record(sender, data, now_ms())
        socket.joined.add(map_key(sender))
        if socket.dialed is None:
            self._came_in(endpoint, socket)
        if not known or not self._quirks.known_ids_get_no_sync:
            self._outgoing.sync(socket)
            self._outgoing.discovery(peer, socket)
        if not known:
            self._outgoing.announce(peer, besides=socket)
            self._dial_new(peer, self._node.settings.timers.dial_back)

    def _came_in(self, endpoint: Any, socket: Socket) -> None:
        if truthy(endpoint):
            self._node.connections.came_in(endpoint, socket)
        if not self._quirks.never_joins_in_answer:
            self._outgoing.join(socket)

    def _learn(self, names: list[Any]) -> None:
        """Take names from a discovery or an announcement; known ones are left as they are."""
        now = now_ms()
        newcomers = [
            self._node.peers.record(name["id"], name, now)
            for name in names
            if isinstance(name, dict) and "id" in name and self._is_new(name["id"])
        ]
        for peer in newcomers if self._quirks.dials_every_name else newcomers[:MODEST]:
            self._dial_new(peer, self._node.settings.timers.dial_learned)

    def _is_new(self, node_id: Any) -> bool:
        return not self._is_me(node_id) and self._node.peers.get(node_id) is None

    def _dial_new(self, peer: Peer, delay: float) -> None:
        if truthy(peer.gossip_endpoint):
            self._dial(peer.gossip_endpoint, delay)

    def _heartbeat(self, sender: Any, socket: Socket) -> None:
        if peer := self._believed(sender, socket):
            peer.status = "active"
            peer.last_seen = now_ms()
            peer.heartbeat_count += 1

    def _leave(self, sender: Any, socket: Socket) -> None:
        if peer := self._believed(sender, socket):
            peer.status = "inactive"
            if mapped := self._node.connections.get(peer.gossip_endpoint):
                mapped.close()

    def _believed(self, sender: Any, socket: Socket) -> Peer | None:
        if self._quirks.believes_from or map_key(sender) in socket.joined:
            return self._node.peers.get(sender)
        return None
