"""The life of one node in one process.

    prepare   begin a new life, load the state in slices          the port is bound meanwhile
    begin     the node starts: bootstrap peers are dialed         `serving.running()` finds it
    finish    writes answered, `leave` sent, links closed, journal flushed, lock released

`finish` works from every state, and any number of times. When the node fails by a bug of ours, or
when another process has taken it over, the engine finishes by itself and `wait_failed` tells: the
process is to exit with an error. One that was taken over does not `leave`: it lives on elsewhere.
"""

import asyncio
import concurrent.futures
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import msgspec
import structlog

from gossip.core.conditions import Condition
from gossip.core.config import Config
from gossip.core.entries import Entry
from gossip.core.errors import WriteRefused
from gossip.core.events import Restored, Started
from gossip.core.members import PeerRecord
from gossip.runtime import serving
from gossip.runtime.driver import BACKLOG_BOUND, Door, Driver, JournalFactory
from gossip.runtime.feed import WatchCounts
from gossip.runtime.in_process import InProcessPort
from gossip.runtime.ports import Dialer, Fetcher, Guard, Hub, Mirror, NodePort, TakenOver
from gossip.runtime.timers import instant
from gossip.runtime.vitals import Vitals
from gossip.runtime.watch import Interest, Watch

_log = structlog.get_logger("gossip")

DIAL_AFTER = 0.5
"""Seconds that a node waits for links which other processes hold: they tell within a tenth."""

LEAVE_WITHIN = 1.0
"""Seconds that a stop waits for the node to leave, which takes as long as what is before it."""

T = TypeVar("T")


class Past(Protocol):
    """What earlier lives left in the store. Its methods block; they run in a thread, in order."""

    def begin_life(self, wall: int) -> tuple[int, int]:
        """The next incarnation, made durable, and the clock floor, in milliseconds (M1, E2).

        From now on no earlier life stores anything: what the others return is all there is.
        """

    def entries(self) -> Iterator[tuple[Entry, ...]]:
        """All entries, in slices that the node takes in a few milliseconds."""

    def peers(self) -> tuple[PeerRecord, ...]:
        """The members remembered (M7)."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What an engine is made of. `gossip.launch` puts it together."""

    config: Config
    node: Door
    past: Past
    journal: JournalFactory
    dialer: Dialer
    fetcher: Fetcher
    release: Callable[[], None]
    """Gives up the engine lock."""
    backlog_bound: int = BACKLOG_BOUND


