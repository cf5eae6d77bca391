"""Every number that the protocol depends on: meaning, unit, default, where the default comes from.

Times are seconds. `gossip.conf` builds a `Config` from the environment and says in words what is
wrong with a value; nothing in the core reads the environment.
"""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what one peer can make us hold. Each has a test one past it."""

    frame_sent: int = 256_000
    """Bytes of a frame that we send (W1): Channels layers and old proxies cope with it."""
    frame_accepted: int = 1_048_576
    """Bytes of a frame before a `join` and from extended peers (W1)."""
    frame_accepted_plain: int = 16_777_216
    """Bytes of a frame from a plain peer, which sends its whole state in one (W1)."""
    depth: int = 32
    """Nesting of a value (section 10); a plain peer dies of 100,000."""
    key: int = 512
    """Bytes of a key in UTF-8 (section 10)."""
    value: int = 131_072
    """Bytes of a value as compact JSON, over HTTP and the wire alike (section 10)."""
    node_id: int = 256
    """Bytes of a node id; ours have 66. A guess that leaves room for other schemes."""
    text: int = 512
    """Bytes of any other text in a member's record: endpoint, region, key, version."""
    capabilities: int = 32
    """Capabilities in a member's record; plain peers list two."""
    peer_list: int = 1_000
    """Names taken from one peer list; the rest is counted and ignored (plain peers open 10,000)."""
    members: int = 20_000
    """Members held; twice the largest cluster that we aim at."""
    lost: int = 1_000
    """Removed members that are dialed for another day (M7); the oldest make room."""
    graveyard: int = 10_000
    """Removed ids remembered (M3)."""
    history_control: int = 1_000
    """Ids of control messages remembered, apart from those of data (R3)."""
    aside: int = 1_000
    """Future versions set aside in all (E4)."""
    aside_per_link: int = 100
    """Future versions set aside from one link (E4)."""
    tombstones: int = 100_000
    """Tombstones past their grace that are kept (E5): some 40 MB."""
    pulled: int = 64
    """Pulls of plain peers named in one heartbeat, the latest ones (A4). A guess."""
    news: int = 8
    """Items of membership news in one heartbeat (W8)."""
    rumors: int = 1_000
    """Members of whom news waits to be told; what was told most often makes room. A guess."""
    newcomers: int = 100
    """Members named on in one go (L1): a liar's list must not be multiplied. A guess."""
    vouched: int = 100
    """Members without an endpoint that are listed on one peer's word (M8). A guess."""
    trees: int = 1_000
    """Origins whose trees are remembered, for each link (S3); what others write is flooded."""
    prunes: int = 20_000
    """Links left out of trees, of all links (S3); 73 bytes each."""
    body: int = 16_777_216
    """Bytes of an answer over HTTP, like the largest frame of a plain peer (A4)."""
    ties: int = 1_000
    """Ties remembered until they are repaired (E3); what is forgotten is seen again."""
    links: int = 1_024
    """Connections held at once, strangers included: many times what a cluster of any size needs."""
    outbox_entries: int = 50_000
    """Entries waiting for one blocked link; beyond it the link is closed as a slow reader (S5)."""
    outbox_bytes: int = 16_777_216
    """Bytes waiting for one blocked link, likewise."""
    blocked_for: float = 30.0
    """Seconds that a link may stay blocked before it is closed as a slow reader (S5)."""
    pending_writes: int = 10_000
    """Local writes waiting for their commit; beyond it a write is refused as `overloaded`."""
    frames_per_second: int = 50_000
    """Default rate per link (section 10); over it for `over_rate_for` seconds is a fault."""
    bytes_per_second: int = 33_554_432
    """Likewise, in bytes."""
    over_rate_for: float = 10.0
    """Seconds (R2)."""
    faults: int = 20
    """Frame faults before a link is closed (R2). A guess: more than a glitch, less than a flood."""
    slice_entries: int = 500
    """Entries applied before others get a turn (S5)."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are, whom we know, how often we speak."""

    node_id: str
    public_key: str
    gossip_endpoint: str | None
    """Our `ws(s)://host:port/ws`; None behind NAT: nobody dials us (M8)."""
    api_endpoint: str
    region: str = "local"
    """What plain peers say."""
    capabilities: tuple[str, ...] = ("gx1",)
    """`gx1` marks an extended peer (W3)."""
    software_version: str = "1.0.0"
    """What plain peers say in `version` of their node information."""
    bootstrap: tuple[str, ...] = ()
    """URLs to dial first; retried for ever (M7)."""

    interval: float = 5.0
    """`GOSSIP_INTERVAL`: between rounds (S4). Smaller repairs sooner, for more traffic."""
    fanout: int = 3
    """`GOSSIP_FANOUT`: links per round (S4)."""
    max_ttl: int = 5
    """`GOSSIP_MAX_TTL`: hops; larger ones are clamped to it (R4)."""
    heartbeat_interval: float = 10.0
    """`GOSSIP_HEARTBEAT_INTERVAL`. A link silent for three of them is dead (L3)."""
    suspicion_timeout: float = 30.0
    """`GOSSIP_SUSPICION_TIMEOUT`: silence after which a member is suspected (M3)."""
    cleanup_timeout: float = 60.0
    """`GOSSIP_CLEANUP_TIMEOUT`: silence after which a suspected member is removed (M3)."""
    probe_interval: float = 1.0
    """`GOSSIP_PROBE_INTERVAL`: one silent member is asked each time (M4). It has half of this to
    answer, or more where answers are late, and helpers have as long again."""
    max_message_history: int = 1_000
    """`GOSSIP_MAX_MESSAGE_HISTORY`: ids of data messages remembered (R3)."""
    max_clock_skew: float = 86_400.0
    """`GOSSIP_MAX_CLOCK_SKEW`: versions further ahead of our clock are set aside (E4)."""

    tombstone_grace: float = 86_400.0
    """`GOSSIP_TOMBSTONE_GRACE`: tombstones are kept for so long whatever their number (E5)."""
    tombstone_look: float = 3_600.0
    """Seconds between two looks whether there are too many old ones. A guess: a look takes 0.1 s
    for a million entries."""

    batch_delay: float = 0.003
    """Writes of the same few milliseconds travel as one array (S1). Measured: below the commit."""
    dial_backoff: float = 0.25
    """First upper bound of the wait before a redial, doubled each time, with full jitter (M7)."""
    dial_backoff_max: float = 5.0
    """Last upper bound, for the whole cluster: a node alone waits so long, one of N waits N times
    that, up to `dialing.LONGEST_WAIT` (M7). A late bootstrap peer is found within it."""
    dial_burst: int = 20
    """Dials of names that we only heard of, at once (L4)."""
    dial_rate: float = 2.0
    """Such dials a second after the burst (L4)."""
    dial_parallel: int = 4
    """Such dials under way at once (L4)."""
    dial_queue: int = 1_000
    """Names waiting to be dialed; the oldest make room (L4)."""
    mention_again: float = 10.0
    """Seconds in which a removed id that others mention is dialed once (M3). A guess: a healed
    network merges by such mentions, so it must be well below half a minute."""
    hearsay_delay: float = 1.0
    """Seconds after which we dial a member that we heard of; a newcomer dials at once, so that
    two ends seldom dial each other (L4)."""
    mesh: int = 16
    """Members up to which everybody links to all others (L1)."""
    rewire_interval: float = 30.0
    """Seconds, about, after which one link is exchanged for another (L1). A guess: a tenth of the
    probes that find who fails."""
    news_delay: float = 0.02
    """Seconds that news waits for company before it goes out (M5)."""
    refute_again: float = 1.0
    """Seconds from one refutation to the next: whoever accuses us costs no more (M1). A guess."""
    lost_for: float = 86_400.0
    """Seconds for which lost members are dialed again (M7)."""
    plain_silence: float = 1.0
    """Seconds for a plain peer to send its state or its id by itself before we ask (R1, A4)."""
    plain_wait: float = 30.0
    """Seconds between two pulls of a plain peer, doubled while they bring nothing (A4)."""
    plain_wait_max: float = 600.0
    """The longest such wait (A4)."""
    plain_wait_cost: float = 50.0
    """The wait is at least so many times as long as the last pull took (A4)."""
    expiry_grace: float = 60.0
    """Seconds after an expiry that other nodes leave its tombstone to the origin (E6)."""
    tie_repairs: int = 3
    """Repairs of ties an hour for each key (E3)."""
    pull_timeout: float = 5.0
    """Seconds without a page after which a pull is given up (A2)."""
    pull_longest: float = 300.0
    """Seconds after which a pull makes room for another, and goes on there later."""
    held_wait: float = 600.0
    """Seconds until a peer is offered again what it did not take, doubled each time (A1)."""
    held_wait_max: float = 86_400.0
    """The longest such wait. A guess: once a day costs nothing."""
    answer_again: float = 30.0
    """Seconds before a plain id is sent the whole state again (W4: at most twice a minute)."""
    skew_reported: float = 1.0
    """Median skew to peers that is a health reason (E4)."""

    limits: Limits = Limits()
