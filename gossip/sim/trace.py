"""What happened, as one number: two runs with the same trace took the same course."""

from collections import deque
from hashlib import blake2b

from gossip.core.events import Event, FrameReceived


class Trace:
    """Folds every event that any node was given into a digest, and keeps the latest as text."""

    def __init__(self, keep: int = 0) -> None:
        """`keep`: how many of the latest events to remember as text; frames make it slow."""
        self.events = 0
        self.latest: deque[str] = deque(maxlen=keep)
        self._hash = blake2b(digest_size=16)

    def record(self, time: float, host: str, event: Event) -> None:
        """Take note that this host was given this event at this virtual time."""
        self.events += 1
        update = self._hash.update
        if type(event) is FrameReceived:
            # The one frequent event, spelled out: a repr of each frame would cost more than it is.
            update(f"{time!r} {host} frame {event.link} ".encode())
            update(event.data if isinstance(event.data, bytes) else event.data.encode())
        else:
            update(f"{time!r} {host} {event!r}".encode())
        if self.latest.maxlen:
            self.latest.append(f"{time:10.4f} {host} {event!r}")

    @property
    def digest(self) -> str:
        """Hex digest of all events so far."""
        return self._hash.hexdigest()
