"""The lease on a real Redis, with a clock that the tests move; expiry itself is Redis's own."""

import asyncio
import json
from math import inf

import pytest
from redis.asyncio import Redis

from gossip.core.errors import ConfigurationError
from gossip.stores.lease import Lease
from gossip.stores.redis_client import ViewUnavailable
from tests.support.valkey import Valkey

EPOCH, LEASE, REPORT = "{p}:epoch", "{p}:lease", "{p}:report"
TERM = 30.0
"""Long: Redis's clock goes on while the tests' own stands still."""


class Clock:
    """A clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def active(redis: Redis, clock: Clock) -> Lease:
    return Lease(redis, "p", "active", node_id="0x1", term=TERM, clock=clock)


@pytest.fixture
def standby(redis: Redis, clock: Clock) -> Lease:
    return Lease(redis, "p", "standby", node_id="0x1", term=TERM, clock=clock)


async def expire(redis: Redis, clock: Clock) -> None:
    """What time does to a lease."""
    await redis.delete(LEASE)
    clock.now += TERM


async def test_one_worker_has_the_lease(active: Lease, standby: Lease) -> None:
    assert await active.acquire()
    assert await active.acquire()
    assert not await standby.acquire()
    assert not await standby.try_acquire()
    assert (active.held, standby.held) == (True, False)


async def test_who_takes_it_learns_of_the_greatest_epoch(
    redis: Redis, active: Lease, standby: Lease
) -> None:
    assert await active.acquire()
    assert active.last_epoch == 0
    assert await active.renew(b"", 41)
    assert not await standby.try_acquire()
    await active.release()
    assert await standby.try_acquire()
    assert standby.last_epoch == 41
    await redis.flushdb()
    assert await standby.acquire()
    assert standby.last_epoch == 41


async def test_of_many_who_try_at_once_one_gets_it(redis: Redis) -> None:
    leases = [Lease(redis, "p", str(number), node_id="0x1") for number in range(20)]
    assert sum(await asyncio.gather(*(lease.acquire() for lease in leases))) == 1
    assert sum(lease.held for lease in leases) == 1


async def test_redis_lets_it_expire(redis: Redis, active: Lease) -> None:
    await active.acquire()
    assert 0 < await redis.pttl(LEASE) <= TERM * 1000
    await redis.pexpire(LEASE, 20_000)
    assert await active.renew(b"", 1)
    assert await redis.pttl(LEASE) > 20_000


async def test_an_expired_lease_is_taken_at_once(
    redis: Redis, clock: Clock, active: Lease, standby: Lease
) -> None:
    await active.acquire()
    await active.renew(b"", 1)
    assert not await standby.try_acquire()
    await expire(redis, clock)
    assert await standby.try_acquire()
    assert not await active.renew(b"", 1)


async def test_a_lease_that_nobody_was_seen_to_have_is_taken_at_once(
    redis: Redis, standby: Lease
) -> None:
    await redis.set(EPOCH, 7)
    assert await standby.try_acquire()


async def test_a_released_lease_is_taken_at_the_next_poll(active: Lease, standby: Lease) -> None:
    await active.acquire()
    await active.renew(b"", 1)
    assert not await standby.try_acquire()
    await active.release()
    assert not active.held
    assert await standby.try_acquire()


async def test_only_the_holder_releases_it(active: Lease, standby: Lease) -> None:
    await active.acquire()
    await standby.release()
    assert await active.renew(b"", 1)
    assert not await standby.acquire()


async def test_a_call_that_comes_late_does_not_take_a_released_lease(
    active: Lease, standby: Lease
) -> None:
    await active.acquire()
    await active.release()
    assert not await active.renew(b"", 1)
    assert await standby.acquire()


async def test_its_age_counts_from_when_the_call_was_sent(
    server: Valkey, clock: Clock, active: Lease
) -> None:
    assert (active.age, active.held) == (inf, False)
    await active.acquire()
    clock.now += 2
    assert (active.age, active.held) == (2, True)
    with server.paused(), pytest.raises(ViewUnavailable):
        await active.renew(b"", 1)
    assert active.age == 2
    clock.now += TERM - 2
    assert not active.held
    sending = asyncio.ensure_future(active.renew(b"", 1))
    await asyncio.sleep(0)
    clock.now += 0.5
    assert await sending
    assert active.age == 0.5


async def test_who_lost_it_knows(active: Lease, standby: Lease, redis: Redis) -> None:
    await active.acquire()
    await redis.delete(LEASE)
    assert await standby.acquire()
    assert not await active.renew(b"", 1)
    assert not active.held


async def test_the_active_worker_takes_a_lost_lease_again(redis: Redis, active: Lease) -> None:
    await active.acquire()
    await active.renew(b"", 4)
    await redis.flushall()
    assert await active.renew(b"", 4)
    assert await redis.get(EPOCH) == b"4"


async def test_a_worker_whose_epoch_is_over_neither_renews_nor_reports(
    redis: Redis, active: Lease, standby: Lease
) -> None:
    await standby.acquire()
    await standby.renew(b"new", 5)
    await redis.delete(LEASE)
    assert not await active.renew(b"old", 4)
    assert await redis.exists(LEASE) == 0
    assert await redis.hget(REPORT, "report") == b"new"
    assert await redis.get(EPOCH) == b"5"


async def test_a_worker_without_the_lease_does_not_report(
    redis: Redis, active: Lease, standby: Lease
) -> None:
    await active.acquire()
    assert not await standby.renew(b"report", 9)
    assert await redis.exists(REPORT, EPOCH) == 0


async def test_a_report_has_the_time_of_redis(redis: Redis, active: Lease) -> None:
    before, _ = await redis.time()
    await active.acquire()
    await active.renew(b"\x00report", 1)
    after, _ = await redis.time()
    published = await redis.hgetall(REPORT)
    assert published[b"report"] == b"\x00report"
    assert before * 1000 <= int(published[b"at"]) < (after + 1) * 1000


async def test_an_emptied_redis_gives_the_active_worker_two_terms(
    redis: Redis, clock: Clock, active: Lease, standby: Lease
) -> None:
    await active.acquire()
    await active.renew(b"", 1)
    assert not await standby.try_acquire()
    await redis.flushall()
    assert not await standby.try_acquire()
    clock.now += 2 * TERM - 0.25
    assert not await standby.try_acquire()
    clock.now += 0.25
    assert await standby.try_acquire()


async def test_who_comes_back_in_time_stays_the_active_worker(
    redis: Redis, clock: Clock, active: Lease, standby: Lease
) -> None:
    await active.acquire()
    await redis.flushall()
    assert not await standby.try_acquire()
    clock.now += TERM
    assert await active.renew(b"", 1)
    clock.now += TERM
    assert not await standby.try_acquire()
    # And from here on all is as it was.
    await expire(redis, clock)
    assert await standby.try_acquire()


async def test_so_does_a_redis_that_lost_the_lease_alone(
    redis: Redis, clock: Clock, active: Lease, standby: Lease
) -> None:
    """One that read an old copy of its data, or another server in its place."""
    await active.acquire()
    await active.renew(b"", 1)
    assert not await standby.try_acquire()
    await redis.delete(LEASE)
    clock.now += TERM / 3
    assert not await standby.try_acquire()
    clock.now += 2 * TERM
    assert await standby.try_acquire()


async def test_so_does_a_redis_that_did_not_answer_meanwhile(
    redis: Redis, server: Valkey, clock: Clock, active: Lease, standby: Lease
) -> None:
    await active.acquire()
    await active.renew(b"", 1)
    assert not await standby.try_acquire()
    with server.paused(), pytest.raises(ViewUnavailable):
        await standby.try_acquire()
    await expire(redis, clock)
    assert not await standby.try_acquire()
    clock.now += 2 * TERM - 0.25
    with server.paused(), pytest.raises(ViewUnavailable):
        await standby.try_acquire()
    # The two terms are counted while Redis answers.
    clock.now += 1
    assert not await standby.try_acquire()
    clock.now += 2 * TERM
    assert await standby.try_acquire()


async def test_what_a_standby_asked_before_redis_hung_does_not_count(
    redis: Redis, server: Valkey
) -> None:
    """With Redis's own clock: while it hangs the lease expires, and the question waits in it."""
    active, standby = (Lease(redis, "p", owner, node_id="0x1", term=2.0) for owner in "as")
    assert await active.acquire()
    assert await active.renew(b"", 1)
    assert not await standby.try_acquire()
    with server.paused():
        for _ in range(3):
            with pytest.raises(ViewUnavailable):
                await standby.try_acquire()
    assert await redis.exists(LEASE) == 0
    assert not await standby.try_acquire()
    assert await active.renew(b"", 1)


