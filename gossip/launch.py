"""Puts a node together: the one place that knows the core, the store and the transport at once.

Whoever serves the node's port walks a `Launch` through its life (`gossip.runtime.lifecycle`).
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from random import Random

import structlog

from gossip.admin.first_user import FirstUser, make_first_user
from gossip.conf import NodeSettings
from gossip.core.config import Config
from gossip.core.entries import Entry
from gossip.core.members import PeerRecord
from gossip.core.node import Node
from gossip.runtime.engine import Engine, Parts
from gossip.runtime.ports import Committed, Failed
from gossip.stores.directory import prepare_directory
from gossip.stores.identity import Identity, resolve
from gossip.stores.journal import BOUND, DatabaseJournal
from gossip.stores.loading import Life, begin_life, load_entries, load_peers
from gossip.stores.lock import EngineLock
from gossip.stores.migrating import prepare_database
from gossip.transport.client import WebsocketDialer
from gossip.transport.fetcher import HttpFetcher
from gossip.transport.resolver import Resolver

_log = structlog.get_logger("gossip")


class Launch:
    """The life of the node that these settings describe: a `Lifecycle`."""

    def __init__(self, settings: NodeSettings) -> None:
        self._settings = settings
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine, once `prepare` came so far as to build it."""
        if self._engine is None:
            raise RuntimeError("the node is not prepared")
        return self._engine

    async def prepare(self) -> None:
        """Take the data directory, bring the tables up to date, take over, load the state.

        Raises `ConfigurationError`; call `finish` then too.
        """
        # Shielded: a start that is broken off here must still learn of the lock that it holds.
        building = asyncio.create_task(asyncio.to_thread(prepare, self._settings))
        try:
            self._engine = await asyncio.shield(building)
        except asyncio.CancelledError:
            self._engine = await building
            raise
        await self._engine.prepare()

    async def begin(self) -> None:
        """The port is bound: dial the bootstrap peers."""
        await self.engine.begin()

    async def wait_failed(self) -> None:
        """Return when the node ended by a bug of ours; never otherwise.

        Raises `EpochOver` where another process has taken it over.
        """
        await self.engine.wait_failed()

    async def finish(self) -> None:
        """Leave, flush, let go, within four seconds. From any state."""
        if self._engine is not None:
            await self._engine.finish()


async def start(settings: NodeSettings) -> Engine:
    """Prepare and begin at once, for a server whose port is bound already.

    Raises `ConfigurationError`, with everything let go of.
    """
    launch = Launch(settings)
    async with AsyncExitStack() as held:
        held.push_async_callback(launch.finish)
        await launch.prepare()
        await launch.begin()
        held.pop_all()
    return launch.engine


async def stop(engine: Engine) -> None:
    """Leave, flush, let go, within four seconds."""
    await engine.finish()


def prepare(settings: NodeSettings) -> Engine:
    """Build the engine of these settings, which holds the data directory's lock until it finishes.

    Blocks: call it where no event loop runs. Raises `ConfigurationError`, and holds nothing then.
    """
    prepare_directory(settings.data_dir)
    lock = EngineLock(settings.data_dir)
    with ExitStack() as held:
        lock.acquire(settings.port)
        held.callback(lock.release)
        prepare_tables(settings)
        identity = identify(settings)
        config = settings.core(identity.node_id, identity.public_key)
        engine = Engine(parts(settings, config, Database(config), release=lock.release))
        held.pop_all()
    return engine


def identify(settings: NodeSettings) -> Identity:
    """Who this node is; made up and kept at its first start. Holding the data directory's lock."""
    identity = resolve(settings.node_id, settings.node_state_file, settings.data_dir)
    _log.info("node", node_id=identity.node_id, id_from=identity.source, pid=os.getpid())
    return identity


def prepare_tables(settings: NodeSettings) -> None:
    """Bring the tables up to date, with the first user in them where the settings name one."""
    prepare_database()
    if settings.superuser is not None:
        make_first_user(FirstUser(*settings.superuser))


def parts(
    settings: NodeSettings, config: Config, database: "Database", *, release: Callable[[], None]
) -> Parts:
    """What the engine of this node is made of. `release` is called once it has finished."""
    resolver = Resolver(allow=settings.dial_allow, deny=settings.dial_deny)
    return Parts(
        config=config,
        node=Node(config, Random()),  # noqa: S311  # seeds jitter and message ids, no secret
        past=database,
        journal=database.journal,
        dialer=WebsocketDialer(resolver),
        fetcher=HttpFetcher(resolver),
        release=release,
        backlog_bound=BOUND,
    )


class Database:
    """The node in Django's database: a `gossip.runtime.engine.Past`, and the journal behind it."""

    def __init__(self, config: Config, *, after_epoch: int = 0) -> None:
        """`after_epoch` is one that others saw, who would not listen to a lower one."""
        self._after_epoch = after_epoch
        self._node_id = config.node_id
        self._most_ahead = int(config.max_clock_skew * 1000)
        self._life: Life | None = None

    @property
    def epoch(self) -> int:
        """The epoch of this life, once it has begun."""
        if self._life is None:
            raise RuntimeError("no life has begun")
        return self._life.epoch

    def begin_life(self, wall: int) -> tuple[int, int]:
        self._life = begin_life(
            self._node_id, wall, most_ahead=self._most_ahead, after_epoch=self._after_epoch
        )
        return self._life.incarnation, self._life.clock_floor

    def entries(self) -> Iterator[tuple[Entry, ...]]:
        return load_entries()

    def peers(self) -> tuple[PeerRecord, ...]:
        return load_peers()

    def journal(self, committed: Committed, failed: Failed) -> DatabaseJournal:
        """The journal of this life."""
        return DatabaseJournal(committed, failed, epoch=self.epoch)
