"""An internal service that nobody may be talked into connecting to."""

import socket
import threading
from types import TracebackType
from typing import Self


class Trap:
    """Listens on all addresses of this machine, and counts who comes."""

    def __init__(self) -> None:
        self._server = socket.create_server(("0.0.0.0", 0))
        self.port: int = self._server.getsockname()[1]
        self.requests: list[bytes] = []
        """What those who connected sent first."""
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A thread that waits in accept() is not woken by close() alone.
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    self.requests.append(connection.recv(4_096))
                except OSError:
                    self.requests.append(b"")
