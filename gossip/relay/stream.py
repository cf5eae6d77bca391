"""One end of a reliable, ordered stream of items over a channel layer, which may lose messages.

Theory of operation. Items are written into a stream of bytes, each behind its length, and the
bytes are cut into segments of at most `SEGMENT`: so several small items share one message of the
layer, and one large item takes several. Each end numbers its segments and keeps them until the
other has acknowledged them; where no acknowledgement makes progress for `RESEND` seconds, it sends
the oldest again, and the others behind it (go-back-N) once that is acknowledged: an end that hangs
is not flooded. The receiver takes segments in order and drops what comes out of order or twice. A
message that the layer lost thus costs time and no more.

What is kept is bounded: a stream is `full` with `WINDOW` bytes, and who writes waits then. One item
is always taken, however large.

Both ends tell each other once in `KEEPALIVE` seconds that they are there. Nothing here does I/O or
reads a clock: `Connection` does.
"""

from collections import deque

import msgspec

from gossip.runtime.websocket import MESSAGE_LIMIT

SEGMENT = 65_536
"""Bytes in one message of the layer."""
WINDOW = 1_048_576
"""Bytes that wait for an acknowledgement before writers have to: some 10 ms of a fast layer, and
all that one web process can make a worker keep."""
RESEND = 0.25
"""Seconds without progress before what is not acknowledged is sent again: a hundred times what a
message takes on an idle layer, and less than a peer's patience."""
ACKNOWLEDGE = 0.02
"""Seconds that an acknowledgement waits for something to travel with."""
ACKNOWLEDGE_SIZE = WINDOW // 4
"""Bytes taken after which it waits no longer."""
KEEPALIVE = 1.0
"""Seconds of silence after which an end says that it is there."""
LONGEST_ITEM = MESSAGE_LIMIT + 1_024
"""Bytes: the largest frame that a peer may send, and what is said about it."""

_LENGTH = 4


class Packet(msgspec.Struct, frozen=True, array_like=True):
    """One message of the layer."""

    stream: str
    """Which stream: a name that nobody used before."""
    reply_to: str
    """The channel on which its sender listens."""
    number: int
    """Of the segment, from 1; 0 where it carries none."""
    acknowledged: int
    """The number of the last segment that its sender took."""
    data: bytes = b""


class StreamBroken(Exception):
    """What came cannot have been sent by the other end of this stream."""


class Stream:
    """One end. `now` is monotonic seconds throughout."""

    def __init__(self, name: str, reply_to: str, now: float) -> None:
        self.name = name
        self.heard = now
        """When something came last."""
        self.resent = 0
        """Segments sent more than once."""
        self.dropped = 0
        """Segments that came out of order or twice."""
        self._reply_to = reply_to
        self._unsent = bytearray()
        self._kept: deque[bytes] = deque()
        """Segments that are not acknowledged."""
        self._kept_size = 0
        self._oldest = 1
        """The number of the first of them."""
        self._next = 1
        """The number of the segment to be sent next."""
        self._sent = 0
        """The number of the last segment that was ever sent."""
        self._probing = False
        """Whether the oldest segment was sent again and is to be acknowledged before others go."""
        self._progress = now
        """When the last acknowledgement came, or the first segment after a pause went."""
        self._taken = 0
        """The number of the last segment taken."""
        self._owed = 0
        """Bytes taken and not acknowledged."""
        self._owed_by = float("inf")
        self._spoke = now
        self._incoming = bytearray()

    def write(self, item: bytes) -> None:
        """Append one item."""
        self._unsent += len(item).to_bytes(_LENGTH)
        self._unsent += item

    @property
    def waiting(self) -> int:
        """Bytes written and not acknowledged."""
        return len(self._unsent) + self._kept_size

    @property
    def full(self) -> bool:
        """Whether writers should wait."""
        return self.waiting >= WINDOW

    def next_packet(self, now: float) -> Packet | None:
        """What to send now; None where there is nothing before `due`."""
        if self._next > self._oldest and now - self._progress >= RESEND:
            self.rewind(now)
        if (segment := self._next_segment()) is not None:
            if self._next == self._oldest:
                self._progress = now
            number = self._next
            self._next += 1
            self.resent += number <= self._sent
            self._sent = max(self._sent, number)
            return self._packet(now, number, segment)
        if now >= self._owed_by or now - self._spoke >= KEEPALIVE:
            return self._packet(now, 0, b"")
        return None

    def due(self) -> float:
        """When `next_packet` should be asked again, unless something is written or comes."""
        resend = self._progress + RESEND if self._next > self._oldest else float("inf")
        return min(self._owed_by, self._spoke + KEEPALIVE, resend)

    def rewind(self, now: float) -> None:
        """Send again what is not acknowledged: the layer failed, or was silent for too long."""
        self._next = self._oldest
        self._probing = bool(self._kept)
        self._progress = now

    def received(self, packet: Packet, now: float) -> list[bytes]:
        """Take a packet; return the items that it completes. Raises `StreamBroken`."""
        self.heard = now
        self._acknowledged(packet.acknowledged, now)
        if packet.number == self._taken + 1:
            self._taken += 1
            self._owe(len(packet.data), now)
            self._incoming += packet.data
        elif packet.number:
            self.dropped += 1
            self._owed_by = now
        return self._complete()

    def _next_segment(self) -> bytes | None:
        """What is to be sent next, if anything."""
        if self._probing and self._next > self._oldest:
            return None
        if self._next == self._oldest + len(self._kept):
            if not self._unsent or self._kept_size >= WINDOW:
                return None
            self._cut()
        return self._kept[self._next - self._oldest]

    def _cut(self) -> None:
        segment = bytes(self._unsent[:SEGMENT])
        del self._unsent[:SEGMENT]
        self._kept.append(segment)
        self._kept_size += len(segment)

    def _packet(self, now: float, number: int, data: bytes) -> Packet:
        self._spoke = now
        self._owed, self._owed_by = 0, float("inf")
        return Packet(self.name, self._reply_to, number, self._taken, data)

    def _acknowledged(self, number: int, now: float) -> None:
        if number > self._sent:
            raise StreamBroken("an acknowledgement of what was never sent")
        while self._oldest <= number:
            self._kept_size -= len(self._kept.popleft())
            self._oldest += 1
            self._progress = now
            self._probing = False
        self._next = max(self._next, self._oldest)

    def _owe(self, size: int, now: float) -> None:
        self._owed += size
        wait = 0.0 if self._owed >= ACKNOWLEDGE_SIZE else ACKNOWLEDGE
        self._owed_by = min(self._owed_by, now + wait)

    def _complete(self) -> list[bytes]:
        buffer, start = self._incoming, 0
        items = []
        while len(buffer) - start >= _LENGTH:
            size = int.from_bytes(buffer[start : start + _LENGTH])
            if size > LONGEST_ITEM:
                raise StreamBroken(f"an item of {size} bytes")
            end = start + _LENGTH + size
            if len(buffer) < end:
                break
            items.append(bytes(buffer[start + _LENGTH : end]))
            start = end
        del buffer[:start]
        return items
