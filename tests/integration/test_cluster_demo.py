"""`make cluster`: a cluster for people, which leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from gossipnode.cluster import PORTS
from tests.support.client import Client
from tests.support.ports import free_row
from tests.support.process import ROOT, clean_environment
from tests.support.waiting import eventually


class Demo:
    """The program, what it has said, and whatever it has started."""

    def __init__(self, temporary: Path, port: int) -> None:
        self._directory = temporary
        self.program = subprocess.Popen(
            [sys.executable, "-m", "gossipnode.cluster"],
            cwd=ROOT,
            env=clean_environment()
            | {"PORT": str(port), "TMPDIR": str(temporary), "GOSSIP_LEASE_TERM": "1000"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.told = ""

    def read_until(self, end: str) -> str:
        """All that it says, up to a line with this in it."""
        assert self.program.stdout is not None
        for line in self.program.stdout:
            self.told += line
            if end in line:
                return self.told
        raise AssertionError(f"it ended:\n{self.told}")

    def processes(self) -> list[int]:
        """Of those that it started, the ones that run: they are told of its directory."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            except OSError:
                continue  # it ended, or is about to
            if os.fsencode(self._directory) in about and int(process.name) != self.program.pid:
                found.append(int(process.name))
        return found

    def leaves_nothing(self) -> bool:
        """Whether none of them runs; else a failure shows the logs."""
        left = self.processes()
        logs = {log.name: log.read_text()[-600:] for log in self._directory.glob("*/*.log")}
        assert not left, logs
        return True


@contextmanager
def demo(temporary: Path, port: int) -> Iterator[Demo]:
    shown = Demo(temporary, port)
    try:
        yield shown
    finally:
        shown.program.kill()
        for pid in shown.processes():
            os.kill(pid, signal.SIGKILL)
        shown.program.communicate()


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A place with a short name: that of a socket file is bounded."""
    with TemporaryDirectory(prefix="demo-") as directory:
        yield Path(directory)


def test_it_shows_one_cluster_and_leaves_nothing(temporary: Path) -> None:
    with demo(temporary, free_row(PORTS).start) as shown:
        told = shown.read_until("Ctrl-C")
        clients = [Client(int(port)) for port in re.findall(r"http://localhost:(\d+)/ ", told)]
        assert len(clients) == PORTS
        write, read = re.findall(r"^  (curl .*)$", told, re.MULTILINE)
        assert curl(write)["success"]
        eventually(lambda: curl(read) == {"success": True, "data": "hello"})
        assert len({client.node_id() for client in clients}) == 3
        assert len(shown.processes()) == 7, "six and a Redis server"
        # The worker that started the server, which nobody else would stop.
        (worker,) = re.findall(r"a worker, pid (\d+)", told)
        os.kill(int(worker), signal.SIGKILL)
        shown.read_until("worker-1 ended (SIGKILL)")
        eventually(lambda: clients[-1].post("after", 1).status == 201, within=20)
        shown.program.send_signal(signal.SIGINT)
        assert shown.program.wait(20) == 0
        assert shown.processes() == []
        assert list(temporary.iterdir()) == []


def test_what_it_started_ends_with_it_even_when_it_is_killed(temporary: Path) -> None:
    with demo(temporary, free_row(PORTS).start) as shown:
        shown.read_until("starting")
        # All but the standby, which comes last.
        eventually(lambda: len(shown.processes()) == 6, within=20)
        shown.program.kill()
        eventually(shown.leaves_nothing, within=20)


def test_a_port_that_is_taken_is_named(temporary: Path) -> None:
    first, _, taken, _ = free_row(PORTS)
    with socket.create_server(("127.0.0.1", taken)), demo(temporary, first) as shown:
        told = shown.read_until("gossipnode: ")
        assert f"{taken} cannot be bound (Address already in use)" in told
        assert shown.program.wait(10) == 1
        assert list(temporary.iterdir()) == []


def curl(command: str) -> Any:
    done = subprocess.run(
        ["sh", "-c", command.replace("curl", "curl -s", 1)], check=True, capture_output=True
    )
    return msgspec.json.decode(done.stdout)
