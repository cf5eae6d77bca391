"""Server processes and raw sockets for tests."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

ROOT = Path(__file__).parents[2]
STANDALONE = [sys.executable, str(ROOT / "tests" / "runtime" / "standalone.py")]
DEADLINE = 20.0
"""Seconds for anything that must happen; more than a busy machine needs."""

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Process:
    """A child process whose output is read as it comes."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> None:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GOSSIP_", "P2P_", "NODE_")) and name not in {"PORT", "HOST"}
        }
        self.child = subprocess.Popen(
            command,
            cwd=cwd,
            env={**inherited, "PYTHONPATH": str(ROOT), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str) -> str:
        """Return the first line that has this text in it, once there is one."""
        until = time.monotonic() + DEADLINE
        with self._news:
            while True:
                for line in self.lines:
                    if text in line:
                        return line
                left = until - time.monotonic()
                if left <= 0 or not self._news.wait_for(lambda: text in self.text, left):
                    raise AssertionError(f"no {text!r} in:\n{self.text}")

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.child.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Return the exit code, once the process ended and everything it said was read."""
        code = self.child.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    def kill(self) -> None:
        """End it whatever it does."""
        if self.child.poll() is None:
            self.child.kill()
        self.ended()
        assert self.child.stdout is not None
        self.child.stdout.close()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()


@contextmanager
def running(
    command: Sequence[str], env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[Process]:
    """Start a process and see that it is gone afterwards."""
    process = Process(command, env, cwd)
    try:
        yield process
    finally:
        process.kill()


@contextmanager
def served(mode: str, *options: str) -> Iterator[tuple[Process, int]]:
    """Run the standalone server; yields it and its port."""
    with running([*STANDALONE, mode, *options]) as process:
        yield process, int(process.wait_for("listening on").split()[-1])


def link(port: int, path: str = "/ws", **options: Any) -> ClientConnection:
    """Open a WebSocket to a server on this machine."""
    options = {"compression": None, "proxy": None, "max_size": None, "close_timeout": 1, **options}
    connection: ClientConnection = connect(f"ws://127.0.0.1:{port}{path}", **options)
    return connection


def opened(port: int, first: bytes = b"") -> socket.socket:
    """Open a bare socket, and send something."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    sock.sendall(first)
    return sock


def request(port: int, method: str, path: str, **options: Any) -> tuple[int, bytes]:
    """Make an HTTP request; return status and body."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        client.request(method, path, **options)
        response = client.getresponse()
        return response.status, response.read()
    finally:
        client.close()


def listens(port: int) -> bool:
    """Whether anybody takes connections there."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
