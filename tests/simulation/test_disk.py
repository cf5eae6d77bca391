import random

from gossip.core.effects import Commit
from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.core.members import PeerRecord
from gossip.sim.conditions import Conditions
from gossip.sim.disk import Disk, Journal
from gossip.sim.scheduler import Scheduler


class Bench:
    """A journal on a disk, and what it called back."""

    def __init__(self) -> None:
        self.scheduler = Scheduler()
        self.disk = Disk()
        self.done: list[tuple[int, ...]] = []
        self.failed: list[tuple[int, ...]] = []
        self.journal = Journal(
            self.disk,
            self.scheduler,
            Conditions(fsync=0.001, write_behind=0.25),
            self.done.append,
            lambda requests, _: self.failed.append(requests),
        )

    def commit(self, request: int, version: int = 1) -> None:
        entry = Entry(f"key {request}", version, b"1")
        self.journal.commit(Commit(RequestId(request), entry, clock_floor=version))

    def run(self, seconds: float) -> None:
        self.scheduler.run_until(self.scheduler.now + seconds)


def test_a_commit_is_durable_after_one_fsync() -> None:
    bench = Bench()
    bench.commit(1, version=7)
    bench.run(0.0009)
    assert bench.done == []
    bench.run(0.0002)
    assert bench.done == [(1,)]
    assert (list(bench.disk.entries), bench.disk.clock_floor) == (["key 1"], 7)


def test_commits_that_wait_share_the_next_fsync() -> None:
    bench = Bench()
    for request in (1, 2, 3):
        bench.commit(request)
    bench.run(0.01)
    assert bench.done == [(1,), (2, 3)]


def test_a_failing_disk_fails_commits_and_keeps_what_is_written_behind() -> None:
    bench = Bench()
    bench.disk.failing = True
    bench.commit(1)
    bench.journal.store_entry(Entry("learned", 1, b"1"))
    bench.run(1)
    assert (bench.failed, bench.disk.entries) == ([(1,)], {})
    bench.disk.failing = False
    bench.run(1)
    assert list(bench.disk.entries) == ["learned"]


def test_a_crash_loses_what_waits_and_calls_nobody() -> None:
    bench = Bench()
    bench.journal.store_entry(Entry("learned", 1, b"1"))
    bench.commit(1)
    bench.commit(2)
    bench.journal.crash(random.Random(1))
    bench.run(1)
    assert bench.done == []
    assert bench.disk.entries.keys() <= {"key 1"}


def test_the_commit_under_way_at_a_crash_may_have_been_done() -> None:
    survived = []
    for seed in range(10):
        bench = Bench()
        bench.commit(1)
        bench.journal.crash(random.Random(seed))
        survived.append("key 1" in bench.disk.entries)
    assert set(survived) == {True, False}


def test_closing_writes_everything() -> None:
    bench = Bench()
    bench.commit(1)
    bench.journal.store_entry(Entry("learned", 1, b"1"))
    bench.journal.store_peer("n1", PeerRecord(node_id="n1"))
    bench.journal.close()
    assert bench.disk.entries.keys() == {"key 1", "learned"}
    assert list(bench.disk.peers) == ["n1"]


def test_a_forgotten_peer_is_gone() -> None:
    bench = Bench()
    bench.journal.store_peer("n1", PeerRecord(node_id="n1"))
    bench.run(1)
    bench.journal.store_peer("n1", None)
    bench.run(1)
    assert bench.disk.peers == {}


def test_the_disk_keeps_the_greater_entry() -> None:
    disk = Disk()
    disk.upsert(Entry("key", 2, b"2"))
    disk.upsert(Entry("key", 1, b"1"))
    assert disk.entries["key"].version == 2
    assert disk.holds(Entry("key", 1, b"1"))
    assert disk.holds(Entry("key", 2, b"2"))
    assert not disk.holds(Entry("key", 3, b"3"))
