"""What a server starts and stops together with itself."""

from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol


class Lifecycle(Protocol):
    """The node behind a server. The calls come in this order, all in one event loop."""

    async def prepare(self) -> None:
        """Do everything that may fail or take time before the port is bound.

        Raises `ConfigurationError` with one line for the operator.
        """

    async def begin(self) -> None:
        """The port is bound: speak to peers."""

    async def wait_failed(self) -> None:
        """Return when the node cannot go on by itself; never otherwise.

        Where it is no defect of ours, raises a `GossipError` with one line for the operator.
        """

    async def finish(self) -> None:
        """Leave the cluster, close the links, flush the journal, release what `prepare` took.

        Also called when a start was broken off, however far it came. Ends within five seconds.
        """


class Accompanied:
    """A lifecycle with something beside it, from before its start until after its end."""

    def __init__(self, lifecycle: Lifecycle, beside: AbstractAsyncContextManager[None]) -> None:
        self._lifecycle = lifecycle
        self._beside = beside
        self._held = AsyncExitStack()

    async def prepare(self) -> None:
        await self._held.enter_async_context(self._beside)
        await self._lifecycle.prepare()

    async def begin(self) -> None:
        await self._lifecycle.begin()

    async def wait_failed(self) -> None:
        await self._lifecycle.wait_failed()

    async def finish(self) -> None:
        try:
            await self._lifecycle.finish()
        finally:
            await self._held.aclose()
