"""Applications that are loaded at the first request for them: who never asks never pays."""

import asyncio
from collections.abc import Callable

from gossip.asgi import Application, Receive, Scope, Send


class Late:
    """Calls the application that `load` returns. `load` runs in a thread, once.

    What it raises goes to everybody who waits; the next request tries again.
    """

    def __init__(self, load: Callable[[], Application]) -> None:
        self._load = load
        self._loading: asyncio.Task[Application] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._loading is None or _failed(self._loading):
            self._loading = asyncio.create_task(asyncio.to_thread(self._load))
        # Shielded: others wait for the same.
        application = await asyncio.shield(self._loading)
        await application(scope, receive, send)


def _failed(loading: asyncio.Task[Application]) -> bool:
    return loading.done() and (loading.cancelled() or loading.exception() is not None)
