"""The view of a node's data that its processes share: the worker writes it, all read it.

    entries   key → row, for every entry, tombstones included
              ""  → the mark: epoch of the worker, number of its last call, the node's numbers
    order     the same keys, all with the same score: Redis sorts them by their bytes, and UTF-8
              sorts as code points do

No key is empty. Without a mark the view is not complete, and a reader is told so by the same
command that would have read an entry.

Every change is one script, which compares epochs first: nothing is written under an epoch that is
over. A view that does not continue what its worker wrote last was lost by Redis, which restarted
empty or with old data, or gave its place to a replica that had not seen all of it; it is filled
anew beside the old one and put in its place in one step.

The numbers of calls also keep out what comes late. When Redis hangs, a call is given up, but Redis
still finds it on the connection when it goes on, perhaps after a call that was made later.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from typing import Final

from redis.asyncio import Redis

from gossip.core.entries import Entry
from gossip.core.errors import GossipError
from gossip.runtime.ports import EpochOver
from gossip.stores.redis_client import Script, ViewUnavailable
from gossip.stores.redis_keys import Keys
from gossip.stores.view_reader import ViewReader
from gossip.stores.view_records import Mark, Numbers, entry_to_bytes, mark_to_bytes

__all__ = ["Numbers", "SharedView", "ViewLost", "ViewReader", "ViewUnavailable"]

BATCH: Final = 500
"""Entries in one script, which holds Redis for two or three milliseconds."""
BATCH_BYTES: Final = 1_048_576
"""Bytes of their rows, which take another millisecond; a row has little more than an eighth."""
LEFT_OVER: Final = 60
"""Seconds after which Redis forgets what was built of a view that nobody completes."""

# The epoch is the first key and the first argument. Every script returns what came of it, and a
# number: their epoch, or how many keys are new.
_CHECK = """
local theirs = redis.call('GET', KEYS[1])
if theirs and tonumber(theirs) > tonumber(ARGV[1]) then
    return {'over', theirs}
end
"""

_CLAIM = (
    _CHECK
    + """
