"""What a web process stops by itself: frames that nobody could read, and data that came before.

The node counts them as if they had come, against the rate and the patience that each link has (R2);
they do not travel.
"""

from gossip.core.config import Limits
from gossip.core.decoding import decode
from gossip.core.errors import EnvelopeFault, FrameFault
from gossip.core.messages import Entries, Join, Message
from gossip.core.spread import History
from gossip.relay import items
from gossip.relay.items import Frame

_LIMITS = Limits()


class Edge:
    """One web process, before the one worker that it serves."""

    def __init__(self, messages: int, keep: float) -> None:
        """Ids of so many messages are remembered, for `keep` seconds at most (R3)."""
        self._messages = messages
        self._keep = keep
        self._seen = History(messages, keep)

    def begin_anew(self) -> None:
        """The worker has seen nothing yet."""
        self._seen = History(self._messages, self._keep)

    def look(self, link: int, data: str | bytes, now: float) -> tuple[items.Item, Message | None]:
        """What to tell the worker of a frame, and the message in it if it can be read."""
        frame = Frame.of(data)
        size = len(frame.data)
        try:
            message = decode(data, _LIMITS)
        except FrameFault as fault:
            envelope = isinstance(fault, EnvelopeFault)
            return items.Stopped(link, size, fault.reason, in_envelope=envelope), None
        if isinstance(message.body, Entries) and message.id:
            self._seen.forget_old(now)
            if not self._seen.add(message.id, now):
                return items.Stopped(link, size, None, in_envelope=False), message
        return items.Received(link, frame), message


def joins(message: Message | None) -> str | None:
    """Who joins by this message, if somebody does."""
    return message.sender if message is not None and isinstance(message.body, Join) else None
