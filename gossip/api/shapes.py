"""The objects in our answers. Clients of the deployed nodes rely on these names and this order."""

import msgspec

from gossip.api.responses import iso
from gossip.core.members import PeerRecord
from gossip.core.stats import Overview
from gossip.services import Health, PeerCounts, WatchCounts


class Peer(msgspec.Struct, rename="camel", kw_only=True):
    """A member, or this node itself, in `GET /gossip/peers`."""

    node_id: str
    public_key: str
    api_endpoint: str | None
    gossip_endpoint: str | None
    status: str
    last_seen: str | None
    region: str
    capabilities: tuple[str, ...]
    version: str
    heartbeat_count: int


class OldPeer(msgspec.Struct, rename="camel", kw_only=True):
    """A member in `GET /p2p/peers`."""

    node_id: str
    public_key: str
    api_endpoint: str | None
    p2p_endpoint: str | None
    status: str
    last_seen: str | None
    region: str
    capabilities: tuple[str, ...]
    version: str


def peer(record: PeerRecord, status: str, heartbeat_count: int) -> Peer:
    return Peer(
        node_id=record.node_id,
        public_key=record.public_key,
        api_endpoint=record.api_endpoint,
        gossip_endpoint=record.gossip_endpoint,
        status=status,
        last_seen=iso(record.last_seen),
        region=record.region,
        capabilities=record.capabilities,
        version=record.version,
        heartbeat_count=heartbeat_count,
    )


def old_peer(record: PeerRecord, status: str) -> OldPeer:
    return OldPeer(
        node_id=record.node_id,
        public_key=record.public_key,
        api_endpoint=record.api_endpoint,
        p2p_endpoint=record.gossip_endpoint,
        status=status,
        last_seen=iso(record.last_seen),
        region=record.region,
        capabilities=record.capabilities,
        version=record.version,
    )


def stats(now: Overview, peers: PeerCounts, watchers: WatchCounts) -> dict[str, object]:
    """The seven of the deployed nodes, then our own counters."""
    counted = now.stats
    return {
        "totalPeers": peers.total,
        "activePeers": peers.active,
        "suspectedPeers": peers.suspected,
        "messagesSent": counted.messages_sent,
        "messagesReceived": counted.messages_received,
        "gossipRounds": counted.gossip_rounds,
        "lastGossipTime": iso(counted.last_gossip_time),
        "entriesApplied": counted.entries_applied,
        "entriesStale": counted.entries_stale,
        "duplicates": counted.duplicates,
        "forwarded": counted.forwarded,
        "writes": counted.writes,
        "writesRefused": counted.writes_refused,
        "pulls": counted.pulls,
        "pagesServed": counted.pages_served,
        "tombstonesDropped": counted.tombstones_dropped,
        "refutations": counted.refutations,
        "probesFailed": counted.probes_failed,
        "selfDoubt": now.self_doubt,
        "answerTimeout": round(now.answer_timeout * 1000),
        "keys": now.live,
        "setAside": now.aside,
        "links": now.links,
        "linksOpened": counted.links_opened,
        "linksClosed": counted.links_closed,
        "dials": counted.dials,
        "dialsFailed": counted.dials_failed,
        "watchers": watchers.watching,
        "watchersRefused": watchers.refused,
        "watchersDropped": watchers.dropped,
        "refused": dict(sorted(counted.refused.items())),
    }


def health(state: Health) -> dict[str, object]:
    now, peers = state.overview, state.peers
    counted = now.stats
    last_gossip_time = iso(counted.last_gossip_time)
    return {
        "status": state.status,
        "timestamp": iso(now.me.last_seen),
        "peers": peers,
        "gossip": {
            "rounds": counted.gossip_rounds,
            "messagesSent": counted.messages_sent,
            "messagesReceived": counted.messages_received,
            "lastGossipTime": last_gossip_time,
        },
        "connectivity": {
            "hasActivePeers": peers.active > 0,
            "isGossiping": last_gossip_time is not None,
        },
        "reasons": now.reasons,
    }
