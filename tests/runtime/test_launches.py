"""A whole node under every documented launch, as its operator sees it."""

import json
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.ports import free_port
from tests.support.serving import ROOT, Process, link, opened, request, running

APPLICATION = "gossipnode.asgi:application"
JSON = {"Content-Type": "application/json"}


class Launch(NamedTuple):
    """A command line, to which the port is formatted in."""

    command: tuple[str, ...]
    sets_port: bool = True
    """Whether it needs `PORT` in the environment."""
    listening: str = "event=listening"
    stopped: int = 0
    """The exit code after SIGTERM."""


RUNGOSSIP = Launch((str(ROOT / "manage.py"), "rungossip"))
DAPHNE = Launch(("-m", "daphne", "-p", "{port}", APPLICATION), sets_port=False)
# uvicorn stops in order and then ends by the signal that it caught.
UVICORN = Launch(
    ("-m", "uvicorn", "--port", "{port}", APPLICATION),
    listening="running on",
    stopped=-signal.SIGTERM,
)
LAUNCHES = pytest.mark.parametrize(
    "launch", [RUNGOSSIP, DAPHNE, UVICORN], ids=["rungossip", "daphne", "uvicorn"]
)
OURS = pytest.mark.parametrize("launch", [RUNGOSSIP, DAPHNE], ids=["rungossip", "daphne"])


