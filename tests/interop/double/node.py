"""What a plain peer holds: the parts that its messages, its timers and its HTTP side share."""

import random
from collections import Counter
from dataclasses import dataclass, field

from tests.interop.double.connections import Connections
from tests.interop.double.history import History
from tests.interop.double.peers import Peer, Peers
from tests.interop.double.settings import Settings
from tests.interop.double.state import State

KINDS = frozenset({"join", "leave", "gossip", "sync", "heartbeat"})


@dataclass
class Stats:
    """What it sent and received on WebSockets, by message type; other types under `other`."""

    sent: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    bytes_sent: int = 0
    bytes_received: int = 0
    rounds: int = 0
    last_gossip: int | None = None
    dials: int = 0


class Node:
    """One plain peer without its network."""

    def __init__(self, settings: Settings, me: Peer) -> None:
        self.settings = settings
        self.me = me
        self.rng = random.Random(settings.seed)
        self.state = State(settings.quirks)
        self.peers = Peers()
        self.connections = Connections(settings.quirks)
        max_age = settings.timers.cleanup * 1_000
        self.history = History(settings.max_message_history, max_age)
        self.stats = Stats()

    def check_liveness(self, now: int) -> None:
        """The part of a heartbeat tick that suspects."""
        self.peers.suspect(now, self.settings.timers.suspicion * 1_000)

    def clean(self, now: int) -> None:
        """Each cleanup interval."""
        self.peers.clean(now, self.settings.timers.cleanup * 1_000)


def kind_of(message_type: object) -> str:
    """The name under which a message type is counted."""
    return message_type if isinstance(message_type, str) and message_type in KINDS else "other"
