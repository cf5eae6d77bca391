"""Waiting for the peer, which stock Daphne never does: in both directions nothing may pile up.

Twisted tells a streaming producer when the write buffer of a socket passes 64 KiB and when it is
empty again; `WriteGate` turns that into something to await. What was received and not yet asked
for by the application waits in an `InputQueue`, which stops the socket from reading at its bound.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

STALLED: Final = 60.0
"""Seconds that a write may wait for a peer that reads nothing. The node closes its own links
earlier (S5); this is for everybody else. A guess: longer than any proxy's hiccup."""

HIGH_BYTES: Final = 1_048_576
"""Bytes waiting for the application beyond which the socket is not read."""
HIGH_MESSAGES: Final = 1_024
"""Messages waiting for the application beyond which the socket is not read. One read of the
socket may add up to 16 KiB of tiny frames, some 2,300, on top."""

Message = Mapping[str, Any]
"""An event of the ASGI specification."""


class WriteGate:
    """Open while the write buffer of one socket is short enough. A Twisted push producer."""

    def __init__(self, stalled: float = STALLED) -> None:
        self._stalled = stalled
        self._open = asyncio.Event()
        self._open.set()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The buffer is over its limit."""
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        """The buffer is empty."""
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802
        """The socket is gone: nobody needs to wait any longer."""
        self._open.set()

    @property
    def is_open(self) -> bool:
        """Whether there is room now."""
        return self._open.is_set()

    async def wait(self, give_up: Callable[[], None]) -> None:
        """Return once there is room or the socket is gone. `give_up` must close a stalled one."""
        if self._open.is_set():
            return
        try:
            async with asyncio.timeout(self._stalled):
                await self._open.wait()
        except TimeoutError:
            give_up()


class InputQueue:
    """Events on their way to one application, in order.

    `pause` and `resume` stop and restart the reading of the socket; each is called only after the
    other. Putting never fails and never waits: what a socket read before it was paused is kept.
    """

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume
        self._messages: deque[tuple[Message, int]] = deque()
        self._bytes = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None

    def put_nowait(self, message: Message) -> None:
        """Append an event."""
        payload = message.get("text") or message.get("bytes") or b""
        self._messages.append((message, len(payload)))
        self._bytes += len(payload)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if not self._paused and self._over(HIGH_MESSAGES, HIGH_BYTES):
            self._paused = True
            self._pause()

    async def get(self) -> Message:
        """Wait for the next event. One caller at a time, as ASGI has it."""
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message, size = self._messages.popleft()
        self._bytes -= size
        if self._paused and not self._over(HIGH_MESSAGES // 2, HIGH_BYTES // 2):
            self._paused = False
            self._resume()
        return message

    def _over(self, messages: int, size: int) -> bool:
        return len(self._messages) > messages or self._bytes > size