async def test_a_redis_that_is_well_again_is_as_before(
    server: Valkey, redis: Redis, clock: Clock, active: Lease, standby: Lease
) -> None:
    server.kill()
    with pytest.raises(ViewUnavailable):
        await standby.try_acquire()
    server.start()
    assert await active.renew(b"", 1)
    assert not await standby.try_acquire()
    await expire(redis, clock)
    assert await standby.try_acquire()


async def test_a_lease_near_its_end_is_not_lost_but_expired(
    redis: Redis, clock: Clock, active: Lease, standby: Lease
) -> None:
    """A standby knows only about when it expires, and that it does so for a worker that is gone."""
    await active.acquire()
    await active.renew(b"", 1)
    assert not await standby.try_acquire()
    await redis.delete(LEASE)
    clock.now += TERM * 3 / 4
    assert await standby.try_acquire()


async def test_the_first_worker_of_all_need_not_wait(active: Lease) -> None:
    assert not await active.try_acquire()
    assert await active.acquire()


async def test_a_lease_of_another_node_is_a_wrong_setting(redis: Redis, active: Lease) -> None:
    await active.acquire()
    other = Lease(redis, "p", "other", node_id="0x2")
    for attempt in (other.acquire, other.try_acquire):
        with pytest.raises(ConfigurationError) as caught:
            await attempt()
        assert str(caught.value).startswith("GOSSIP_REDIS_PREFIX='p' is in use by node '0x1'")
    assert not await other.renew(b"", 9)
    assert await Lease(redis, "q", "other", node_id="0x2").acquire()


async def test_so_is_what_somebody_else_keeps_there(redis: Redis, active: Lease) -> None:
    await redis.set(LEASE, "something")
    with pytest.raises(ConfigurationError, match="GOSSIP_REDIS_PREFIX"):
        await active.acquire()


async def test_people_can_read_who_has_it(redis: Redis, active: Lease) -> None:
    await active.acquire()
    assert json.loads(await redis.get(LEASE) or "") == {"node_id": "0x1", "owner": "active"}


async def test_every_call_ends_while_redis_is_away(server: Valkey, active: Lease) -> None:
    server.kill()
    for call in (active.acquire, active.try_acquire, lambda: active.renew(b"", 1), active.release):
        with pytest.raises(ViewUnavailable):
            await call()
    server.start()
    assert await active.acquire()
