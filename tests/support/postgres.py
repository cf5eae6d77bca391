"""A PostgreSQL server of the tests' own: real, durable, in a temporary directory."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from tests.support.ports import free_port
from tests.support.waiting import eventually

ROLE: Final = "gossip"
PASSWORD: Final = "p@ss/word"
"""What has to be written with % codes in a URL."""
_STARTING = 30.0


class Postgres:
    """A server on a port of loopback, which the test may stop, kill and start again."""

    def __init__(self, directory: Path, programs: Path) -> None:
        self.port = free_port()
        self.log = directory / "log"
        self._directory = directory
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        password = directory / "password"
        password.write_text(PASSWORD)
        _give_away(directory)
        self._run(
            *("initdb", "--pgdata", str(directory / "data"), "--no-sync", "--encoding=UTF8"),
            "--wal-segsize=1",
            *("--locale=C.UTF-8", "--auth=scram-sha-256", "--username", ROLE),
            *("--pwfile", str(password)),
        )

    def url(self, name: str, query: str = "") -> str:
        """The value of `DATABASE_URL` for this database."""
        return f"postgres://{ROLE}:p%40ss%2Fword@127.0.0.1:{self.port}/{name}{query}"

    @property
    def is_running(self) -> bool:
        """Whether it was started and not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Serve; returns once it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_as_nobody(),
                    *(str(self._programs / "postgres"), "-D", str(self._directory / "data")),
                    *("-p", str(self.port), "-c", "listen_addresses=127.0.0.1"),
                    *("-c", "unix_socket_directories=", "-c", "shared_buffers=16MB"),
                    # What is not flushed yet is not worth the waiting: each commit is.
                    *("-c", "recovery_init_sync_method=syncfs"),
                ],
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._answers, within=_STARTING)

    def crash(self) -> None:
        """End all of it at once and in no order. Nothing happens where none runs."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        """End it in order, whoever is connected."""
        self._end(signal.SIGINT)

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside any transaction; return its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, options: str = "") -> str:
        """Create an empty one; return its name."""
        name = f"node_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return name

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*_as_nobody(), str(self._programs / program), *arguments],
            check=False,
            cwd=self._directory,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server. Skips the test where there is none to run."""
    programs = _programs()
    if programs is None:
        pytest.skip("NOT TESTED: PostgreSQL, because Debian's package postgresql is missing")
    # Not pytest's own directory, into which the server's user may not look.
    with tempfile.TemporaryDirectory(prefix="gossip-postgres-") as directory:
        server = Postgres(Path(directory), programs)
        server.start()
        try:
            yield server
        finally:
            server.crash()


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return None if on_path is None else Path(on_path).resolve().parent


def _as_nobody() -> tuple[str, ...]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")


def _give_away(directory: Path) -> None:
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    for path in (directory, *directory.iterdir()):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
