"""Whether a worker may still be the node: a Redis that answers, hangs or is away; the database."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from gossip.relay.duty import RENEWALS, Duty
from gossip.runtime.ports import TakenOver
from gossip.stores.lease import Lease
from gossip.stores.redis_client import open_redis
from tests.support.runtime import until
from tests.support.valkey import Valkey, valkey

TERM = 3.0


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


class Subject:
    """A duty under epoch 1, whose time and database are in the hands of the test."""

    def __init__(self, lease: Lease) -> None:
        self.now = 100.0
        self.holds = True
        """What the database says."""
        self.asked = 0
        """How often it was asked."""
        self.duty = Duty(
            lease, 1, report=self.report, epoch_holds=self.epoch_holds, clock=lambda: self.now
        )

    async def report(self) -> bytes:
        return b"report"

    async def epoch_holds(self) -> bool:
        self.asked += 1
        return self.holds


@pytest.fixture
async def subject(server: Valkey) -> AsyncIterator[Subject]:
    if not server.is_running:
        server.start()
    server.flush()
    async with open_redis(server.url) as redis:
        lease = Lease(redis, "p", "worker", node_id="me", term=TERM)
        assert await lease.acquire()
        yield Subject(lease)


async def test_a_lease_that_was_just_taken_is_trusted(subject: Subject) -> None:
    assert not subject.duty.late
    subject.now += TERM / 3
    assert not subject.duty.late
    subject.now += 0.1
    assert subject.duty.late


async def test_a_check_renews_and_asks_nobody_else(subject: Subject, server: Valkey) -> None:
    subject.now += TERM
    await subject.duty.check()
    assert not subject.duty.late
    assert subject.asked == 0
    assert server.call("HGET", "{p}:report", "report") == b"report"


async def test_a_lease_that_another_has_is_lost(subject: Subject, server: Valkey) -> None:
    server.call("SET", "{p}:lease", "another")
    subject.now += TERM
    with pytest.raises(TakenOver):
        await subject.duty.check()
    with pytest.raises(TakenOver):
        await subject.duty.run()


async def test_without_redis_the_database_decides(subject: Subject, server: Valkey) -> None:
    server.kill()
    subject.now += TERM
    await subject.duty.check()
    assert not subject.duty.late
    assert subject.asked == 1
    subject.now += TERM
    subject.holds = False
    with pytest.raises(TakenOver):
        await subject.duty.check()


async def test_while_redis_hangs_the_node_waits_for_the_database_alone(
    subject: Subject, server: Valkey
) -> None:
    with server.paused():
        running = asyncio.create_task(subject.duty.run())
        # The first time-out tells that Redis does not answer.
        await until(lambda: subject.asked)
        for asked in range(subject.asked + 1, subject.asked + 20):
            subject.now += TERM
            await subject.duty.check()
            assert not subject.duty.late
            assert subject.asked >= asked
        assert not running.done()
        running.cancel()
    await asyncio.wait([running])


async def test_it_goes_on_renewing(subject: Subject, server: Valkey) -> None:
    running = asyncio.create_task(subject.duty.run())
    for _ in range(2):
        server.call("DEL", "{p}:report")
        await until(lambda: server.call("EXISTS", "{p}:report"))
    assert TERM / RENEWALS < 1
    running.cancel()
    await asyncio.wait([running])
