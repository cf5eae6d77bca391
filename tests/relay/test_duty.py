"""The duty of a worker, with a real lease, and a clock that the tests move."""

import asyncio

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gossip.relay.duty import TRUSTED, Duty
from gossip.relay.outage import Outage
from gossip.runtime.ports import TakenOver
from gossip.stores.lease import Lease
from tests.support.runtime import until
from tests.support.valkey import Valkey

EPOCH = 7
TERM = 30.0
"""Long: Redis's clock goes on while the tests' own stands still."""


class World:
    """A worker that has the lease, and what it asks."""

    def __init__(self, redis: Redis, term: float = TERM) -> None:
        self.now = 100.0
        self.reports = 0
        self.takes = 0.0
        """Seconds until Redis is asked."""
        self.gate = asyncio.Event()
        """Reports wait for it; it is open unless a test closes it."""
        self.gate.set()
        self.epoch_holds = True
        self.asked = 0
        self.lease = Lease(redis, "p", "active", node_id="0x1", term=term, clock=lambda: self.now)
        self.other = Lease(redis, "p", "other", node_id="0x1", term=term)
        self.duty = Duty(
            self.lease,
            EPOCH,
            outage=Outage("lease"),
            report=self._report,
            epoch_holds=self._look,
            clock=lambda: self.now,
        )

    async def _report(self) -> bytes:
        self.reports += 1
        self.now += self.takes
        await self.gate.wait()
        return b"report %d" % self.reports

    async def _look(self) -> bool:
        self.asked += 1
        return self.epoch_holds


@pytest.fixture
async def world(redis: Redis) -> World:
    made = World(redis)
    assert await made.lease.acquire()
    return made


async def test_a_duty_is_trusted_for_a_third_of_the_term(world: World) -> None:
    late = []
    for passed in (0, TERM / TRUSTED, 0.1):
        world.now += passed
        late.append(world.duty.late)
    await world.duty.check()
    assert [*late, world.duty.late] == [False, False, True, False]


async def test_a_check_renews_the_lease_and_publishes_the_report(
    world: World, redis: Redis
) -> None:
    world.now += TERM / 2
    await world.duty.check()
    assert world.lease.age == 0
    assert await redis.hget("{p}:report", "report") == b"report 1"
    assert world.asked == 0


async def test_the_time_that_a_check_takes_counts(world: World) -> None:
    world.takes = TERM / 2
    await world.duty.check()
    assert world.duty.late


async def test_who_check_at_once_share_one_renewal(world: World) -> None:
    await asyncio.gather(*(world.duty.check() for _ in range(5)))
    assert world.reports == 1
    await world.duty.check()
    assert world.reports == 2


async def test_who_gives_up_a_check_does_not_stop_it_for_others(world: World) -> None:
    world.gate.clear()
    impatient, patient = (asyncio.create_task(world.duty.check()) for _ in range(2))
    await until(lambda: world.reports)
    impatient.cancel()
    await asyncio.wait((impatient,))
    world.gate.set()
    await patient
    assert world.reports == 1
    assert impatient.cancelled()


async def test_a_lease_that_another_has_ends_the_duty_for_good(world: World, redis: Redis) -> None:
    await world.lease.release()
    assert await world.other.acquire()
    with pytest.raises(TakenOver):
        await world.duty.check()
    assert world.asked == 0
    # Even where the lease is to be had again.
    await redis.flushdb()
    assert world.duty.late
    with pytest.raises(TakenOver):
        await world.duty.check()
    assert await redis.keys() == []


async def test_a_greater_epoch_ends_the_duty(world: World, redis: Redis) -> None:
    await redis.set("{p}:epoch", EPOCH + 1)
    with pytest.raises(TakenOver):
        await world.duty.check()


async def test_a_duty_that_others_saw_end_is_over(world: World) -> None:
    over = TakenOver("the view says so")
    world.duty.end(over)
    world.duty.end(TakenOver("so does somebody else"))
    assert world.duty.late
    with pytest.raises(TakenOver) as raised:
        await world.duty.check()
    assert raised.value is over
    assert world.reports == 0


async def test_a_duty_that_ends_while_it_is_checked_is_over(world: World) -> None:
    world.gate.clear()
    checking = asyncio.create_task(world.duty.check())
    await until(lambda: world.reports)
    world.duty.end(TakenOver("the view says so"))
    world.gate.set()
    with pytest.raises(TakenOver):
        await checking


async def test_while_redis_is_away_the_database_tells(
    world: World, server: Valkey, redis: Redis
) -> None:
    server.kill()
    try:
        with capture_logs() as logs:
            world.takes = TERM / 2
            await world.duty.check()
            # The database was asked after that time.
            assert not world.duty.late
            await world.duty.check()
            assert world.asked == 2
            world.takes = 0
            server.start()
            running = asyncio.create_task(world.duty.run())
            await until(lambda: len(logs) == 2)
            running.cancel()
            await asyncio.wait((running,))
            await world.duty.check()
        assert [line["event"] for line in logs] == ["lease_failing", "lease_recovered"]
        assert world.asked == 2
        world.epoch_holds = False
        server.kill()
        with pytest.raises(TakenOver):
            await world.duty.check()
    finally:
        if not server.is_running:
            server.start()


async def test_while_redis_hangs_only_its_first_silence_is_waited_for(
    world: World, server: Valkey
) -> None:
    with server.paused():
        running = asyncio.create_task(world.duty.run())
        await until(lambda: world.asked)
        for asked in range(world.asked, world.asked + 20):
            world.now += TERM
            await world.duty.check()
            assert not world.duty.late
            assert world.asked > asked
        assert world.reports == 1
        running.cancel()
    await asyncio.wait((running,))


async def test_while_redis_is_slow_the_database_is_asked(world: World) -> None:
    world.takes = TERM / 2
    await world.duty.check()
    assert (world.reports, world.asked) == (1, 0)
    await world.duty.check()
    assert (world.reports, world.asked) == (1, 1)
    assert not world.duty.late


async def test_the_lease_is_renewed_for_ever_and_the_end_is_told(redis: Redis) -> None:
    world = World(redis, term=0.3)
    assert await world.lease.acquire()
    running = asyncio.create_task(world.duty.run())
    await until(lambda: world.reports >= 3)
    assert not running.done()
    world.duty.end(TakenOver("the view says so"))
    with pytest.raises(TakenOver):
        await asyncio.wait_for(running, 5)
