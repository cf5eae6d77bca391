"""`make cluster`: three nodes on this machine, to look at and to break.

Two are one process each; the third is two web processes and two workers, with a Redis server that
the first worker starts. `PORT` is the first of four ports, and variables that may be the same for
every node are passed on. Data and logs are in a temporary directory, which is removed in the end.

There is one thread in here: Linux tells a child of the end of each thread that might be its parent,
and the second SIGTERM would keep it from ending in order.
"""

import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, Final

from redis import Redis
from redis.exceptions import RedisError

from gossip import variables as names
from gossip.core.errors import ConfigurationError
from gossip.stores.redis_server import SOCKET, socket_url

NODES: Final = 3
PORTS: Final = 4
"""One for each node of one process, and one for each web process."""
START_WITHIN: Final = 60.0
"""Seconds for all to list each other; it takes some five."""
STOP_WITHIN: Final = 6.0
"""Seconds after which a process is killed: it ends within five."""
LOOK: Final = 0.2
"""Seconds from one look at the nodes to the next."""
TAIL: Final = 2_000
"""Characters of the log of a process that failed."""

_ROOT: Final = Path(__file__).parent.parent
_PR_SET_PDEATHSIG: Final = 1
_OF_ONE_NODE: Final = frozenset(
    variable.name
    for variable in (
        *(names.PORT, names.HOST, names.PUBLIC_URL, names.GOSSIP_PUBLIC_URL, names.NODE_ID),
        *(names.NODE_STATE_FILE, names.GOSSIP_DATA_DIR, names.DATABASE_URL),
        *(names.GOSSIP_REDIS_URL, names.GOSSIP_REDIS_PREFIX),
        *(names.GOSSIP_BOOTSTRAP_PEERS, names.P2P_BOOTSTRAP_PEERS, names.P2P_PORT),
    )
)


class Process:
    """One process of the cluster; its log is beside its data."""

    def __init__(
        self, name: str, options: Iterable[str], settings: Mapping[str, str], directory: Path
    ) -> None:
        self.name = name
        self._command = (sys.executable, "manage.py", "rungossip", *options)
        self._environment = {**_common(), **settings}
        self._log = directory / f"{name}.log"
        self._running: subprocess.Popen[bytes] | None = None
        self._told = False

    @property
    def pid(self) -> int | None:
        return None if self._running is None else self._running.pid

    def start(self) -> None:
        """Start it in a session of its own: the terminal's Ctrl-C is for us."""
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(  # noqa: S603  # a command of our own
                self._command,
                cwd=_ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_us,  # noqa: PLW1509  # there is one thread
            )

    def end(self) -> str | None:
        """How it ended; None where it did not, or was not started."""
        code = None if self._running is None else self._running.poll()
        if code is None:
            return None
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{self.name} ended ({how})"

    def news(self) -> str | None:
        """How it ended, once."""
        end = None if self._told else self.end()
        self._told = end is not None or self._told
        return end

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text()[-TAIL:]

    def signal_stop(self) -> None:
        """Tell it to end in order. Nothing happens where none runs."""
        if self._running is not None:
            self._running.terminate()

    def wait(self) -> None:
        """Return once it has ended."""
        if self._running is None:
            return
        try:
            self._running.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()


class Cluster:
    """All processes. Ports are `port` and those that follow."""

    def __init__(self, port: int, directory: Path) -> None:
        self.ports = range(port, port + PORTS)
        self.directory = directory
        one, two, *web = self.ports
        self.nodes = [
            self._process(f"node-{number}", at, at) for number, at in enumerate((one, two), 1)
        ]
        self.web = [self._process(f"web-{number}", at, web[0]) for number, at in enumerate(web, 1)]
        self.active = self._process("worker-1", web[0], web[0], "--no-web", "--with-redis")
        self.standby = self._process("worker-2", web[0], web[0], "--no-web")

    @property
    def processes(self) -> list[Process]:
        return [*self.nodes, *self.web, self.active, self.standby]

    def start(self) -> None:
        """Start all but the standby: later, so that it is the one that stands by."""
        for process in (*self.nodes, *self.web, self.active):
            process.start()

    def is_whole(self) -> bool:
        """Whether every node lists the others. Raises `ConfigurationError` where one ended."""
        for process in self.processes:
            if (end := process.end()) is not None:
                raise ConfigurationError(f"{end}\n{process.last_words()}")
        found = [_members(port) for port in self.ports]
        return all(len(members) == NODES and members == found[0] for members in found)

    def stop(self) -> None:
        """End all: those who speak first, the worker that has the Redis last."""
        for together in ((*self.nodes, *self.web), (self.standby,), (self.active,)):
            for process in together:
                process.signal_stop()
            for process in together:
                process.wait()
        # Where the worker that started it was killed.
        with suppress(RedisError), Redis(unix_socket_path=str(self._scaled / SOCKET)) as redis:
            redis.shutdown(nosave=True)

    @property
    def _scaled(self) -> Path:
        return self.directory / "node-3"

    def _process(self, name: str, port: int, public: int, *options: str) -> Process:
        """One with this port; `public` is the port by which others know its node."""
        settings = {
            "PORT": str(port),
            "PUBLIC_URL": f"http://localhost:{public}",
            "GOSSIP_PUBLIC_URL": _endpoint(public),
            "GOSSIP_DATA_DIR": str(self.directory / name),
            "GOSSIP_BOOTSTRAP_PEERS": ",".join(_endpoint(each) for each in self.ports[:NODES]),
        }
        if public == self.ports[NODES - 1]:
            settings["GOSSIP_DATA_DIR"] = str(self._scaled)
            settings["GOSSIP_REDIS_URL"] = socket_url(self._scaled)
        return Process(name, options, settings, self.directory)


