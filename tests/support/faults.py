"""What a scaled node must not lose while its parts fail: a load, and two witnesses."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count

from tests.support.client import Client
from tests.support.ledger import Ledger
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


@contextmanager
def database_held(mixed: Mixed) -> Iterator[None]:
    """Meanwhile nobody else has a transaction open that writes."""
    with closing(journal(mixed)) as database:
        database.isolation_level = None
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("ROLLBACK")


@contextmanager
def standing_by(mixed: Mixed, worker: Worker) -> Iterator[None]:
    """Have this worker in the place of the standby, ready to take over."""
    workers = mixed.scaled.workers
    active = mixed.scaled.active
    usual = next(each for each in workers if each is not active)
    usual.kill()
    workers[workers.index(usual)] = worker
    try:
        worker.start()
        eventually(worker.has_its_part, within=30)
        yield
    finally:
        worker.kill()
        workers[workers.index(worker)] = usual
