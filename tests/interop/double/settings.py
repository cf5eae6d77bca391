"""What a double is told: its timers, its quirks, and who it is."""

from dataclasses import astuple, dataclass, field


@dataclass(frozen=True)
class Timers:
    """Seconds. The defaults are those of the deployed nodes."""

    interval: float = 5.0
    heartbeat: float = 10.0
    suspicion: float = 30.0
    cleanup: float = 60.0
    """Both the period of the cleanup and the age at which it removes."""
    dial_back: float = 1.0
    dial_learned: float = 2.0
    redial: float = 30.0

    def scaled(self, factor: float) -> "Timers":
        """All multiplied by one factor: `Timers().scaled(1 / 50)` runs fifty times faster."""
        return Timers(*(seconds * factor for seconds in astuple(self)))


@dataclass(frozen=True)
class Quirks:
    """One switch for each habit that a reasonable peer would not have. True: as observed."""

    writes_wait_for_the_draw: bool = True
    """A local write sends nothing; off: it goes to every connection at once."""
    known_ids_get_no_sync: bool = True
    """Off: every direct `join` is answered with the state."""
    never_joins_in_answer: bool = True
    """Off: a `join` on a socket that came in is answered with its own `join` first."""
    dials_without_looking: bool = True
    """Off: nobody is dialed whose endpoint is mapped already."""
    dials_every_name: bool = True
    """Off: of one discovery at most sixteen are dialed."""
    unmaps_by_url: bool = True
    """A dialed socket that closes, or never opens, unmaps its URL whichever socket stands there;
    off: only itself."""
    bootstraps_only_alone: bool = True
    """Off: a bootstrap peer without a mapped connection is redialed like any other."""
    remembers_bad_messages: bool = True
    """Off: the id of a message of unknown type or wrong shape does not enter the history."""
    ages_history_by_sender: bool = True
    """Off: the history is aged by the time of arrival."""
    trusts_ttl: bool = True
    """Off: only an integer counts, and as no more than the maximum."""
    forwards_unknown_types: bool = True
    takes_any_version: bool = True
    """Off: a version is an integer in 1 … 2^53 − 1."""
    ignores_ties: bool = True
    """Off: of equal versions the greater JSON text stays."""
    stores_undefined: bool = True
    """Off: an entry without `value` is ignored."""
    writes_without_looking: bool = True
    """Off: an own write takes at least the stored version + 1."""
    believes_from: bool = True
    """Off: `heartbeat` and `leave` count only on a socket on which that id joined."""
    dies_of_bad_endpoints: bool = True
    """Off: an endpoint that cannot be dialed is left alone."""
    dies_of_deep_values: bool = True
    """Off: what is nested too deep is ignored. A value 100,000 deep kills the deployed nodes;
    where exactly that begins is not known, and here it begins where Python's parser gives up."""
    ends_without_leave: bool = True
    """Off: a double that is stopped sends `leave` and closes its sockets."""
    missing_key_is_200: bool = True
    """Off: a missing key is a 404."""


@dataclass(frozen=True)
class Settings:
    """One double. `port` 0 takes a free one."""

    node_id: str
    host: str = "127.0.0.1"
    port: int = 0
    bootstrap: tuple[str, ...] = ()
    public_key: str = "0xpub"
    gossip_endpoint: str | None = None
    """What it says of itself; None: the address it listens on. Another one plays a NAT."""
    fanout: int = 3
    max_ttl: int = 5
    max_message_history: int = 1_000
    timers: Timers = field(default_factory=Timers)
    quirks: Quirks = field(default_factory=Quirks)
    seed: int | None = None
