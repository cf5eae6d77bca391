"""The life of a web process, which accepts peers and clients and has the worker do the rest."""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Final

from gossip.conf import NodeSettings
from gossip.relay.edge import Edge
from gossip.relay.layer import NO_WORKER
from gossip.relay.shared_port import SharedPort
from gossip.relay.web_side import WebSide
from gossip.runtime import serving
from gossip.runtime.ports import Hub, NodePort, Unavailable
from gossip.runtime.tasks import cancel, raise_failure
from gossip.scaled.connections import connected
from gossip.stores.view import ViewReader

WAIT_FOR_WORKER: Final = 2.0
"""Seconds that a web process waits for its worker before it takes requests."""


class WebLaunch:
    """The life of a web process: a `Lifecycle`, and what `gossip.runtime.serving` finds."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._held = AsyncExitStack()
        self._conditions: dict[str, None] = {}
        self._port: SharedPort | None = None
        self._side: WebSide | None = None
        self._listening: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Make ready, and wait a moment for the worker: who comes first should not be refused.

        Where it does not come, for want of a worker or of Redis, the process serves without it.
        """
        settings = self._settings
        redis, layer = await self._held.enter_async_context(connected(settings))
        edge = Edge(settings.max_message_history, settings.cleanup_timeout / 1000)
        self._side = WebSide(layer, edge)
        self._port = SharedPort(
            ViewReader(redis, settings.redis_prefix), self._side, self._conditions.keys()
        )
        self._listening = asyncio.create_task(self._side.run(), name="relay")
        with suppress(Unavailable):
            await self._find_worker(WAIT_FOR_WORKER)

    async def begin(self) -> None:
        """The port is bound."""
        serving.register(self)

    async def attach(self, within: float) -> None:
        """Prepare and begin at once, with a worker. Raises `Unavailable`."""
        await self.prepare()
        await self.begin()
        await self._find_worker(within)

    async def _find_worker(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self._prepared.wait_for_worker()
        except TimeoutError:
            raise Unavailable(NO_WORKER) from None

    async def wait_failed(self) -> None:
        """Return when this process cannot go on."""
        if self._listening is not None:
            await asyncio.wait((self._listening,))
            raise_failure(self._listening)

    async def finish(self) -> None:
        """Tell the worker that the links close, and let go of everything. From any state."""
        serving.unregister(self)
        if self._side is not None:
            await self._side.stop()
        if self._listening is not None:
            await cancel(self._listening)
        await self._held.aclose()

    @property
    def port(self) -> NodePort:
        """What services ask. Once prepared."""
        if self._port is None:
            raise RuntimeError("the web process is not prepared")
        return self._port

    @property
    def hub(self) -> Hub:
        """Where transports bring their connections. Once prepared."""
        return self._prepared

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong around the node, for people."""
        return (*self._conditions, *self._prepared.reasons)

    def add_reason(self, reason: str) -> None:
        """Have health name something that will not change while the process lives."""
        self._conditions[reason] = None

    @property
    def _prepared(self) -> WebSide:
        if self._side is None:
            raise RuntimeError("the web process is not prepared")
        return self._side
