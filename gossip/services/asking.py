"""How a caller reaches the node, which answers in an event loop of its own.

in the node's loop       the coroutine is awaited: no task, no future
in another event loop    it runs in the node's, and its answer is awaited
in a thread              likewise, and its answer is waited for
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gossip.core.errors import GossipError, WriteUnanswered
from gossip.runtime import serving
from gossip.runtime.ports import NodePort, Unavailable
from gossip.services.errors import NoEngine

TIMEOUT = 10.0
"""Seconds. A commit takes milliseconds, a read less; who waits longer had better ask again."""

T = TypeVar("T")


def serving_port() -> NodePort:
    """The port of the node that serves in this process. Raises `NoEngine`."""
    found = serving.running()
    if found is None:
        raise NoEngine
    return found.port


def read(port: NodePort, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """Await this to get what a coroutine of the port returns, from whichever event loop.

    Raises what that raises, and `Unavailable` where the node's loop does not get to it.
    """
    if asyncio.get_running_loop() is port.loop:
        return work
    return _within(port, work, Unavailable)


def write(port: NodePort, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """Likewise for what changes anything. Raises `WriteUnanswered` where it takes too long."""
    return _within(port, work, WriteUnanswered)


def wait(
    instead: str,
    work: Callable[[], Coroutine[Any, Any, T]],
    late: Callable[[str], GossipError] = Unavailable,
) -> T:
    """Wait in a thread for what this coroutine returns in the node's event loop.

    Raises what it raises, `late` where it takes too long, `NoEngine`, and `RuntimeError` in the
    node's own loop, where waiting would stop the very node that it waits for; `instead` names what
    to await there.
    """
    port = serving_port()
    if _running_loop() is port.loop:
        raise RuntimeError(f"in the node's event loop, await {instead}() instead")
    answer = asyncio.run_coroutine_threadsafe(work(), port.loop)
    try:
        return answer.result(TIMEOUT)
    except TimeoutError:
        answer.cancel()
        raise late(_too_late()) from None


async def _within(
    port: NodePort, work: Coroutine[Any, Any, T], late: Callable[[str], GossipError]
) -> T:
    try:
        async with asyncio.timeout(TIMEOUT):
            if asyncio.get_running_loop() is port.loop:
                return await work
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, port.loop))
    except TimeoutError:
        raise late(_too_late()) from None


def _too_late() -> str:
    return f"the node did not answer within {TIMEOUT:g} s"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
