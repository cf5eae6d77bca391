"""One end of a stream, driven by the event loop and a channel layer."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from gossip.relay.stream import Packet, Stream
from gossip.runtime.tasks import report_failure
from gossip.runtime.vitals import LayerCounts

SILENCE = 5.0
"""Seconds without a word after which the other end is gone: five times that it should have said
that it is there. A worker that was replaced is known sooner, by its successor."""
PAUSE = 0.1
"""Seconds before a layer that failed is tried again."""

Transmit = Callable[[Packet], Awaitable[None]]
"""Sends a packet to the other end. Raises `OSError` where the layer fails."""


class Connection:
    """Sends what is written, and hands over what comes, until either end is gone.

    In the event loop, `take` is called with each item, in order; `roomy` when there is room again
    after the stream was full; `ended` once, when the other end is gone.
    """

    def __init__(
        self,
        name: str,
        reply_to: str,
        transmit: Transmit,
        take: Callable[[bytes], None],
        ended: Callable[[], None],
        roomy: Callable[[], None] = lambda: None,
    ) -> None:
        self._failures = 0
        """How often the layer refused a packet."""
        self.open = True
        """Whether what is written may still arrive."""
        self._stream = Stream(name, reply_to, monotonic())
        self._transmit = transmit
        self._take = take
        self._tell_ended = ended
        self._tell_roomy = roomy
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._pump = asyncio.create_task(self._run())
        self._pump.add_done_callback(self._pump_ended)

    @property
    def name(self) -> str:
        return self._stream.name

    @property
    def heard(self) -> float:
        """Monotonic seconds when something came from the other end last."""
        return self._stream.heard

    @property
    def counts(self) -> LayerCounts:
        """What the layer did to this end."""
        return LayerCounts(self._stream.resent, self._stream.dropped, self._failures)

    @property
    def full(self) -> bool:
        """Whether writers should wait for `room`."""
        return self._stream.full

    def write(self, item: bytes) -> None:
        """Send an item behind those before; nothing happens once the connection has ended."""
        if self.open:
            self._stream.write(item)
            self._wake.set()

    async def room(self) -> None:
        """Return once there is room for more, or nobody to take it."""
        await self._until(lambda: not self._stream.full)

    async def flush(self) -> None:
        """Return once everything is acknowledged, or nobody is there who would."""
        await self._until(lambda: not self._stream.waiting)

    def received(self, packet: Packet) -> None:
        """Take a packet from the layer. Raises what `take` and `Stream.received` raise."""
        was_full = self._stream.full
        for item in self._stream.received(packet, monotonic()):
            self._take(item)
        self._moved.set()
        self._wake.set()
        if was_full and not self._stream.full:
            self._tell_roomy()

    def close(self) -> None:
        """Send nothing more. The other end learns of it by silence, or is told by other means."""
        self.open = False
        self._moved.set()
        self._pump.cancel()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while self.open and not condition():
            self._moved.clear()
            await self._moved.wait()

    async def _run(self) -> None:
        while (now := monotonic()) - self._stream.heard < SILENCE:
            packet = self._stream.next_packet(now)
            if packet is None:
                await self._sleep(self._stream.due() - now)
                continue
            try:
                await self._transmit(packet)
            except OSError:
                self._failures += 1
                await asyncio.sleep(PAUSE)
                self._stream.rewind(monotonic())

    async def _sleep(self, seconds: float) -> None:
        timer = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        await self._wake.wait()
        self._wake.clear()
        timer.cancel()

    def _pump_ended(self, task: asyncio.Task[None]) -> None:
        self.open = False
        self._moved.set()
        if not task.cancelled():
            report_failure(task)
            self._tell_ended()
