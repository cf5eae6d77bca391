"""One node as an ASGI application: requests, links, and the life between start and stop."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from gossip.asgi import Application, Receive, Scope, Send
from gossip.core.errors import GossipError
from gossip.runtime import memory, serving
from gossip.runtime.lifecycle import Lifecycle

_NOT_STARTED: Final = json.dumps(
    {
        "success": False,
        "message": "This server does not start the node: use `manage.py rungossip`, the `daphne`"
        " command, or a server with ASGI lifespan, such as uvicorn",
    }
).encode()


class NodeApplication:
    """The node for any ASGI server.

    With a server that has a lifespan, `on_lifespan` is called and `lifecycle` follows it. A server
    that walks the lifecycle by itself sets `hosted`. With any other there is no node, and requests
    are told so.
    """

    def __init__(
        self,
        http: Application,
        websocket: Application,
        lifecycle: Lifecycle,
        on_lifespan: Callable[[], None],
        drain_for: float = 0.0,
    ) -> None:
        """`drain_for`: seconds for which a server serves on after it was told to stop."""
        self._http = http
        self._websocket = websocket
        self._on_lifespan = on_lifespan
        self.lifecycle = lifecycle
        self.drain_for = drain_for
        self.hosted = False
        """Whether anybody starts the node."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan."""
        if scope["type"] == "lifespan":
            self.hosted = True
            self._on_lifespan()
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif self.hosted:
            await self._http(scope, receive, send)
        else:
            await _explain(send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.lifecycle.prepare()
            memory.freeze()
            await self.lifecycle.begin()
        except Exception as error:
            await self.lifecycle.finish()
            # Said for a defect too: a server might go on without us where nothing was said.
            await send({"type": "lifespan.startup.failed", "message": f"gossipnode: {error}"})
            if isinstance(error, GossipError):
                return
            raise
        await send({"type": "lifespan.startup.complete"})
        with _leaving_first(self.lifecycle, self.drain_for), _stopped_by_failure(self.lifecycle):
            await receive()
        await self.lifecycle.finish()
        await send({"type": "lifespan.shutdown.complete"})


@contextmanager
def _leaving_first(lifecycle: Lifecycle, drain_for: float) -> Iterator[None]:
    """Let the node finish before the server hears of a signal.

    Servers close every connection before the lifespan ends: nobody would hear our `leave`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    theirs = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    finishing: list[asyncio.Task[None]] = []
    ended = False

    async def finish(number: int) -> None:
        try:
            if drain_for:
                await serving.drain(drain_for)
            await lifecycle.finish()
        finally:
            # Else the server stopped without waiting for us, and has put other handlers there.
            if not ended:
                signal.signal(signal.SIGTERM, theirs[signal.SIGTERM])
                signal.raise_signal(number)

    def leave(number: int, _frame: FrameType | None) -> None:
        # Whoever ends a group of processes may send SIGTERM twice.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, theirs[signal.SIGINT])
        loop.call_soon_threadsafe(lambda: finishing.append(loop.create_task(finish(number))))

    for number in theirs:
        signal.signal(number, leave)
    try:
        yield
    finally:
        ended = True
        for number, handler in theirs.items():
            signal.signal(number, handler)


@contextmanager
def _stopped_by_failure(lifecycle: Lifecycle) -> Iterator[None]:
    """End the process by a signal when the node cannot go on."""

    async def watch() -> None:
        try:
            await lifecycle.wait_failed()
        except GossipError as error:
            sys.stderr.write(f"gossipnode: {error}\n")
        os.kill(os.getpid(), signal.SIGTERM)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


async def _explain(send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(_NOT_STARTED)),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _NOT_STARTED})
