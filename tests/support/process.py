"""One node as a real process, under any of the documented launches."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import BinaryIO, ClassVar

from gossip.variables import VARIABLES
from tests.support.client import Client
from tests.support.waiting import eventually

ROOT = Path(__file__).parent.parent.parent

_APPLICATION = "gossipnode.asgi:application"
_TAIL = 4_000
_TICKS = os.sysconf("SC_CLK_TCK")


class Launch(Enum):
    """How a node is started."""

    RUNGOSSIP = "rungossip"
    DAPHNE = "daphne"
    UVICORN = "uvicorn"

    def command(self, port: int) -> list[str]:
        """The command line for this port; `PORT` is in the environment as well."""
        match self:
            case Launch.RUNGOSSIP:
                return [sys.executable, "manage.py", "rungossip"]
            case Launch.DAPHNE:
                return [sys.executable, "-m", "daphne", "-p", str(port), _APPLICATION]
            case Launch.UVICORN:
                options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
                return [sys.executable, "-m", "uvicorn", *options, _APPLICATION]


def sockets() -> dict[tuple[int, int], str]:
    """The TCP sockets of this machine (IPv4), as `NodeProcess.open_files` names them.

    By their own port and that of the other end.
    """
    found: dict[tuple[int, int], str] = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        here, there = (int(address.rpartition(":")[2], 16) for address in fields[1:3])
        found[here, there] = f"socket:[{fields[9]}]"
    return found


def resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used, in steps of a hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def suspend(pid: int) -> None:
    """Let a process do nothing (SIGSTOP); return once it does.

    One of its threads takes the signal, and until it does the others go on.
    """
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: set(_thread_states(pid)) == {"T"})


def _thread_states(pid: int) -> list[str]:
    """What each thread of a process does, in the letters of proc(5)."""
    found: list[str] = []
    for thread in Path(f"/proc/{pid}/task").glob("*/stat"):
        # It may end between the two looks.
        with suppress(FileNotFoundError, ProcessLookupError):
            found.append(thread.read_text().rpartition(")")[2].split()[0])
    return found


def clean_environment() -> dict[str, str]:
    """Our environment without the settings of a node."""
    ours = {variable.name for variable in VARIABLES}
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith(("GOSSIP_", "P2P_", "DJANGO_"))
    }


class NodeProcess:
    """A node with its port and its data directory, which outlive its process.

    Its output is appended to a file beside the directory.
    """

    running: ClassVar[dict[int, "NodeProcess"]] = {}
    """All that run, by process id: whoever reports a failure shows their output."""

    def __init__(
        self,
        port: int,
        data_dir: Path,
        *,
        launch: Launch = Launch.RUNGOSSIP,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self.data_dir = data_dir
        self.launch = launch
        self.settings = dict(settings or {})
        self.prefix: tuple[str, ...] = ()
        """Command that starts the node's command."""
        self.output = data_dir.with_name(f"{data_dir.name}.log")
        self.client = Client(port)
        self.url = f"ws://localhost:{port}/ws"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises `RuntimeError` where none runs."""
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not been seen to end."""
        return self._process is not None and self._process.poll() is None

    def command(self) -> list[str]:
        """The command line."""
        return self.launch.command(self.port)

    def start(self) -> None:
        """Start the process; `wait_ready` says when it serves."""
        # Not while an earlier process may live: two nodes would share an address.
        assert not self.is_running, "it runs already"
        with self.open_output() as output:
            self._process = subprocess.Popen(
                [*self.prefix, *self.command()],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        NodeProcess.running[self._process.pid] = self

    def open_output(self) -> BinaryIO:
        """Where the process is to write; closed here once it has been started."""
        return self.output.open("ab")

    def fail_to_start(self, within: float = 20.0) -> tuple[int, str]:
        """Start it and wait for its end; return exit code and standard error."""
        ended = subprocess.run(
            self.command(),
            check=False,
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
        )
        return ended.returncode, ended.stderr

    def environment(self) -> dict[str, str]:
        """What the process finds in its environment."""
        own = {"PORT": str(self.port), "HOST": "127.0.0.1", "GOSSIP_DATA_DIR": str(self.data_dir)}
        return clean_environment() | own | self.settings

    def wait_ready(self, within: float = 20.0) -> None:
        """Return once `/readyz` says so. Raises `RuntimeError` where the process ended."""

        def ready() -> bool:
            if not self.is_running:
                raise RuntimeError(f"the node ended:\n{self.tail()}")
            return self.client.is_ready()

        eventually(ready, within=within)

    def wait_ended(self, within: float = 10.0) -> int:
        """Return the exit code once it has ended by itself."""
        process = self._running
        code = process.wait(within)
        NodeProcess.running.pop(process.pid, None)
        return code

    def signal_stop(self) -> None:
        """Tell it to end in order (SIGTERM), and do not wait."""
        self._running.send_signal(signal.SIGTERM)

    def pause(self) -> None:
        """Let it do nothing until `resume`."""
        suspend(self.pid)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._running.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would (SIGKILL). Nothing happens where none runs."""
        self._end(signal.SIGKILL)

    def stop(self, within: float = 10.0) -> int:
        """End it in order (SIGTERM); return the exit code, negative for a signal."""
        return self._end(signal.SIGTERM, within)

    def forget(self) -> None:
        """Empty the disk of a node that does not run."""
        assert not self.is_running, "it runs"
        for file in self.data_dir.iterdir():
            file.unlink()

    def tail(self) -> str:
        """The end of its output."""
        return self.output.read_bytes()[-_TAIL:].decode(errors="replace")

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        return resident(self.pid)

    def open_files(self) -> list[str]:
        """The files and sockets that it holds open."""
        found: list[str] = []
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            # It may be closed between the two looks.
            with suppress(FileNotFoundError):
                found.append(str(descriptor.readlink()))
        return found

    def descriptors(self) -> int:
        """How many they are."""
        return len(self.open_files())

    def cpu_seconds(self) -> float:
        """Processor time that it has used, in steps of a hundredth."""
        return cpu_seconds(self.pid)

    @property
    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("the node was not started")
        return self._process

    def _end(self, number: signal.Signals, within: float | None = None) -> int:
        if self._process is None:
            return 0
        process = self._process
        process.send_signal(number)
        try:
            return process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"it did not stop within {within} s:\n{self.tail()}") from None
        finally:
            NodeProcess.running.pop(process.pid, None)
