"""A lifecycle without a server: what has no port runs in here."""

import asyncio
import signal
import sys
from typing import Final

from gossip.core.errors import GossipError
from gossip.runtime import memory
from gossip.runtime.lifecycle import Lifecycle
from gossip.runtime.tasks import cancel

FINISH_WITHIN: Final = 4.5
"""Seconds for a stop, of the five that it may take."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def run(lifecycle: Lifecycle) -> int:
    """Live until SIGTERM, SIGINT or a failure; return the exit code.

    Where it is not 0, one line on standard error says why. SIGINT kills after the first signal;
    SIGTERM does not, since whoever ends a group of processes may send it twice.
    """
    return asyncio.run(_run(lifecycle))


async def _run(lifecycle: Lifecycle) -> int:
    living = asyncio.create_task(_live(lifecycle))
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        told.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait((living, waiting), return_when=asyncio.FIRST_COMPLETED)
    await cancel(living, waiting)
    line = None
    try:
        line = None if living.cancelled() else living.result()
    except GossipError as error:
        line = str(error)
    finally:
        line = await _finish(lifecycle) or line
    if line is not None:
        sys.stderr.write(f"gossipnode: {line}\n")
    return 0 if line is None else 1


async def _live(lifecycle: Lifecycle) -> str:
    await lifecycle.prepare()
    memory.freeze()
    await lifecycle.begin()
    await lifecycle.wait_failed()
    return "the node failed and is stopped; the log says why"


async def _finish(lifecycle: Lifecycle) -> str | None:
    try:
        async with asyncio.timeout(FINISH_WITHIN):
            await lifecycle.finish()
    except TimeoutError:
        return f"the node did not stop within {FINISH_WITHIN:g} seconds"
    return None
