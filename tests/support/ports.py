"""Ports for the servers that tests start, and that no other process takes in between.

The kernel gives outgoing connections, and servers that ask for port 0, any port of its ephemeral
range. One that was free a moment ago may be such a connection's by the time a server has started.
So ours are below that range, in a block that belongs to this process while it lives.
"""

import socket
from contextlib import suppress
from functools import cache
from itertools import cycle, islice
from pathlib import Path

BLOCK = 1_000
"""Ports of one process; a port that was given comes again after all the others."""
LOWEST = 10_000
"""Where blocks begin: above the servers that a machine usually runs."""


class Block:
    """The ports of whoever holds its first one, which nobody serves at.

    The kernel lets go of it when the process ends, however it ends.
    """

    def __init__(self, end: int | None = None) -> None:
        """Take the first block that nobody holds, of those below `end` (the ephemeral ports)."""
        for first in range(LOWEST, (end or ephemeral_from()) - BLOCK + 1, BLOCK):
            with suppress(OSError):
                self._guard = _bound(first)
                break
        else:
            raise RuntimeError(f"all blocks of ports from {LOWEST} are held by other processes")
        self.ports = range(first + 1, first + BLOCK)
        self._turn = cycle(self.ports)

    def row(self, count: int) -> range:
        """So many ports that follow each other and at which nobody listens now."""
        found = range(0)
        for port in islice(self._turn, BLOCK):
            if not _is_free(port):
                found = range(0)
            elif port == found.stop:
                found = range(found.start, port + 1)
            else:
                found = range(port, port + 1)
            if len(found) == count:
                return found
        raise RuntimeError(f"no {count} free ports in a row from {self.ports.start}")

    def release(self) -> None:
        """Let another process have it."""
        self._guard.close()


def free_port() -> int:
    """A port at which nobody listens."""
    return free_row(1).start


def free_ports(count: int) -> list[int]:
    """Different ports at which nobody listens."""
    return [free_port() for _ in range(count)]


def free_row(count: int) -> range:
    """Ports at which nobody listens, each one more than the one before."""
    return _ours().row(count)


def ephemeral_from() -> int:
    """The lowest port that the kernel gives to whoever asks for any."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


@cache
def _ours() -> Block:
    return Block()


def _is_free(port: int) -> bool:
    try:
        _bound(port).close()
    except OSError:
        return False
    return True


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    try:
        sock.bind(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    return sock
