"""What happens, as it happens."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from gossip.runtime.feed import WatchCounts
from gossip.runtime.watch import ChangeKind, Interest, Watch
from gossip.services.asking import read, serving_port


@asynccontextmanager
async def watch(
    *,
    kinds: Collection[ChangeKind] = frozenset(ChangeKind),
    prefix: str = "",
    after: str | None = None,
) -> AsyncIterator[Watch]:
    """Watch what happens to the data and the members, from entering the context on.

        async with services.watch(prefix="config/") as changes:
            async for entry in services.aentries(prefix="config/"):
                apply(entry)
            async for change in changes:
                print(change.kind, change.subject, change.entry)

    `prefix` narrows the keys, not the members. `after` is the id of the last change that is known
    already: if `resumed` is false then, some may be missing in between. Iterating ends when the
    node stops, and raises `WatchEnded` where 1 MiB waits that was not read: look at everything
    again then. In whichever event loop. Raises `WatchRefused`, `Unavailable` and `NoEngine`.
    """
    port, reader = serving_port(), asyncio.get_running_loop()
    interest = Interest(frozenset(kinds), prefix)
    watching = await read(port, port.watch(interest, after, reader))
    try:
        yield watching
    finally:
        watching.close()


def watch_counts() -> WatchCounts:
    """How many watch, and how many could not. From any thread or event loop."""
    return serving_port().watch_counts
