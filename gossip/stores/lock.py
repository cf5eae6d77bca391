"""One engine for one data directory: an advisory lock that dies with its process.

Workers of one scaled node share it, because the lease and the epoch say which of them is active; an
embedded node shares it with nobody.

The kernel holds the lock (`flock`), so a killed process leaves none behind; the file's text only
tells people who holds it. Commands that run beside a node do not take it.
"""

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from gossip.core.errors import ConfigurationError


class Holder(msgspec.Struct, frozen=True):
    """The process that runs the node, as it wrote itself into the lock's file."""

    pid: int
    port: int
    since: str
    """ISO 8601, UTC."""
    shared: bool = False
    """Whether it is a worker, one of several perhaps."""


class EngineLock:
    """The role of being the node of this data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "engine.lock"
        self._descriptor: int | None = None

    def acquire(self, port: int, *, shared: bool = False) -> None:
        """Take the lock and write down who we are, with the HTTP port on which we are found.

        Raises `ConfigurationError`, whose line names the process that has it, or the one that came
        last of those that share it.
        """
        try:
            self._descriptor = self._lock(fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            holder = msgspec.json.encode(Holder(os.getpid(), port, now, shared))
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, holder, 0)
        except OSError as error:
            raise ConfigurationError(
                f"GOSSIP_DATA_DIR={self.path.parent}: {self.path.name} cannot be locked "
                f"({error.strerror})"
            ) from error

    def release(self) -> None:
        """Give the lock up; nothing happens if it is not held. The file stays: removing it could
        take it from under a process that opened it already.
        """
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _lock(self, kind: int) -> int:
        # Not inherited by programs that we start (PEP 446), which might outlive us and hold it.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 4096)
            os.close(descriptor)
            raise ConfigurationError(self._taken(holder)) from None
        return descriptor

    def _taken(self, text: bytes) -> str:
        directory = f"GOSSIP_DATA_DIR={self.path.parent}"
        try:
            holder = msgspec.json.decode(text, type=Holder)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # It has the lock and has not written yet.
            return f"{directory} is in use by another process: set another GOSSIP_DATA_DIR"
        if holder.shared:
            return (
                f"{directory} is in use: process {holder.pid} is a worker of this node since"
                f" {holder.since}; stop the workers, or set GOSSIP_REDIS_URL as they do,"
                " or another GOSSIP_DATA_DIR"
            )
        return (
            f"{directory} is in use: process {holder.pid} runs this node on port {holder.port} "
            f"since {holder.since}; use http://localhost:{holder.port}, "
            "or set another GOSSIP_DATA_DIR (and PORT)"
        )
