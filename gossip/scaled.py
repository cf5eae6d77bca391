"""Puts the processes of a scaled node together: web processes, and workers of which one is active.

Both are a `Lifecycle`: a web process for the server that serves its port, a worker for
`gossip.runtime.alone`. Other programs use the node while they are `attached`.
"""

import asyncio
import os
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from time import monotonic
from typing import Final

import structlog
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.db import Error as DatabaseFailure
from django.db import connections
from redis.asyncio import Redis

from gossip.conf import NodeSettings
from gossip.core.config import Config
from gossip.core.errors import ConfigurationError, GossipError
from gossip.launch import Database, identify, parts, prepare_tables
from gossip.relay.edge import Edge
from gossip.relay.layer import Layer, LayerFailed
from gossip.relay.outage import Outage
from gossip.relay.shared_port import SharedPort
from gossip.relay.web_side import NO_WORKER, WebSide
from gossip.relay.worker import Worker
from gossip.runtime import serving
from gossip.runtime.engine import Engine
from gossip.runtime.ports import Hub, NodePort, TakenOver, Unavailable
from gossip.runtime.tasks import cancel
from gossip.stores.directory import prepare_directory
from gossip.stores.identity import Identity
from gossip.stores.lease import Lease
from gossip.stores.lock import EngineLock
from gossip.stores.redis_client import ViewUnavailable, layer_host, open_redis
from gossip.stores.rows import stored_epoch
from gossip.stores.view import SharedView, ViewReader

WAIT_FOR_WORKER: Final = 2.0
"""Seconds that a web process waits for its worker before it takes requests."""
FIND_WITHIN: Final = 5.0
"""Seconds to find a worker, which says at once that it is there."""
POLL: Final = 0.25
"""Seconds from one look of a standby at the lease to the next."""

ANSWER_WITHIN: Final = 0.3
"""Seconds that a stop waits for an answer of Redis: it may hang, and a stop has five in all."""

CONTEND_FOR: Final = 60.0
"""Seconds that a worker which takes over waits for a database that another one holds."""

_log = structlog.get_logger("gossip")


@contextmanager
def attached(settings: NodeSettings, *, within: float = FIND_WITHIN) -> Iterator[None]:
    """Let `gossip.services` of this process ask the node: for programs that serve nothing.

        with attached(settings.GOSSIP):
            services.set("jobs/last", job.id)

    A thread runs what asks. Raises `ConfigurationError`, and `Unavailable` where no worker is found
    `within` seconds.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gossip", daemon=True)
    thread.start()
    launch = WebLaunch(settings)
    try:
        asyncio.run_coroutine_threadsafe(launch.attach(within), loop).result()
        yield
    finally:
        asyncio.run_coroutine_threadsafe(launch.finish(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class WebLaunch:
    """The life of a web process: a `Lifecycle`, and what `gossip.runtime.serving` finds."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._held = AsyncExitStack()
        self._reasons: dict[str, None] = {}
        self._port: SharedPort | None = None
        self._side: WebSide | None = None
        self._listening: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Make ready, and wait a moment for the worker: who comes first should not be refused.

        Where it does not come, for want of a worker or of Redis, the process serves without it.
        """
        settings = self._settings
        redis = await self._held.enter_async_context(open_redis(_url(settings)))
        layer = await self._held.enter_async_context(_layer(settings))
        edge = Edge(settings.max_message_history, settings.cleanup_timeout / 1000)
        self._side = WebSide(layer, edge)
        self._port = SharedPort(ViewReader(redis, settings.redis_prefix), self._side)
        self._listening = asyncio.create_task(self._side.run())
        with suppress(Unavailable):
            await self._find_worker(WAIT_FOR_WORKER)

    async def begin(self) -> None:
        """The port is bound."""
        serving.register(self)

    async def attach(self, within: float) -> None:
        """Prepare and begin at once, with a worker. Raises `Unavailable`."""
        await self.prepare()
        await self.begin()
        await self._find_worker(within)

    async def _find_worker(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self._prepared.wait_for_worker()
        except TimeoutError:
            raise Unavailable(NO_WORKER) from None

    async def wait_failed(self) -> None:
        """Return when this process cannot go on."""
        if self._listening is not None:
            await asyncio.wait((self._listening,))
            _tell_why(self._listening)

    async def finish(self) -> None:
        """Tell the worker that the links close, and let go of everything. From any state."""
        serving.unregister(self)
        if self._side is not None:
            await self._side.stop()
        if self._listening is not None:
            await cancel(self._listening)
        await self._held.aclose()

    @property
    def port(self) -> NodePort:
        """What services ask. Once prepared."""
        if self._port is None:
            raise RuntimeError("the web process is not prepared")
        return self._port

    @property
    def hub(self) -> Hub:
        """Where transports bring their connections. Once prepared."""
        return self._prepared

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong around the node, for people."""
        away = () if self._prepared.has_worker else (f"worker: {NO_WORKER}",)
        return (*self._reasons, *away)

    def add_reason(self, reason: str) -> None:
        """Have health name something that will not change while the process lives."""
        self._reasons[reason] = None

    @property
    def _prepared(self) -> WebSide:
        if self._side is None:
            raise RuntimeError("the web process is not prepared")
        return self._side


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
        redis = await self._held.enter_async_context(open_redis(_url(settings)))
        layer = await self._held.enter_async_context(_layer(settings))
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
        self._working = asyncio.create_task(self._worker.run())

    async def wait_failed(self) -> None:
        """Return when the node cannot go on. Raises `TakenOver` where another runs it."""
        if self._engine is None or self._working is None:
            raise RuntimeError("the worker has not begun")
        failing = asyncio.create_task(self._engine.wait_failed())
        try:
            await asyncio.wait((failing, self._working), return_when=asyncio.FIRST_COMPLETED)
            for task in (failing, self._working):
                _tell_why(task)
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
        self._database = database = _Contended(config)
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

    def __init__(self, config: Config) -> None:
        super().__init__(config)
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


def _url(settings: NodeSettings) -> str:
    if settings.redis_url is None:
        raise ConfigurationError(
            "GOSSIP_REDIS_URL is not set: it is what makes a node several processes"
        )
    return settings.redis_url


@asynccontextmanager
async def _layer(settings: NodeSettings) -> AsyncIterator[Layer]:
    backend = RedisPubSubChannelLayer(
        hosts=[layer_host(_url(settings))], prefix=settings.redis_prefix
    )
    layer = Layer(backend)
    yield layer
    with suppress(LayerFailed):
        await layer.close()


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


def _tell_why(task: asyncio.Task[None]) -> None:
    """Raise what ended it where that is for the operator; log a bug of ours."""
    error = None if task.cancelled() or not task.done() else task.exception()
    if isinstance(error, GossipError):
        raise error
    if error is not None:
        _log.error("relay_failed", exc_info=error)
