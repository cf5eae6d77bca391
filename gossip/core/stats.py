"""What a node counts, and the picture of itself that it gives to people."""

from collections import Counter

import msgspec

from gossip.core.members import PeerRecord


class Stats(msgspec.Struct, kw_only=True):
    """Counters since the start of the process. Only the node adds to them; anybody may read."""

    messages_sent: int = 0
    """Frames, one for each link that they went out on."""
    messages_received: int = 0
    """Frames that were valid."""
    gossip_rounds: int = 0
    last_gossip_time: int | None = None
    """Milliseconds of wall time of the last round; None before the first."""
    entries_applied: int = 0
    """Entries from peers that were newer than ours."""
    entries_stale: int = 0
    """Entries from peers that were not."""
    duplicates: int = 0
    """Messages seen before (R3)."""
    forwarded: int = 0
    """Frames passed on (R4)."""
    writes: int = 0
    """Local writes acknowledged."""
    writes_refused: int = 0
    pulls: int = 0
    """Sessions begun because roots differed (A2)."""
    pages_served: int = 0
    """Answers with entries, in sessions of peers (A3)."""
    tombstones_dropped: int = 0
    """Old ones that were too many (E5)."""
    refutations: int = 0
    """Suspicions of ourselves that we refuted (M1)."""
    probes_failed: int = 0
    """Members that answered neither us nor helpers (M4)."""
    links_opened: int = 0
    links_closed: int = 0
    dials: int = 0
    dials_failed: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    """Input refused, by reason: frames, entries, records, names and dials alike."""


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """One other member as this node sees it."""

    record: PeerRecord
    status: str
    """`active`, `suspected` or `inactive` (M1)."""
    heartbeat_count: int
    """Heartbeats received from it."""
    linked: bool
    """Whether we hold a connection to it now."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """This node at one instant."""

    me: PeerRecord
    version: int
    """Updates applied, local and remote (W2)."""
    last_updated: int
    """Milliseconds of wall time of the last update applied; 0 before the first."""
    live: int
    """Keys with a value."""
    total: int
    """Keys, tombstones included."""
    links: int
    aside: int
    """Entries from the future that wait to be applied (E4)."""
    heartbeats_sent: int
    stats: Stats
    self_doubt: int = 0
    """0 … 8: how slow this node finds itself; so much longer it waits for answers (M4)."""
    answer_timeout: float = 0.0
    """Seconds that it waits for the answer of a member now, as learned and with its self-doubt."""
    reasons: tuple[str, ...]
    """What is wrong with this node, as stable short phrases (empty when nothing is)."""
