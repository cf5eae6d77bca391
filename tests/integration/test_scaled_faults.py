"""A scaled node under write load, and what may happen to its processes and its Redis."""

import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import count
from typing import Self

import pytest

from tests.support.client import Client
from tests.support.halting import STEPS, WRITING
from tests.support.ledger import Ledger
from tests.support.process import NodeProcess
from tests.support.scaled import Mixed, Worker
from tests.support.waiting import eventually

_numbers = count(1)


class Load:
    """Writers of keys that nobody wrote before, at every web process unless `choose` says where."""

    def __init__(self, mixed: Mixed, choose: Callable[[int], Client] | None = None) -> None:
        self.ledger = Ledger()
        self._choose = choose or mixed.scaled.clients.__getitem__
        self._stop = threading.Event()
        self._prefix = f"load-{next(_numbers)}"
        self._threads = [
            threading.Thread(target=self._write, args=(number,), daemon=True)
            for number in range(len(mixed.scaled.web))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()
        self.wait_for_more()

    def wait_for_more(self, more: int = 50) -> None:
        """Return once so many more writes are acknowledged."""
        wanted = self.ledger.acknowledged + more
        eventually(lambda: self.ledger.acknowledged >= wanted, within=30)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, number: int) -> None:
        for written in count():
            if self._stop.wait(0.005):
                return
            # A key is written once: whatever was written twice would show in its version.
            with suppress(OSError):
                self.ledger.write(
                    self._choose(number), f"{self._prefix}/{number}/{written}", written
                )


@contextmanager
def written_to(mixed: Mixed, choose: Callable[[int], Client] | None = None) -> Iterator[Load]:
    """Write throughout; in the end nothing that was acknowledged is lost or written twice."""
    load = Load(mixed, choose)
    load.start()
    try:
        yield load
    finally:
        load.stop()
    mixed.revive()
    state = mixed.wait_equal()
    assert load.ledger.lost(state) == []
    assert load.ledger.odd == []
    versions = load.ledger.versions()
    assert {key: state[key]["version"] for key in versions} == versions


def journal(mixed: Mixed) -> sqlite3.Connection:
    return sqlite3.connect(mixed.scaled.data_dir / "gossip.sqlite3", timeout=20)


@contextmanager
def audited(mixed: Mixed) -> Iterator[None]:
    """Have the database note what every transaction does; no epoch comes back that was over.

    Every transaction of a journal begins with an update of the node's row under its own epoch.
    """
    with closing(journal(mixed)) as database, database:
        database.executescript(
            """
            DROP TABLE IF EXISTS audit;
            CREATE TABLE audit
                (number INTEGER PRIMARY KEY, epoch INTEGER, key TEXT, version INTEGER);
            CREATE TRIGGER IF NOT EXISTS audit_node AFTER UPDATE ON gossip_node BEGIN
                INSERT INTO audit (epoch) VALUES (NEW.epoch); END;
            CREATE TRIGGER IF NOT EXISTS audit_new AFTER INSERT ON gossip_entry BEGIN
                INSERT INTO audit (key, version) VALUES (NEW.key, NEW.version); END;
            CREATE TRIGGER IF NOT EXISTS audit_old AFTER UPDATE ON gossip_entry BEGIN
                INSERT INTO audit (key, version) VALUES (NEW.key, NEW.version); END;
            """
        )
    yield
    with closing(journal(mixed)) as database, database:
        rows = database.execute("SELECT epoch, key, version FROM audit ORDER BY number").fetchall()
        database.executescript(
            "DROP TRIGGER audit_node; DROP TRIGGER audit_new; DROP TRIGGER audit_old"
        )
    epochs = [epoch for epoch, _, _ in rows if epoch is not None]
    assert epochs == sorted(epochs)
    assert rows[0][0] is not None, "entries were written before the epoch was checked"
    written = [(key, version) for _, key, version in rows if key is not None]
    assert len(written) == len(set(written)), "an entry was written twice"


def dialed_links(mixed: Mixed) -> list[int]:
    """How many connections each embedded node has opened and closed."""
    return [node.client.stats()["linksOpened"] for node in mixed.embedded]


def test_a_worker_that_is_killed_is_replaced_and_no_peer_connects_again(mixed: Mixed) -> None:
    node_id = mixed.scaled.clients[0].node_id()
    before = dialed_links(mixed)
    with audited(mixed), written_to(mixed) as load:
        active = mixed.scaled.active
        active.kill()
        mixed.scaled.wait_for_active(active)
        load.wait_for_more()
        for node in mixed.embedded:
            # Silence for some seconds is suspicious; the node was not given up.
            assert node.client.statuses()[node_id] in {"active", "suspected"}
        mixed.wait_whole()
        assert dialed_links(mixed) == before


def test_a_worker_that_stops_hands_over_and_does_not_leave(mixed: Mixed) -> None:
    node_id = mixed.scaled.clients[0].node_id()
    before = dialed_links(mixed)
    with audited(mixed), written_to(mixed) as load:
        active = mixed.scaled.active
        assert active.stop() == 0
        mixed.scaled.wait_for_active(active)
        load.wait_for_more()
        for node in mixed.embedded:
            assert node.client.statuses()[node_id] == "active"
        assert dialed_links(mixed) == before


