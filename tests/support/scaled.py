"""One node in several processes: a Redis, web processes, workers; alone, or among others."""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.client import Client
from tests.support.cluster import comparable
from tests.support.ports import free_ports
from tests.support.process import Launch, NodeProcess
from tests.support.valkey import Valkey
from tests.support.waiting import eventually


class Worker(NodeProcess):
    """A worker; the port is that of a web process, which says when it serves."""

    starts = 0

    def command(self) -> list[str]:
        return [sys.executable, "manage.py", "rungossip", "--no-web"]

    def start(self) -> None:
        self.starts += 1
        super().start()

    def has_its_part(self) -> bool:
        """Whether it is active or stands by, since it was started last."""
        return "event=standing_by" in self._said or "event=taking_over" in self._said

    @property
    def epoch(self) -> int:
        """The epoch that it took over since it was started last; 0 where it did not."""
        _, taken, said = self._said.rpartition("event=taking_over epoch=")
        return int(said.split()[0]) if taken else 0

    @property
    def _said(self) -> str:
        """What it logged since it was started last."""
        *before, last = self.output.read_text().split("event=node ")
        return last if len(before) == self.starts else ""


class ScaledNode:
    """Web processes on ports of their own, and workers, over one directory and one Redis.

    As a context manager it starts them all, waits until they serve, and kills them in the end.
    Peers are told of the first web process.
    """

    def __init__(
        self, directory: Path, *, web: int, workers: int, settings: Mapping[str, str] | None = None
    ) -> None:
        directory.mkdir(parents=True)
        ports = free_ports(web)
        self.url = f"ws://localhost:{ports[0]}/ws"
        self.redis = Valkey(directory)
        self.data_dir = directory / "data"
        shared = {
            "GOSSIP_REDIS_URL": self.redis.url,
            "GOSSIP_DATA_DIR": str(self.data_dir),
            "GOSSIP_PUBLIC_URL": self.url,
            "PUBLIC_URL": f"http://localhost:{ports[0]}",
            **(settings or {}),
        }

        self.web = [
            NodeProcess(port, directory / f"web-{port}", launch=Launch.DAPHNE, settings=shared)
            for port in ports
        ]
        self.workers = [
            Worker(ports[0], directory / f"worker-{number}", settings=shared)
            for number in range(workers)
        ]

    def __enter__(self) -> Self:
        try:
            self.redis.start()
            for process in (*self.workers, *self.web):
                process.start()
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def clients(self) -> list[Client]:
        """One for each web process."""
        return [process.client for process in self.web]

    @property
    def active(self) -> Worker:
        """The worker that took over last, of those that run."""
        running = [worker for worker in self.workers if worker.is_running]
        active = max(running, key=lambda worker: worker.epoch, default=None)
        assert active is not None, "no worker runs"
        assert active.epoch, "no worker has taken over"
        return active

    def wait_ready(self, within: float = 30.0) -> None:
        """Return once all web processes that run serve, and all workers are active or stand by."""
        for process in self.web:
            if process.is_running:
                process.wait_ready(within)
        for worker in self.workers:
            if worker.is_running:
                eventually(worker.has_its_part, within=within)

    def wait_for_active(self, other_than: Worker) -> Worker:
        """The worker that takes over from this one."""

        def taken_over() -> Worker:
            active = self.active
            assert active is not other_than
            return active

        return eventually(taken_over, within=20)

    def kill(self) -> None:
        """End all processes."""
        for process in (*self.web, *self.workers):
            process.kill()
        self.redis.kill()


class Mixed:
    """A scaled node and two embedded ones, which know it."""

    def __init__(self, directory: Path, settings: Mapping[str, str]) -> None:
        self.scaled = ScaledNode(directory / "scaled", web=3, workers=2, settings=settings)
        settings = {**settings, "GOSSIP_BOOTSTRAP_PEERS": self.scaled.url}
        self.embedded = [
            NodeProcess(port, directory / f"node-{port}", settings=settings)
            for port in free_ports(2)
        ]

    @property
    def clients(self) -> list[Client]:
        """Of every process that answers."""
        return [*self.scaled.clients, *(node.client for node in self.embedded)]

    def wait_whole(self) -> None:
        """Return once every node lists the two others as active, whichever process is asked."""

        def whole() -> bool:
            ids = {client.node_id() for client in self.clients}
            for client in self.clients:
                statuses = client.statuses()
                active = {name for name, status in statuses.items() if status == "active"}
                assert ids - {client.node_id()} <= active, (client.port, statuses)
            return len(ids) == 1 + len(self.embedded)

        eventually(whole, within=30)

    def wait_equal(self) -> dict[str, Any]:
        """Return the state once every process tells the same."""

        def equal() -> dict[str, Any]:
            first, *rest = (comparable(client.state()) for client in self.clients)
            for other in rest:
                assert other == first
            return first

        return eventually(equal, within=20)

    def revive(self) -> None:
        """Start what does not run, and wait until all are one cluster."""
        if not self.scaled.redis.is_running:
            self.scaled.redis.start()
        for process in (*self.scaled.workers, *self.scaled.web, *self.embedded):
            if process.is_running:
                # A test that failed may have left it paused.
                process.resume()
            else:
                process.start()
        self.scaled.wait_ready()
        for node in self.embedded:
            node.wait_ready()
        self.wait_whole()

    def kill(self) -> None:
        self.scaled.kill()
        for node in self.embedded:
            node.kill()