class Engine:
    """One node, its driver and its store."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._driver: Driver | None = None
        self._port: NodePort | None = None
        self._started: Started | None = None
        self._running: asyncio.Task[None] | None = None
        self._storing: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._failed = asyncio.Event()
        self._conditions: dict[str, None] = {}
        self._stays = False
        """Whether the node lives on in another process, and does not leave."""
        self._resign: Callable[[], None] = lambda: None
        self.error: BaseException | None = None
        """What ended the node: `TakenOver`, or a bug of ours."""

    @property
    def hub(self) -> Hub:
        """Where transports bring their connections. Once prepared."""
        return self._prepared

    @property
    def port(self) -> NodePort:
        """What services ask. Once prepared."""
        if self._port is None:
            raise RuntimeError("the engine is not prepared")
        return self._port

    @property
    def ready(self) -> bool:
        """Whether the node runs, its store works, and neither stops."""
        return (
            self._running is not None
            and self._ending is None
            and self.error is None
            and self._prepared.journal.error is None
        )

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong around the node, for people."""
        reasons = list(self._conditions)
        if self._driver is not None and self._driver.journal.error is not None:
            reasons.append(f"journal: {self._driver.journal.error}")
        if self._ending is not None:
            reasons.append("stopping")
        return tuple(reasons)

    def vitals(self) -> Vitals:
        """See `NodePort.vitals`."""
        driver = self._prepared
        return Vitals(
            loop_lag=driver.timer_lag,
            commits=driver.journal.commit_seconds.read(),
            backlog=driver.journal.backlog,
            journal_failing=driver.journal.error is not None,
            writes_waiting=driver.writes_waiting,
            events_waiting=driver.events_waiting,
            outbound_waiting=driver.outbound_waiting,
        )

    def add_reason(self, reason: str) -> None:
        """Have health name something that will not change while the process lives."""
        self._conditions[reason] = None

    async def write(
        self,
        key: str,
        value: bytes | None,
        only_if: Condition | None = None,
        lifetime: int | None = None,
    ) -> Entry:
        """See `NodePort.write`."""
        if self._running is None:
            raise WriteRefused("stopping", "the node has not started")
        return await self._prepared.write(key, value, only_if, lifetime)

    async def drop_aside(self, key: str) -> None:
        """See `NodePort.drop_aside`."""
        self._prepared.drop_aside(key)

    async def forget(self, node_id: str) -> None:
        """See `NodePort.forget`."""
        self._prepared.forget(node_id)

    def watch(
        self, interest: Interest, after: str | None, reader: asyncio.AbstractEventLoop
    ) -> Watch:
        """See `NodePort.watch`."""
        return self._prepared.feed.watch(interest, after, reader)

    @property
    def watch_counts(self) -> WatchCounts:
        """See `NodePort.watch_counts`."""
        return self._prepared.feed.counts

    async def prepare(self) -> None:
        """Take the node over and load its state.

        Raises what the store raises; call `finish` then too.
        """
        node, past = self._parts.node, self._parts.past
        thread = concurrent.futures.ThreadPoolExecutor(1, "restore")
        try:
            life = await _in(thread, lambda: past.begin_life(instant().wall))
            slices = past.entries()
            while (entries := await _in(thread, lambda: next(slices, None))) is not None:
                # Wants nothing done: a node keeps silent until it is started.
                node.handle(Restored(entries), instant())
            peers = await _in(thread, past.peers)
        finally:
            # Who breaks the start off does not wait for the store.
            thread.shutdown(wait=False)
        incarnation, clock_floor = life
        self._started = Started(incarnation, clock_floor, peers)
        self._driver = Driver(
            node,
            dialer=self._parts.dialer,
            fetcher=self._parts.fetcher,
            journal=self._parts.journal,
            pending_writes=self._parts.config.limits.pending_writes,
            backlog_bound=self._parts.backlog_bound,
        )
        self._port = InProcessPort(node, self)

    def share(self, mirror: Mirror, guard: Guard, resign: Callable[[], None]) -> None:
        """Be one of several processes that may run this node. Between `prepare` and `begin`.

        `resign` is called once, before the links are closed, where the node lives on in another.
        Peers that are connected elsewhere are told of before any is dialed.
        """
        if self._started is None:
            raise RuntimeError("the engine is not prepared")
        self._started = msgspec.structs.replace(self._started, dial_after=DIAL_AFTER)
        self._prepared.mirror = mirror
        self._prepared.guard = guard
        self._resign = resign

    async def begin(self) -> None:
        """Start the node; the port that its peers dial is bound."""
        if self._started is None:
            raise RuntimeError("the engine is not prepared")
        serving.register(self)
        self._prepared.start(self._started)
        self._running = asyncio.create_task(self._prepared.run())
        self._running.add_done_callback(self._part_ended)
        self._storing = asyncio.create_task(self._prepared.journal.wait_ended())
        self._storing.add_done_callback(self._part_ended)

    async def finish(self, *, leave: bool = True) -> None:
        """Leave the cluster and let go of everything, within four seconds.

        Without `leave` another process is about to go on where this one stops.
        """
        if self._ending is None:
            self._stays = not leave
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    async def wait_failed(self) -> None:
        """Wait until the node fails by a bug of ours; `error` says what happened.

        Raises `TakenOver` where another process has taken it over.
        """
        await self._failed.wait()
        if isinstance(self.error, TakenOver):
            raise self.error

    @property
    def _prepared(self) -> Driver:
        if self._driver is None:
            raise RuntimeError("the engine is not prepared")
        return self._driver

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, TakenOver):
            _log.error("taken_over", detail=str(error))
        else:
            _log.error("node_failed", exc_info=error)
        self.error = error
        self._stays = self._stays or isinstance(error, TakenOver)
        self._failed.set()
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        try:
            if self._driver is not None:
                await self._end_driver(self._driver)
        finally:
            self._parts.release()
            serving.unregister(self)
            if self.error is None and self._running is not None:
                _log.info("stopped")

    async def _end_driver(self, driver: Driver) -> None:
        # First, so that no server waits for an answer that has no end.
        driver.feed.close()
        if self._stays:
            driver.stay()
        if self._running is not None and not self._running.done():
            if self.error is None:
                _log.info("stopping")
            if not isinstance(self.error, TakenOver):
                await driver.settle()
            if self._stays:
                self._running.cancel()
            else:
                driver.leave()
            # Its error, if it fails now, is told by `_part_ended`.
            _, late = await asyncio.wait((self._running,), timeout=LEAVE_WITHIN)
            if late:
                # It may not be sure that the node is still ours.
                self._running.cancel()
                await asyncio.wait((self._running,))
        if self._stays:
            self._resign()
        await driver.close()
        if self._storing is not None:
            # A store that hangs may keep its thread for ever.
            self._storing.cancel()


async def _in(thread: concurrent.futures.Executor, call: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, call)
