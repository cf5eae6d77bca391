import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gossip.core.errors import ConfigurationError
from gossip.stores.lock import EngineLock

HOLDER = """
import subprocess, sys
from pathlib import Path
from gossip.stores.lock import EngineLock

lock = EngineLock(Path(sys.argv[1]))
lock.acquire(4001)
child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that holds the lock, and a program that it started."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        yield process, child
    finally:
        os.kill(child, signal.SIGKILL)
        process.kill()
        process.communicate()


def test_a_second_engine_is_told_who_runs_the_node(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, _):
        with pytest.raises(ConfigurationError) as refusal:
            EngineLock(tmp_path).acquire(4002)
        text = str(refusal.value)
    assert f"process {process.pid}" in text
    assert "http://localhost:4001" in text
    assert "another GOSSIP_DATA_DIR" in text
    assert "\n" not in text


def test_kill_frees_the_lock_although_a_program_it_started_lives_on(tmp_path: Path) -> None:
    with holder(tmp_path) as (process, child):
        process.kill()
        process.wait()
        os.kill(child, 0)
        EngineLock(tmp_path).acquire(4002)
    assert json.loads((tmp_path / "engine.lock").read_text())["pid"] == os.getpid()


def test_a_refused_engine_leaves_the_holder_named(tmp_path: Path) -> None:
    EngineLock(tmp_path).path.write_text("left by a crash")
    first = EngineLock(tmp_path)
    first.acquire(4001)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="on port 4001"):
            EngineLock(tmp_path).acquire(4002)
    first.release()
    EngineLock(tmp_path).acquire(4002)


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff"])
def test_a_holder_that_has_not_written_yet_is_respected_too(tmp_path: Path, text: bytes) -> None:
    first = EngineLock(tmp_path)
    first.acquire(4001)
    first.path.write_bytes(text)
    with pytest.raises(ConfigurationError, match="in use by another process"):
        EngineLock(tmp_path).acquire(4002)
    first.release()


def test_releasing_what_is_not_held_does_nothing(tmp_path: Path) -> None:
    lock = EngineLock(tmp_path)
    lock.release()
    lock.acquire(4001)
    lock.release()
    lock.release()


def test_a_lock_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "engine.lock").mkdir()
    with pytest.raises(ConfigurationError, match=r"^GOSSIP_DATA_DIR=.* \(Is a directory\)$"):
        EngineLock(tmp_path).acquire(4001)


def test_workers_share_a_directory(tmp_path: Path) -> None:
    first, second = EngineLock(tmp_path), EngineLock(tmp_path)
    first.acquire(4001, shared=True)
    second.acquire(4002, shared=True)
    assert json.loads(first.path.read_text()) | {"since": ""} == {
        "pid": os.getpid(),
        "port": 4002,
        "since": "",
        "shared": True,
    }
    second.release()
    first.release()


def test_an_embedded_node_shares_with_no_worker(tmp_path: Path) -> None:
    first, second = EngineLock(tmp_path), EngineLock(tmp_path)
    first.acquire(4001, shared=True)
    second.acquire(4001, shared=True)
    for worker in (first, second):
        with pytest.raises(ConfigurationError, match=r"is a worker .* set GOSSIP_REDIS_URL"):
            EngineLock(tmp_path).acquire(4002)
        worker.release()
    EngineLock(tmp_path).acquire(4002)


def test_a_worker_shares_with_no_embedded_node(tmp_path: Path) -> None:
    embedded = EngineLock(tmp_path)
    embedded.acquire(4001)
    with pytest.raises(ConfigurationError, match="on port 4001"):
        EngineLock(tmp_path).acquire(4002, shared=True)
    embedded.release()
    EngineLock(tmp_path).acquire(4002, shared=True)
