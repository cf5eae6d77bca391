"""Which worker is the active one, for speed: who decides is the database.

The active worker renews its lease every second. A standby polls and takes it

    released, or expired as it was seen to               at once
    lost by Redis: it came back empty or with old data   two terms after it was seen so
    gone when Redis answered again                       likewise

since in the latter cases the active worker is most likely well, and takes its lease again.
"""

import time
from collections.abc import Callable
from math import inf
from typing import Final

import msgspec
from redis.asyncio import Redis

from gossip.core.errors import ConfigurationError
from gossip.stores.redis_client import Script, ViewUnavailable
from gossip.stores.redis_keys import Keys

TERM: Final = 3.0
"""Seconds for which a lease holds: a standby takes over within twice as much."""
GRACE: Final = 2
"""Terms that the active worker has to take a lease again which Redis lost."""
LEFT: Final = 1 / 3
"""Of a term: a lease that is gone with more than this left did not expire, it was lost. An active
worker that is well lets no lease come so close to its end, so that a standby does not ask for it
before: not even a question that waited in a Redis which hung gets a lease that ran out meanwhile.
"""

# The first key is the lease. A caller who is `cautious` takes none that was not released, and only
# one who is `bold` takes the first of all.
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= '' and holder ~= ARGV[1] then
    redis.call('SET', KEYS[3], '', 'PX', ARGV[2])
    return {'held', holder, redis.call('PTTL', KEYS[1])}
end
local lost = not holder and (ARGV[3] == 'cautious' or redis.call('EXISTS', KEYS[2]) == 0)
if lost and ARGV[3] ~= 'bold' then
    return {'vacant'}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'taken', tonumber(redis.call('GET', KEYS[2]) or '') or 0}
"""

# A lease that was released is not taken again: this may be a call of before, which came late.
_RENEW = """
local holder = redis.call('GET', KEYS[1])
local epoch = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] or epoch and tonumber(epoch) > tonumber(ARGV[3]) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[3])
local now = redis.call('TIME')
local at = string.format('%d', now[1] * 1000 + math.floor(now[2] / 1000))
redis.call('HSET', KEYS[3], 'at', at, 'report', ARGV[4])
return 1
"""

_EXISTS = """
return redis.call('EXISTS', KEYS[1])
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('SET', KEYS[1], '')
end
"""


class Holder(msgspec.Struct, frozen=True):
    """Who has a lease, as it stands in Redis."""

    node_id: str
    owner: str


class Lease:
    """The lease of one node, as one worker sees it. Every call may raise `ViewUnavailable`."""

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        owner: str,
        *,
        node_id: str,
        term: float = TERM,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`owner` names this process among the workers of the node for all time."""
        self._prefix = prefix
        self._node_id = node_id
        self._value = msgspec.json.encode(Holder(node_id, owner))
        self._term = term
        self._milliseconds = round(term * 1000)
        self._clock = clock
        keys = Keys(prefix)
        self._keys = (keys.lease, keys.epoch, keys.report)
        self._standby = keys.standby
        self._take = Script(redis, _TAKE)
        self._renew = Script(redis, _RENEW)
        self._exists = Script(redis, _EXISTS)
        self._release = Script(redis, _RELEASE)
        self._sent: float | None = None
        self._expires = -inf
        """When the lease that another was seen to have expires, unless it is renewed."""
        self._unsure = False
        """Whether Redis did not answer since a lease was last seen."""
        self._vacant_since: float | None = None
        self.last_epoch = 0
        """The greatest epoch that Redis knew whenever the lease was taken. It is beyond that of a
        database in whose place a backup was put."""

    @property
    def age(self) -> float:
        """Seconds since the call was sent that took or renewed the lease last; `inf`: none did."""
        return inf if self._sent is None else self._clock() - self._sent

    @property
    def held(self) -> bool:
        """Whether nobody else can have the lease, as far as Redis keeps what it is told."""
        return self.age < self._term

    async def acquire(self) -> bool:
        """Take or extend the lease, unless another has it; whether it is ours.

        A worker that takes over keeps it so until it has an epoch. Raises `ConfigurationError`
        where another node has it.
        """
        return await self._try("bold")

    async def try_acquire(self) -> bool:
        """Likewise for a standby, which polls; it waits where Redis lost a lease (see above).

        Nor does it take the first lease of all in an empty Redis before it has waited.
        """
        try:
            return await self._try(self._manner())
        except ViewUnavailable:
            self._unsure = True
            self._vacant_since = None
            raise

    @property
    def term(self) -> float:
        """Seconds for which it holds."""
        return self._term

    async def renew(self, report: bytes, epoch: int) -> bool:
        """Extend the lease, or take it where Redis lost it, and publish the report.

        False where another has it or had it since: the worker stops. A view that Redis lost is
        not noticed here but by `SharedView.apply`, which may be given nothing to apply.
        """
        sent = self._clock()
        ours = await self._renew(self._keys, self._value, self._milliseconds, epoch, report)
        self._sent = sent if ours else None
        return bool(ours)

    async def has_standby(self) -> bool:
        """Whether another was refused the lease within a term: it polls, and would go on."""
        return bool(await self._exists((self._standby,)))

    async def release(self) -> None:
        """Let a standby have the lease at once. Nothing happens if it is not ours."""
        self._sent = None
        await self._release(self._keys[:1], self._value)

    def _manner(self) -> str:
        now = self._clock()
        if self._vacant_since is not None:
            waited = now - self._vacant_since >= GRACE * self._term
            return "bold" if waited else "cautious"
        lost = now < self._expires - LEFT * self._term
        return "cautious" if lost or self._unsure else "normal"

    async def _try(self, manner: str) -> bool:
        sent = self._clock()
        outcome, *found = await self._take(
            (*self._keys[:2], self._standby), self._value, self._milliseconds, manner
        )
        self._sent = sent if outcome == b"taken" else None
        if outcome == b"vacant":
            if self._vacant_since is None:
                self._vacant_since = sent
            return False
        self._vacant_since = None
        self._unsure = False
        self._expires = -inf
        if outcome == b"held":
            holder, milliseconds = found
            self._expires = sent + milliseconds / 1000
            self._check_node(holder)
        else:
            self.last_epoch = max(self.last_epoch, *found)
        return bool(outcome == b"taken")

    def _check_node(self, value: bytes) -> None:
        try:
            node_id = msgspec.json.decode(value, type=Holder).node_id
        except msgspec.DecodeError:
            node_id = "unknown"
        if node_id != self._node_id:
            raise ConfigurationError(
                f"GOSSIP_REDIS_PREFIX={self._prefix!r} is in use by node {node_id!r}:"
                " set another one, or another GOSSIP_REDIS_URL"
            )