@contextmanager
def started(
    launch: Launch, directory: Path, port: int, env: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Run the command in this directory, where it keeps its data."""
    command = [sys.executable, *(part.format(port=port) for part in launch.command)]
    environ = {"PORT": str(port)} if launch.sets_port else {}
    with running(command, {**environ, **(env or {})}, directory) as process:
        yield process


@contextmanager
def node(
    launch: Launch, directory: Path, port: int, env: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Likewise, and wait until it listens."""
    with started(launch, directory, port, env) as process:
        process.wait_for(launch.listening)
        yield process


def complaints(process: Process) -> list[str]:
    return [line for line in process.lines if "gossipnode: " in line]


def write(port: int) -> int:
    body = json.dumps({"key": "k", "value": {"n": 1}})
    return request(port, "POST", "/gossip/data", body=body, headers=JSON)[0]


@LAUNCHES
def test_it_serves_stops_and_remembers(launch: Launch, tmp_path: Path) -> None:
    port = free_port()
    env = {"HOST": "127.0.0.1"}
    with node(launch, tmp_path, port, env) as process:
        assert request(port, "GET", "/readyz")[0] == 200
        assert write(port) == 201
        with link(port) as peer:
            assert process.stop() == launch.stopped
            assert peer.close_code == 1000
    assert "Traceback" not in process.text
    with node(launch, tmp_path, port, env) as process:
        status, answer = request(port, "GET", "/gossip/data/k")
        assert (status, json.loads(answer)["data"]) == (200, {"n": 1})
        assert process.stop() == launch.stopped


@LAUNCHES
def test_open_streams_end_with_the_node(launch: Launch, tmp_path: Path) -> None:
    port = free_port()
    with node(launch, tmp_path, port, {"HOST": "127.0.0.1"}) as process:
        with opened(port, b"GET /gossip/events HTTP/1.1\r\nHost: localhost\r\n\r\n") as watcher:
            reading = watcher.makefile("rb")
            lines = iter(reading.readline, b"")
            assert b"event: hello\n" in lines
            assert write(port) == 201
            assert b"event: data_set\n" in lines
            assert process.stop() == launch.stopped
            rest = b"".join(lines)
        # In order: not cut off, and not waited for.
        assert b"event: end\n" in rest
        assert rest.endswith(b"0\r\n\r\n")
        assert "Traceback" not in process.text


@LAUNCHES
def test_who_reads_no_events_is_dropped(launch: Launch, tmp_path: Path) -> None:
    port = free_port()
    value = json.dumps({"key": "large", "value": "x" * 131_000})
    with node(launch, tmp_path, port, {"HOST": "127.0.0.1"}), socket.socket() as watcher:
        watcher.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        watcher.connect(("127.0.0.1", port))
        watcher.sendall(b"GET /gossip/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert watcher.recv(12) == b"HTTP/1.1 200"
        # The kernel and the server hold some megabytes before the node is made to wait.
        for _ in range(200):
            request(port, "POST", "/gossip/data", body=value, headers=JSON)
            stats = json.loads(request(port, "GET", "/gossip/stats")[1])["stats"]
            if stats["watchersDropped"]:
                break
        assert (stats["watchersDropped"], stats["watchers"]) == (1, 0)


@OURS
def test_no_request_is_logged(launch: Launch, tmp_path: Path) -> None:
    port = free_port()
    with node(launch, tmp_path, port) as process:
        before = len(process.lines)
        for path in ("/gossip/health", "/nowhere"):
            request(port, "GET", path)
        with link(port):
            pass
        process.stop()
    events = [line.split("event=")[1].strip() for line in process.lines[before:]]
    assert events == ["stopping", "stopped"]


@OURS
def test_a_taken_port_is_one_line(launch: Launch, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with started(launch, tmp_path, port) as process:
            assert process.ended() == 1
    [line] = complaints(process)
    assert f"PORT={port}: cannot listen on 127.0.0.1:{port}" in line
    assert "Traceback" not in process.text


def test_an_address_that_is_not_ours_is_one_line(tmp_path: Path) -> None:
    host, port = "192.0.2.1", free_port()
    with started(RUNGOSSIP, tmp_path, port, {"HOST": host}) as process:
        assert process.ended() == 1
    [line] = complaints(process)
    assert f"HOST={host}: cannot listen on {host}:{port}: " in line


@LAUNCHES
def test_a_wrong_setting_is_one_line(launch: Launch, tmp_path: Path) -> None:
    with started(launch, tmp_path, free_port(), {"GOSSIP_FANOUT": "none"}) as process:
        assert process.ended() == 1
    [line] = process.lines
    assert line.startswith("gossipnode: GOSSIP_FANOUT='none'")


@LAUNCHES
def test_a_second_node_on_the_same_data_is_one_line(launch: Launch, tmp_path: Path) -> None:
    env = {"GOSSIP_DATA_DIR": str(tmp_path / "shared")}
    with (
        node(RUNGOSSIP, tmp_path, free_port(), env) as first,
        started(launch, tmp_path, free_port(), env) as second,
    ):
        assert second.ended() != 0
        [line] = complaints(second)
        assert str(first.child.pid) in line
        assert "Traceback" not in second.text


def test_daphne_must_bind_what_the_settings_say(tmp_path: Path) -> None:
    with started(DAPHNE, tmp_path, 3002, {"PORT": "3001"}) as process:
        assert process.ended() == 1
    [line] = process.lines
    assert line.startswith("gossipnode: PORT=3001")
    assert "3002" in line


def test_a_daphne_that_we_do_not_know_serves_unprotected_and_says_so(tmp_path: Path) -> None:
    code = (
        "from gossip.runtime import daphne_command; daphne_command.KNOWN = ((9,), (10,));"
        "from daphne.cli import CommandLineInterface; CommandLineInterface.entrypoint()"
    )
    stock = Launch(("-c", code, "-p", "{port}", APPLICATION), sets_port=False)
    port = free_port()
    with started(stock, tmp_path, port) as process:
        process.wait_for("event=daphne_unknown")
        process.wait_for("event=node ")
        while request_or_none(port) != 200:
            pass
        health = json.loads(request(port, "GET", "/gossip/health")[1])["health"]
        assert "unknown-daphne" in health["reasons"]
        assert process.stop() == 0


def request_or_none(port: int) -> int | None:
    try:
        return request(port, "GET", "/readyz")[0]
    except ConnectionRefusedError:
        return None


def test_an_address_that_uvicorn_took_elsewhere_is_not_trusted(tmp_path: Path) -> None:
    port = free_port()
    with node(UVICORN, tmp_path, port):
        assert write(port) == 403


def test_a_server_without_lifespan_is_told_what_to_use(tmp_path: Path) -> None:
    port = free_port()
    silent = UVICORN._replace(command=(*UVICORN.command, "--lifespan", "off"))
    with node(silent, tmp_path, port):
        status, answer = request(port, "GET", "/gossip/health")
        assert status == 503
        assert "rungossip" in json.loads(answer)["message"]


def test_the_tls_of_twisted_is_not_loaded(tmp_path: Path) -> None:
    code = (
        "import atexit, runpy, sys; sys.argv = ['manage.py', 'rungossip'];"
        "atexit.register(lambda: print('tls:', 'twisted.internet.ssl' in sys.modules));"
        "runpy.run_path('%s', run_name='__main__')"
    )
    launch = Launch(("-c", code % (ROOT / "manage.py")))
    with node(launch, tmp_path, free_port()) as process:
        assert process.stop() == 0
    assert "tls: False" in process.text


def test_help_names_the_variables(tmp_path: Path) -> None:
    with running([sys.executable, str(ROOT / "manage.py"), "rungossip", "--help"]) as process:
        assert process.ended() == 0
    assert "GOSSIP_BOOTSTRAP_PEERS" in process.text
    assert list(tmp_path.iterdir()) == []