class Stopped(Exception):
    """A signal came."""


class Signals:
    """Those that end the program. Noted when they come, and heeded between two steps."""

    def __init__(self) -> None:
        self._came = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def pause(self) -> None:
        """Wait a moment. Raises `Stopped`."""
        if self._came:
            raise Stopped
        time.sleep(LOOK)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._came = True


def run(port: int) -> None:
    """Run a cluster until a signal. Raises `ConfigurationError`."""
    signals = Signals()
    _check_free(range(port, port + PORTS))
    with TemporaryDirectory(prefix="gossip-cluster-") as directory:
        cluster = Cluster(port, Path(directory))
        try:
            _live(cluster, signals)
        except Stopped:
            _say("stopping")
        finally:
            cluster.stop()


def _live(cluster: Cluster, signals: Signals) -> None:
    _say(f"starting {NODES} nodes, with logs in {cluster.directory}")
    cluster.start()
    give_up = time.monotonic() + START_WITHIN
    while not cluster.is_whole():
        if time.monotonic() > give_up:
            raise ConfigurationError(f"not one cluster after {START_WITHIN:g} seconds")
        signals.pause()
    cluster.standby.start()
    _say(_welcome(cluster))
    while True:
        for process in cluster.processes:
            if (news := process.news()) is not None:
                _say(news)
        signals.pause()


def _welcome(cluster: Cluster) -> str:
    one, *_, last = cluster.ports
    pages = "".join(
        f"  http://localhost:{port}/  node {min(number, NODES)}, pid {process.pid}\n"
        for number, (port, process) in enumerate(
            zip(cluster.ports, (*cluster.nodes, *cluster.web), strict=True), start=1
        )
    )
    return (
        f"\nThey are one cluster. Their status pages:\n{pages}"
        f"Node 3 is two web processes, a worker, pid {cluster.active.pid}, and one that stands by,"
        f" pid {cluster.standby.pid}.\n"
        "Write at one node, and read at another:\n"
        f"  curl -X POST http://localhost:{one}/gossip/data -H 'Content-Type: application/json'"
        """ -d '{"key": "greeting", "value": "hello"}'\n"""
        f"  curl http://localhost:{last}/gossip/data/greeting\n"
        "Kill any of them to see what the others make of it. Ctrl-C stops all and removes their"
        " data."
    )


def _members(port: int) -> frozenset[str]:
    """Who is active, in the eyes of the node on this port; empty where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/gossip/peers")
        response = connection.getresponse()
        body: Any = json.load(response)
    except (OSError, http.client.HTTPException, ValueError):
        return frozenset()
    finally:
        connection.close()
    return frozenset(peer["nodeId"] for peer in body.get("peers", ()))


def _check_free(ports: Sequence[int]) -> None:
    for port in ports:
        with socket.socket() as probe:
            # As servers do: a port whose last connections are not forgotten yet is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError) as error:
                raise ConfigurationError(
                    f"PORT={ports[0]}: the cluster takes ports {ports[0]} to {ports[-1]}, and"
                    f" {port} cannot be bound ({getattr(error, 'strerror', None) or error}); stop"
                    " what listens there, or set PORT to another"
                ) from error


def _common() -> dict[str, str]:
    """Our environment without what is true of one node only."""
    return {name: value for name, value in os.environ.items() if name not in _OF_ONE_NODE}


def _end_with_us() -> None:
    """Have Linux end a child whose parent is killed: SIGTERM, as at a stop."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _endpoint(port: int) -> str:
    return f"ws://localhost:{port}/ws"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run a cluster; what is wrong is told on standard error."""
    try:
        run(names.PORT.read(os.environ))
    except ConfigurationError as error:
        sys.stderr.write(f"gossipnode: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
