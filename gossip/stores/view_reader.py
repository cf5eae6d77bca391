"""The shared view as every process of the node reads it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice
from typing import Final, NamedTuple

from redis.asyncio import Redis

from gossip.core.entries import Entry
from gossip.stores.redis_client import Script, ViewUnavailable, answering
from gossip.stores.redis_keys import Keys
from gossip.stores.view_records import Mark, Numbers, entry_from_bytes, mark_from_bytes

PAGE: Final = 500
"""Entries read at once."""
PAGE_BYTES: Final = 1_048_576
"""Bytes of their rows, after which a page ends."""
PAGES: Final = 8
"""Pages on their way at once; each needs a connection."""
LOOKUPS: Final = 50
"""Keys that one command looks up, for all who ask at the time: with the largest values 6 MB."""

MARK: Final = b""
"""The field of `entries` that holds the mark."""
INCOMPLETE: Final = "the data is not in Redis yet: a worker must fill it"

# Returns nothing where the view is not complete, else whether there are more, and the rows.
_PAGE = """
local complete = redis.call('HEXISTS', KEYS[1], '') == 1
if not complete or redis.call('HLEN', KEYS[1]) ~= redis.call('ZCARD', KEYS[2]) + 1 then
    return false
end
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3] + 1)
local most = math.min(#keys, tonumber(ARGV[3]))
local size = 0
local count = 0
while count < most and (count == 0 or size < tonumber(ARGV[4])) do
    count = count + 1
    size = size + redis.call('HSTRLEN', KEYS[1], keys[count])
end
if count == 0 then
    return {0, {}}
end
return {#keys > count and 1 or 0, redis.call('HMGET', KEYS[1], unpack(keys, 1, count))}
"""

_REPORT = """
local report = redis.call('HMGET', KEYS[1], 'report', 'at')
local now = redis.call('TIME')
return {report[1], report[2], string.format('%d', now[1] * 1000 + math.floor(now[2] / 1000))}
"""


class ViewReader:
    """Reads for one event loop. Every call raises `ViewUnavailable` where Redis does not answer or
    the view is not complete.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._keys = Keys(prefix)
        self._lookups = _Lookups(redis, self._keys.entries)
        self._page = Script(redis, _PAGE)
        self._report = Script(redis, _REPORT)
        self._pages = asyncio.Semaphore(PAGES)

    async def get(self, key: str) -> Entry | None:
        """What this key holds, be it a tombstone."""
        # The empty name is the mark's.
        row = await self._lookups.get(key.encode()) if key else None
        return None if row is None else entry_from_bytes(row)

    async def entries(self, prefix: str = "", after: str = "") -> AsyncIterator[list[Entry]]:
        """Everything whose key begins with `prefix` and comes after `after`, in the order of keys.

        Tombstones included, in pages of at most `PAGE`. A page is of one instant. Who changes keys
        between two pages makes nothing else be left out or come twice.
        """
        high = b"(" + prefix.encode() + b"\xff" if prefix else b"+"
        more = True
        while more:
            # No byte of UTF-8 is 0xff, and no key is empty.
            low = "(" + after if after >= prefix else "[" + prefix
            async with self._pages:
                page = await self._page(
                    (self._keys.entries, self._keys.order), low, high, PAGE, PAGE_BYTES
                )
            if page is None:
                raise ViewUnavailable(INCOMPLETE)
            more = bool(page[0])
            entries = [entry_from_bytes(row) for row in page[1]]
            if entries:
                yield entries
                after = entries[-1].key

    async def numbers(self) -> Numbers:
        """What the worker said of the state with its last change."""
        return (await self._mark()).numbers

    async def report(self) -> tuple[bytes, float] | None:
        """The worker's last report, and its age in seconds by Redis's clock; None: there is none.

        It may be there without a view, and outlives its worker.
        """
        report, published, now = await self._report((self._keys.report,))
        if report is None:
            return None
        # Redis's clock may be set back.
        return report, max(0, int(now) - int(published)) / 1000

    async def _mark(self) -> Mark:
        async with answering():
            mark = await self._redis.execute_command("HGET", self._keys.entries, MARK)
        if mark is None:
            raise ViewUnavailable(INCOMPLETE)
        return mark_from_bytes(mark)


class _Lookup(NamedTuple):
    key: bytes
    row: asyncio.Future[bytes | None]


class _Lookups:
    """Looks up single keys: those asked for while one command is on its way go with the next.

    A hundred requests at once then need one connection, and a tenth of the time.
    """

    def __init__(self, redis: Redis, entries: str) -> None:
        self._redis = redis
        self._entries = entries
        self._waiting: deque[_Lookup] = deque()
        self._working: asyncio.Task[None] | None = None

    async def get(self, key: bytes) -> bytes | None:
        """The row of this key."""
        row: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Lookup(key, row))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await row

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._look_up()
        except ViewUnavailable as error:
            # Who has not been asked for yet would only wait as long for the same answer.
            self._refuse(str(error))
        finally:
            # Nobody is left waiting if the loop ends, or by a bug of ours.
            for lookup in self._waiting:
                lookup.row.cancel()
            self._waiting.clear()

    async def _look_up(self) -> None:
        lookups = tuple(islice(self._waiting, LOOKUPS))
        async with answering():
            mark, *rows = await self._redis.execute_command(
                "HMGET", self._entries, MARK, *(lookup.key for lookup in lookups)
            )
        if mark is None:
            raise ViewUnavailable(INCOMPLETE)
        for lookup, row in zip(lookups, rows, strict=True):
            self._waiting.popleft()
            if not lookup.row.done():  # whoever asked was cancelled
                lookup.row.set_result(row)

    def _refuse(self, reason: str) -> None:
        for lookup in self._waiting:
            if not lookup.row.done():
                lookup.row.set_exception(ViewUnavailable(reason))