def test_a_worker_that_was_paused_beyond_its_lease_ends(mixed: Mixed) -> None:
    with audited(mixed), written_to(mixed) as load:
        active = mixed.scaled.active
        active.pause()
        mixed.scaled.wait_for_active(active)
        load.wait_for_more()
        active.resume()
        assert active.wait_ended() == 1
        load.wait_for_more()
    told = [line for line in active.output.read_text().splitlines() if "gossipnode: " in line]
    assert "another" in told[-1]
    assert "Traceback" not in active.output.read_text()


def test_a_web_process_that_is_killed_takes_its_own_connections_only(mixed: Mixed) -> None:
    node_id = mixed.scaled.clients[1].node_id()
    with audited(mixed), written_to(mixed) as load:
        mixed.scaled.web[0].kill()
        load.wait_for_more()
        for node in mixed.embedded:
            assert node.client.statuses()[node_id] in {"active", "suspected"}
        mixed.revive()


class Balancer:
    """Sends requests to web processes that were ready when it looked last."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients
        self._ready = list(clients)
        self._stop = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._looking.join()

    def choose(self, number: int) -> Client:
        ready = self._ready
        return ready[number % len(ready)]

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self._ready = [client for client in self._clients if client.is_ready()]


def test_web_processes_are_replaced_one_by_one_without_a_failed_request(mixed: Mixed) -> None:
    with (
        Balancer(mixed.scaled.clients) as balancer,
        audited(mixed),
        written_to(mixed, balancer.choose) as load,
    ):
        for process in mixed.scaled.web:
            assert process.stop() == 0
            process.start()
            process.wait_ready()
            load.wait_for_more()
    assert (load.ledger.refused, load.ledger.unanswered) == (0, 0)


def test_a_redis_that_restarts_empty_is_filled_again(mixed: Mixed) -> None:
    active = mixed.scaled.active
    with audited(mixed), written_to(mixed) as load:
        mixed.scaled.redis.restart()
        load.wait_for_more()
        assert mixed.scaled.active is active
        for client in mixed.scaled.clients:
            eventually(partial(keeps_all, client, load))


def keeps_all(client: Client, load: Load) -> bool:
    return load.ledger.lost(client.state()) == []


def test_a_redis_that_hangs_delays_and_loses_nothing(mixed: Mixed) -> None:
    with audited(mixed), written_to(mixed) as load:
        with mixed.scaled.redis.paused():
            # What was under way is given up, and nothing more is taken.
            answer = eventually(lambda: refused(mixed), within=20)
            assert answer
        load.wait_for_more()


def refused(mixed: Mixed) -> bool:
    """Whether a web process says that it cannot write."""
    answer = mixed.scaled.clients[0].post("while Redis hangs", 1)
    return answer.status == 503 and "Retry-After" in answer.headers


def test_without_a_worker_reads_go_on_and_say_how_old_they_are(mixed: Mixed) -> None:
    client = mixed.scaled.clients[0]
    client.set("known", 1)
    for worker in mixed.scaled.workers:
        worker.kill()
    eventually(lambda: client.post("new", 1).status == 503)
    read = client.read("known")
    assert (read.status, read.json["data"]) == (200, 1)
    eventually(lambda: int(client.read("known").headers.get("Age", "0")) > 0)
    assert not client.is_ready()
    assert any("worker" in reason for reason in client.health()["reasons"])


class HaltingWorker(Worker):
    """A worker that stops itself."""

    def __init__(self, like: NodeProcess, step: str, number: signal.Signals) -> None:
        name = f"halting-{next(_numbers)}"
        super().__init__(like.port, like.data_dir.with_name(name), settings=like.settings)
        self.step = step
        self.number = number

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.support.halting", self.step, self.number.name, "20"]


@contextmanager
def halting_worker(mixed: Mixed, step: str, number: signal.Signals) -> Iterator[HaltingWorker]:
    """One that halts in the place of the standby, which is active next."""
    workers = mixed.scaled.workers
    active = mixed.scaled.active
    standby = next(worker for worker in workers if worker is not active)
    standby.kill()
    halting = HaltingWorker(standby, step, number)
    workers[workers.index(standby)] = halting
    try:
        halting.start()
        eventually(lambda: "standing_by" in halting.tail(), within=20)
        yield halting
    finally:
        halting.kill()
        workers[workers.index(halting)] = standby


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda it: it.name)
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_halts_within_a_write_loses_and_doubles_nothing(
    mixed: Mixed, step: str, number: signal.Signals
) -> None:
    other = mixed.scaled.active
    with (
        audited(mixed),
        written_to(mixed) as load,
        halting_worker(mixed, step, number) as halting,
    ):
        assert other.stop() == 0
        mixed.scaled.wait_for_active(other)
        other.start()
        mixed.scaled.wait_for_active(halting)
        load.wait_for_more()
        if number is signal.SIGSTOP:
            halting.resume()
            assert halting.wait_ended() == 1
            load.wait_for_more()


def test_a_worker_that_is_paused_within_a_transaction_is_waited_for(mixed: Mixed) -> None:
    other = mixed.scaled.active
    with (
        audited(mixed),
        written_to(mixed) as load,
        halting_worker(mixed, WRITING, signal.SIGSTOP) as halting,
    ):
        assert other.stop() == 0
        mixed.scaled.wait_for_active(other)
        other.start()
        eventually(lambda: "take_over_waits" in other.tail(), within=30)
        halting.resume()
        assert halting.wait_ended() == 1
        mixed.scaled.wait_for_active(halting)
        load.wait_for_more()
