"""Changes at the worker, told on to those who watch at a web process.

Theory of operation. The first who watches has the worker asked for changes; it says where they
begin, and from then on the feed here records what the feed there does. Once nobody has watched for
a while the worker is told to stop. A lost worker ends all watches: what happened until the next one
is there, nobody here knows.
"""

import asyncio
from collections.abc import Callable

from gossip.relay import items
from gossip.relay.layer import NO_WORKER
from gossip.runtime.feed import Feed
from gossip.runtime.ports import Unavailable
from gossip.runtime.watch import WatchEnded, WatchRefused


class WebFeed:
    """The feed of a web process."""

    def __init__(self, write: Callable[[items.Item], bool]) -> None:
        """`write` sends an item to the worker; False where there is none."""
        self._write = write
        self._feed = Feed(forgotten=self._stop_following)
        self._following: asyncio.Future[None] | None = None
        """Done once the worker has said where the changes begin."""

    @property
    def feed(self) -> Feed:
        """What is told here, which may be nothing at present."""
        return self._feed

    async def followed(self) -> Feed:
        """The feed, once it records what happens at the worker.

        Raises `WatchRefused`, and `Unavailable` where there is no worker.
        """
        if not self._feed.watched:
            await self._ask_for_changes()
        if not self._feed.watched:
            # Lost again before we had our turn: it would record nothing.
            raise WatchRefused("the worker was lost")
        return self._feed

    async def _ask_for_changes(self) -> None:
        if self._following is None:
            if not self._write(items.Watching(watched=True)):
                raise Unavailable(NO_WORKER)
            self._following = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._following)

    def follow(self, item: items.Following) -> None:
        """The worker says where the changes begin."""
        if self._following is None:
            return
        # At once: what follows in the same packet is told next.
        self._feed.follow(item.start)
        if not self._following.done():
            self._following.set_result(None)
        self._following = None

    def tell(self, item: items.Changes) -> None:
        """Changes at the worker."""
        for change in items.told(item):
            self._feed.told(change)

    def lose(self, why: str) -> None:
        """No more changes come, and some that happened may not have come."""
        self._feed.end(WatchEnded("lost", f"what happened may be lost: {why}"))
        if self._following is not None:
            if not self._following.done():
                self._following.set_exception(WatchRefused(why))
            self._following = None

    def _stop_following(self) -> None:
        self._write(items.Watching(watched=False))
