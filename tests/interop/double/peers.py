"""The peers that a double knows."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from tests.interop.double.javascript import UNDEFINED, map_key
from tests.interop.double.wire import CAPABILITIES, REGION, VERSION, present

Status: TypeAlias = Literal["active", "suspected", "inactive"]


@dataclass
class Peer:
    """What a peer said of itself, or others said of it. Fields that nobody gave are undefined."""

    node_id: Any
    public_key: Any = UNDEFINED
    api_endpoint: Any = UNDEFINED
    gossip_endpoint: Any = UNDEFINED
    region: Any = UNDEFINED
    capabilities: Any = UNDEFINED
    version: Any = UNDEFINED
    status: Status = "active"
    last_seen: int = 0
    heartbeat_count: int = 0

    def _given(self) -> dict[str, Any]:
        return {
            "publicKey": self.public_key,
            "apiEndpoint": self.api_endpoint,
            "gossipEndpoint": self.gossip_endpoint,
            "region": self.region,
            "capabilities": self.capabilities,
            "version": self.version,
        }

    def as_join(self) -> dict[str, Any]:
        """The data of this peer's own `join`."""
        return present(nodeId=self.node_id, **self._given(), status=self.status)

    def as_mentioned(self) -> dict[str, Any]:
        """The seven fields of a discovery or an announcement."""
        return present(id=self.node_id, **self._given())


def oneself(node_id: str, public_key: str, api_endpoint: str, gossip_endpoint: str) -> Peer:
    """The record of the double itself."""
    return Peer(
        node_id, public_key, api_endpoint, gossip_endpoint, REGION, [*CAPABILITIES], VERSION
    )


_FIELDS = {
    "publicKey": "public_key",
    "apiEndpoint": "api_endpoint",
    "gossipEndpoint": "gossip_endpoint",
    "region": "region",
    "capabilities": "capabilities",
    "version": "version",
}


class Peers:
    """The records by node id; ids are told apart as a JavaScript `Map` does."""

    def __init__(self) -> None:
        self._peers: dict[Hashable, Peer] = {}

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def get(self, node_id: Any) -> Peer | None:
        return self._peers.get(map_key(node_id))

    def record(self, node_id: Any, given: dict[str, Any], now: int) -> Peer:
        """Overwrite a record, or begin one, with what is given; the peer is active from now."""
        peer = self.get(node_id) or Peer(node_id)
        changes = {ours: given[theirs] for theirs, ours in _FIELDS.items() if theirs in given}
        peer = replace(peer, **changes, status="active", last_seen=now)
        self._peers[map_key(node_id)] = peer
        return peer

    def active(self) -> list[Peer]:
        return [peer for peer in self if peer.status == "active"]

    def count(self, status: Status) -> int:
        return sum(peer.status == status for peer in self)

    def suspect(self, now: int, timeout: float) -> None:
        """Turn active peers not seen for longer than the timeout (ms) into suspected ones."""
        for peer in self.active():
            if now - peer.last_seen > timeout:
                peer.status = "suspected"

    def clean(self, now: int, timeout: float) -> None:
        """Remove peers that are not active and were not seen for longer than the timeout (ms)."""
        self._peers = {
            key: peer
            for key, peer in self._peers.items()
            if peer.status == "active" or now - peer.last_seen <= timeout
        }
