"""The life of a worker: of several, one is active and the others stand by."""

import asyncio
import os
import secrets
import socket
import threading
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from time import monotonic
from typing import Final

import structlog
from django.db import Error as DatabaseFailure
from django.db import connections
from redis.asyncio import Redis

from gossip.conf import NodeSettings
from gossip.core.config import Config
from gossip.core.errors import ConfigurationError
from gossip.launch import Database, identify, parts, prepare_tables
from gossip.relay.layer import Layer
from gossip.relay.outage import Outage
from gossip.relay.worker import Worker
from gossip.runtime.engine import Engine
from gossip.runtime.ports import TakenOver
from gossip.runtime.tasks import cancel, raise_failure
from gossip.scaled.connections import connected
from gossip.stores.directory import prepare_directory
from gossip.stores.identity import Identity
from gossip.stores.lease import Lease
from gossip.stores.lock import EngineLock
from gossip.stores.redis_client import ViewUnavailable
from gossip.stores.rows import stored_epoch
from gossip.stores.view import SharedView

POLL: Final = 0.25
"""Seconds from one look of a standby at the lease to the next."""

ANSWER_WITHIN: Final = 0.3
"""Seconds that a stop waits for an answer of Redis: it may hang, and a stop has five in all."""

CONTEND_FOR: Final = 60.0
"""Seconds that a worker which takes over waits for a database that another one holds."""

_log = structlog.get_logger("gossip")


class WorkerLaunch:
    """The life of a worker: a `Lifecycle`, most of which a standby spends in `prepare`."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._held = AsyncExitStack()
        self._database: _Contended | None = None
        self._engine: Engine | None = None
        self._outage = Outage("lease")
        self._lease: Lease | None = None
        self._worker: Worker | None = None
        self._working: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Wait for the lease, then take over: the epoch, the state, the view.

        Raises `ConfigurationError` and `TakenOver`; call `finish` then too.
        """
        settings = self._settings
        identity = await asyncio.to_thread(_settle, settings, self._held)
        redis, layer = await self._held.enter_async_context(connected(settings))
        owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._lease = Lease(
            redis,
            settings.redis_prefix,
            owner,
            node_id=identity.node_id,
            term=settings.lease_term / 1000,
        )
        await self._stand_by(self._lease)
        keeping = asyncio.create_task(_keep(self._lease, self._outage))
        try:
            await self._take_over(identity, redis, layer, self._lease)
        finally:
            await cancel(keeping)

    async def begin(self) -> None:
        """Speak to peers, and serve the web processes."""
        if self._engine is None or self._worker is None:
            raise RuntimeError("the worker is not prepared")
        await self._engine.begin()
        self._working = asyncio.create_task(self._worker.run(), name="relay")

    async def wait_failed(self) -> None:
        """Return when the node cannot go on. Raises `TakenOver` where another runs it."""
        if self._engine is None or self._working is None:
            raise RuntimeError("the worker has not begun")
        failing = asyncio.create_task(self._engine.wait_failed(), name="node")
        try:
            await asyncio.wait((failing, self._working), return_when=asyncio.FIRST_COMPLETED)
            for task in (failing, self._working):
                raise_failure(task)
        finally:
            failing.cancel()

    async def finish(self) -> None:
        """Hand over to a standby, or leave; let go of everything. From any state."""
        if self._database is not None:
            self._database.give_up()
        if self._engine is not None:
            await self._engine.finish(leave=not (self._is_over or await self._is_replaced()))
        if self._worker is not None:
            await self._worker.stop()
        if self._working is not None:
            await cancel(self._working)
        if self._lease is not None:
            with suppress(ViewUnavailable, TimeoutError):
                async with asyncio.timeout(ANSWER_WITHIN):
                    await self._lease.release()
        await self._held.aclose()

    async def _stand_by(self, lease: Lease) -> None:
        ours, told = await _is_ours(lease.acquire(), self._outage), False
        while not ours:
            if not told:
                _log.info("standing_by")
                told = True
            await asyncio.sleep(POLL)
            ours = await _is_ours(lease.try_acquire(), self._outage)
        _log.info("lease_taken")

    async def _take_over(
        self, identity: Identity, redis: Redis, layer: Layer, lease: Lease
    ) -> None:
        settings = self._settings
        await asyncio.to_thread(prepare_tables, settings)
        config = settings.core(identity.node_id, identity.public_key)
        self._database = database = _Contended(config, lease.last_epoch)
        # `finish` lets go of the directory: it may come before there is an engine.
        made = parts(settings, config, database, release=lambda: None)
        self._engine = engine = Engine(made)
        await engine.prepare()
        epoch = database.epoch
        _log.info("taking_over", epoch=epoch)
        self._worker = Worker(
            engine,
            made.node,
            epoch,
            layer=layer,
            view=SharedView(redis, settings.redis_prefix, epoch),
            lease=lease,
            outage=self._outage,
            epoch_holds=lambda: _epoch_holds(epoch),
        )
        await self._worker.prepare()

    @property
    def _is_over(self) -> bool:
        """Whether another worker has taken over already."""
        working = self._working
        if working is None or not working.done() or working.cancelled():
            return False
        return isinstance(working.exception(), TakenOver)

    async def _is_replaced(self) -> bool:
        """Whether a standby is there to go on."""
        if self._lease is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._lease.has_standby()
        except (ViewUnavailable, TimeoutError):
            # Nobody can take over now, and whoever does later finds the members remembered.
            return False


class _Contended(Database):
    """The database of a node that another process may have stopped in the middle of writing to."""

    def __init__(self, config: Config, last_epoch: int) -> None:
        super().__init__(config, after_epoch=last_epoch)
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Take over no more, or with the try that is under way."""
        self._given_up.set()

    def begin_life(self, wall: int) -> tuple[int, int]:
        """Take over, once nobody is in the middle of a transaction.

        A process that was stopped there holds SQLite until it goes on or is killed.
        """
        give_up = monotonic() + CONTEND_FOR
        while True:
            try:
                return super().begin_life(wall)
            except ConfigurationError as error:
                if monotonic() > give_up or self._given_up.is_set():
                    raise
                _log.warning("take_over_waits", detail=str(error))
                self._given_up.wait(POLL)


def _settle(settings: NodeSettings, held: AsyncExitStack) -> Identity:
    """Take the data directory, which workers share; who this node is."""
    prepare_directory(settings.data_dir)
    lock = EngineLock(settings.data_dir)
    lock.acquire(settings.port, shared=True)
    held.callback(lock.release)
    return identify(settings)


async def _epoch_holds(epoch: int) -> bool:
    """What the database says. Waits while it does not answer."""
    while True:
        try:
            return await asyncio.to_thread(_stored_epoch) == epoch
        except DatabaseFailure as error:
            _log.warning("epoch_unknown", detail=str(error))
            await asyncio.sleep(POLL)


def _stored_epoch() -> int | None:
    try:
        return stored_epoch("default")
    finally:
        connections["default"].close()


async def _keep(lease: Lease, outage: Outage) -> None:
    """Keep the lease while the state is loaded."""
    while True:
        await asyncio.sleep(POLL)
        await _is_ours(lease.acquire(), outage)


async def _is_ours(asking: Awaitable[bool], outage: Outage) -> bool:
    """What Redis says of the lease; False where it says nothing."""
    try:
        ours = await asking
    except ViewUnavailable as error:
        outage.begin(error)
        return False
    outage.end()
    return ours