redis.call('SET', KEYS[1], ARGV[1])
redis.call('UNLINK', KEYS[2], KEYS[3])
return {'done', 0}
"""
)

# Puts `count` pairs of key and row, from the argument `first`, into entries and order. Returns how
# many keys are new.
_PUT = """
local function put(entries, order, first, count)
    if count == 0 then
        return 0
    end
    local keys = {}
    for i = first, first + 2 * count - 1, 2 do
        keys[#keys + 1] = 0
        keys[#keys + 1] = ARGV[i]
    end
    redis.call('ZADD', order, unpack(keys))
    return redis.call('HSET', entries, unpack(ARGV, first, first + 2 * count - 1))
end
"""

_STAGE = (
    _CHECK
    + _PUT
    + """
local new = put(KEYS[2], KEYS[3], 3, (#ARGV - 2) / 2)
redis.call('EXPIRE', KEYS[2], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[2])
return {'done', new}
"""
)

# What was built is compared with what was sent, since Redis may have lost some of it in between.
# UNLINK first: RENAME alone would free the old view while everybody waits.
_SWITCH = (
    _CHECK
    + """
local count = tonumber(ARGV[4])
local mark = redis.call('HGET', KEYS[2], '')
local last = mark and cmsgpack.unpack(mark) or {0, 0}
local late = last[1] == tonumber(ARGV[1]) and last[2] >= tonumber(ARGV[2])
local whole = redis.call('HLEN', KEYS[4]) == count and redis.call('ZCARD', KEYS[5]) == count
if theirs ~= ARGV[1] or late or not whole then
    return {'lost', 0}
end
redis.call('UNLINK', KEYS[2], KEYS[3])
if count > 0 then
    redis.call('RENAME', KEYS[4], KEYS[2])
    redis.call('RENAME', KEYS[5], KEYS[3])
    redis.call('PERSIST', KEYS[2])
    redis.call('PERSIST', KEYS[3])
end
redis.call('HSET', KEYS[2], '', ARGV[3])
return {'done', 0}
"""
)

_APPLY = (
    _CHECK
    + _PUT
    + """
local mark = redis.call('HGET', KEYS[2], '')
if theirs ~= ARGV[1] or not mark then
    return {'lost', 0}
end
local last = cmsgpack.unpack(mark)
local continues = last[1] == tonumber(ARGV[1])
    and last[2] >= tonumber(ARGV[2]) and last[2] < tonumber(ARGV[3])
if not continues or redis.call('HLEN', KEYS[2]) ~= redis.call('ZCARD', KEYS[3]) + 1 then
    return {'lost', 0}
end
local count = tonumber(ARGV[5])
local forgotten = 6 + 2 * count
if #ARGV >= forgotten then
    redis.call('HDEL', KEYS[2], unpack(ARGV, forgotten))
    redis.call('ZREM', KEYS[3], unpack(ARGV, forgotten))
end
put(KEYS[2], KEYS[3], 6, count)
redis.call('HSET', KEYS[2], '', ARGV[4])
return {'done', 0}
"""
)

Pair = tuple[bytes, bytes]
"""A key and its row."""


class ViewLost(GossipError):
    """Redis does not hold what was written to it. The worker fills the view again."""

    def __init__(self) -> None:
        super().__init__("Redis lost the view of the data: it must be filled again")


class SharedView:
    """The worker's side, for one epoch.

    One call at a time, and `fill` first. Every call may raise `EpochOver`, `ViewLost` and
    `ViewUnavailable`, after which the view is as it was, or has some or all of the change.
    """

    def __init__(self, redis: Redis, prefix: str, epoch: int) -> None:
        self._epoch = epoch
        self._keys = Keys(prefix)
        self._claim = Script(redis, _CLAIM)
        self._stage = Script(redis, _STAGE)
        self._switch = Script(redis, _SWITCH)
        self._apply = Script(redis, _APPLY)
        self._number = 0
        """Of the last call."""
        self._confirmed = 0
        """Of the last call that Redis answered; those since may have been carried out."""
        self._building = self._keys.filling(epoch, 0)

    async def fill(
        self,
        slices: AsyncIterable[Sequence[Entry]] | Iterable[Sequence[Entry]],
        numbers: Numbers,
    ) -> None:
        """Make the view hold these entries and nothing else, and claim the epoch.

        Readers have the old view until this one is complete. What changes while it is filled is
        for the caller to keep, and to apply afterwards. After an error it begins anew.
        """
        epoch, keys = self._epoch, self._keys
        self._done(await self._claim((keys.epoch, *self._building), epoch))
        number = self._next_number()
        self._building = keys.filling(epoch, number)
        count = 0
        async for entries in _each(slices):
            for batch in _batches(entries):
                stage = (keys.epoch, *self._building)
                count += self._done(await self._stage(stage, epoch, LEFT_OVER, *_flat(batch)))
        switch = (keys.epoch, keys.entries, keys.order, *self._building)
        mark = mark_to_bytes(Mark(epoch, number, numbers))
        self._done(await self._switch(switch, epoch, number, mark, count))
        self._confirmed = number

    async def apply(
        self, entries: Sequence[Entry], forgotten: Sequence[str], numbers: Numbers
    ) -> None:
        """Put these entries in the place of what their keys held, and remove forgotten keys.

        With nothing to apply it still finds out whether the view is there; an idle worker asks now
        and then. After `ViewUnavailable` the same is applied again, with what has changed since; a
        `ViewLost` may follow.
        """
        for start in range(0, len(forgotten), BATCH):
            await self._change((), [key.encode() for key in forgotten[start:][:BATCH]], numbers)
        for batch in _batches(entries):
            await self._change(batch, (), numbers)
        if not (entries or forgotten):
            await self._change((), (), numbers)

    async def _change(
        self, batch: Sequence[Pair], forgotten: Sequence[bytes], numbers: Numbers
    ) -> None:
        number = self._next_number()
        mark = mark_to_bytes(Mark(self._epoch, number, numbers))
        keys = (self._keys.epoch, self._keys.entries, self._keys.order)
        arguments = (self._epoch, self._confirmed, number, mark, len(batch))
        self._done(await self._apply(keys, *arguments, *_flat(batch), *forgotten))
        self._confirmed = number

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _done(self, answer: tuple[bytes, bytes | int]) -> int:
        """The number in the answer of a script that did its work."""
        outcome, number = answer
        if outcome == b"over":
            raise EpochOver(self._epoch, int(number))
        if outcome == b"lost":
            raise ViewLost
        return int(number)


async def _each(
    slices: AsyncIterable[Sequence[Entry]] | Iterable[Sequence[Entry]],
) -> AsyncIterator[Sequence[Entry]]:
    if isinstance(slices, AsyncIterable):
        async for entries in slices:
            yield entries
    else:
        for entries in slices:
            yield entries


def _batches(entries: Iterable[Entry]) -> Iterator[list[Pair]]:
    batch: list[Pair] = []
    size = 0
    for entry in entries:
        row = entry_to_bytes(entry)
        if batch and (len(batch) == BATCH or size + len(row) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((entry.key.encode(), row))
        size += len(row)
    if batch:
        yield batch


def _flat(batch: Iterable[Pair]) -> list[bytes]:
    return [part for pair in batch for part in pair]
