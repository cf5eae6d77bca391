"""A worker's right to be the node: the lease in Redis, with the database as the last word.

Theory of operation. The lease is renewed a few times in its term. Whoever was stopped, by a signal,
a virtual machine or a disk, may have lost it meanwhile without noticing: so before the node does
anything with a lease that was not renewed for a third of the term, it is renewed first. While Redis
does not answer, nobody can take the lease, unless Redis is cut off from this worker alone: then the
epoch in the database tells. The journal and the view refuse a worker whose epoch is over anyway;
this is what keeps it from speaking to peers. Once the duty is over it stays so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gossip.relay.outage import Outage
from gossip.runtime.ports import TakenOver
from gossip.runtime.tasks import cancel
from gossip.stores.lease import Lease
from gossip.stores.redis_client import ViewUnavailable

RENEWALS: Final = 6
"""Renewals in the term of a lease."""
TRUSTED: Final = 3
"""A lease is trusted without a look for its term divided by this."""


class Duty:
    """Implements `gossip.runtime.ports.Guard`. `report` is what web processes are shown.

    `outage` is that of the lease, which may have begun before the lease was a duty.

    `epoch_holds` asks the database; it waits until it knows.
    """

    def __init__(
        self,
        lease: Lease,
        epoch: int,
        *,
        outage: Outage,
        report: Callable[[], Awaitable[bytes]],
        epoch_holds: Callable[[], Awaitable[bool]],
        clock: Callable[[], float],
    ) -> None:
        self._lease = lease
        self._epoch = epoch
        self._report = report
        self._epoch_holds = epoch_holds
        self._clock = clock
        self._confirmed = clock()
        self._renewing: asyncio.Task[None] | None = None
        self._outage = outage
        self._slow = False
        """Whether a renewal was late by the time that it was answered."""
        self._over: TakenOver | None = None

    @property
    def late(self) -> bool:
        """Whether `check` must come before anything else."""
        passed = self._clock() - self._confirmed
        return self._over is not None or passed > self._lease.term / TRUSTED

    def end(self, over: TakenOver) -> None:
        """Another worker was seen to have the duty."""
        self._over = self._over or over

    async def check(self) -> None:
        """Return once it is sure that this worker still has the duty. Raises `TakenOver`.

        Where Redis did not answer before, or slowly, the database is asked at once: a node that
        waited for Redis each time would hardly speak any more.
        """
        if self._over is not None:
            raise self._over
        await (self._ask_database() if self._outage.lasts or self._slow else self._renew())

    async def run(self) -> None:
        """Renew the lease and publish the report, until cancelled. Raises `TakenOver`."""
        try:
            while True:
                await self._renew()
                await asyncio.sleep(self._lease.term / RENEWALS)
        finally:
            if self._renewing is not None:
                await cancel(self._renewing)

    async def _renew(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew_once())
        await asyncio.shield(self._renewing)

    async def _renew_once(self) -> None:
        asked = self._clock()
        try:
            held = await self._lease.renew(await self._report(), self._epoch)
        except ViewUnavailable as error:
            self._outage.begin(error)
            await self._ask_database()
            return
        self._outage.end()
        self._note(asked, held=held)
        self._slow = self.late

    async def _ask_database(self) -> None:
        asked = self._clock()
        self._note(asked, held=await self._epoch_holds())

    def _note(self, asked: float, *, held: bool) -> None:
        if not held:
            self.end(
                TakenOver(
                    "another worker has taken over this node: start this one again to stand by"
                )
            )
        if self._over is not None:
            raise self._over
        self._confirmed = max(self._confirmed, asked)
