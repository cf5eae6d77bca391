"""A machine with a clock and a disk, on which one process after another runs a node."""

import random
from collections.abc import Callable

from gossip.core.config import Config
from gossip.core.events import Instant, RequestId, Restored, Started, WriteRequested
from gossip.sim.disk import Disk
from gossip.sim.process import Machine, Process
from gossip.sim.world import World

EPOCH = 1_800_000_000_000
"""Milliseconds of wall time when a simulation begins."""

MakeNode = Callable[[Config, random.Random], Machine]


class Host:
    """What outlives the process."""

    def __init__(self, name: str, config: Config, world: World, make_node: MakeNode) -> None:
        self.name = name
        self.config = config
        self.disk = Disk()
        self.skew = 0
        """Milliseconds by which the wall clock is ahead."""
        self.process: Process | None = None
        self._world = world
        self._make_node = make_node
        self._lives = 0
        if config.gossip_endpoint is not None:
            world.network.register(config.gossip_endpoint, name)

    @property
    def up(self) -> bool:
        """Whether a process runs here that nobody asked to stop."""
        return self.process is not None and self.process.alive and not self.process.stopping

    @property
    def node(self) -> Machine:
        """The node of the latest process. There must have been one."""
        if self.process is None:
            raise RuntimeError(f"{self.name} never started")
        return self.process.node

    def clock(self) -> Instant:
        """Now by both clocks of this host."""
        now = self._world.scheduler.now
        return Instant(now, EPOCH + int(now * 1000) + self.skew)

    def start(self) -> None:
        """Run a node on what the disk holds."""
        if self.process is not None and self.process.alive:
            raise RuntimeError(f"{self.name} is already running")
        disk, world = self.disk, self._world
        self._lives += 1
        rng = random.Random(f"{world.seed}/{self.name}/{self._lives}")  # noqa: S311  # to repeat
        node = self._make_node(self.config, rng)
        disk.incarnation = max(self.clock().wall, disk.incarnation + 1)
        process = self.process = Process(self.name, node, disk, world, self.clock)
        process.feed(Restored(tuple(disk.entries.values())))
        world.network.listen(process)
        process.feed(Started(disk.incarnation, disk.clock_floor, tuple(disk.peers.values())))
        world.ledger.check_restored(self.name, disk, node.get)

    def write(self, key: str, value: bytes | None, lifetime: int | None = None) -> RequestId | None:
        """Write or delete as a client of this node; None if nobody is there to ask."""
        if self.process is None or not self.up:
            return None
        request = self._world.ledger.ask(self.name, key, value, self.node.get(key))
        self.process.feed(WriteRequested(request, key, value, lifetime=lifetime))
        return request

    def stall(self, seconds: float) -> None:
        """Let the process do nothing for so long; what arrives waits."""
        if self.process is not None and self.up:
            self.process.stall(seconds)

    def kill(self, *, dark: bool) -> None:
        """End the process, or the power of the host."""
        if self.process is not None and self.process.alive:
            self.process.kill(dark=dark)

    def stop(self) -> None:
        """Ask the process to stop in order."""
        if self.process is not None and self.up:
            self.process.stop()

    def lose_disk(self) -> None:
        """Start the next process with nothing."""
        self.disk = Disk()
