"""For programs that serve nothing and use the node: a job, a command, a shell."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gossip.conf import NodeSettings
from gossip.scaled.web import WebLaunch

FIND_WITHIN: Final = 5.0
"""Seconds to find a worker, which says at once that it is there."""


@contextmanager
def attached(settings: NodeSettings, *, within: float = FIND_WITHIN) -> Iterator[None]:
    """Let `gossip.services` of this process ask the node: for programs that serve nothing.

        with attached(settings.GOSSIP):
            services.set("jobs/last", job.id)

    A thread runs what asks. Raises `ConfigurationError`, and `Unavailable` where no worker is found
    `within` seconds.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gossip", daemon=True)
    thread.start()
    launch = WebLaunch(settings)
    try:
        asyncio.run_coroutine_threadsafe(launch.attach(within), loop).result()
        yield
    finally:
        asyncio.run_coroutine_threadsafe(launch.finish(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
