"""A channel layer in memory, whose messages a test may lose, double or hold."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

Message = dict[str, Any]


class MemoryLayer:
    """Implements `gossip.relay.layer.Backend` within one event loop."""

    def __init__(self) -> None:
        self.copies: Callable[[str, Message], int] = lambda _channel, _message: 1
        """How often a message arrives."""
        self.failing = False
        """Whether sending raises."""
        self.hanging = False
        """Whether sending takes for ever."""
        self.sent = 0
        self._numbers = count(1)
        self._channels: dict[str, asyncio.Queue[Message]] = {}
        self._groups: dict[str, set[str]] = {}

    async def new_channel(self) -> str:
        if self.failing:
            raise ConnectionError("the layer is away")
        name = f"channel.{next(self._numbers)}"
        self._channels[name] = asyncio.Queue()
        return name

    async def send(self, channel: str, message: Message) -> None:
        await asyncio.sleep(0)
        if self.hanging:
            await asyncio.Event().wait()
        if self.failing:
            raise ConnectionError("the layer is away")
        self.sent += 1
        for _ in range(self.copies(channel, message)):
            self.arrive(channel, message)

    def arrive(self, channel: str, message: Message) -> None:
        """Have a message come on a channel, if there is one."""
        if channel in self._channels:
            self._channels[channel].put_nowait(message)

    async def receive(self, channel: str) -> Message:
        return await self._channels[channel].get()

    async def group_add(self, group: str, channel: str) -> None:
        self._groups.setdefault(group, set()).add(channel)

    async def flush(self) -> None:
        self._channels.clear()
        self._groups.clear()

    async def group_send(self, group: str, message: Message) -> None:
        for channel in sorted(self._groups.get(group, ())):
            await self.send(channel, message)
