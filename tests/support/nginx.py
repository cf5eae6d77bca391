"""nginx with the configuration of the manual, its names and ports changed for a test."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.certificate import certified
from tests.support.ports import free_ports
from tests.support.process import ROOT
from tests.support.waiting import eventually

CONFIGURATION = ROOT / "docs" / "deployment" / "nginx.conf"
NAME = "node.example"

_MAIN = """
daemon off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/gossipnode.conf;
}}
"""


class Nginx:
    """A server on loopback, which balances over web processes on these ports."""

    def __init__(self, directory: Path, program: str, upstream: Sequence[int]) -> None:
        self.plain_port, self.port = free_ports(2)
        self.certificate = certified(NAME, directory)
        self._directory = directory
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        (directory / "gossipnode.conf").write_text(self._localised(upstream))
        (directory / "nginx.conf").write_text(_MAIN.format(directory=directory))

    @property
    def trust(self) -> ssl.SSLContext:
        """Takes its certificate for `NAME`."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def start(self) -> None:
        """Serve; returns once it listens."""
        self._process = subprocess.Popen(
            [self._program, "-p", str(self._directory), "-c", "nginx.conf"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        eventually(self._listens)

    def stop(self) -> None:
        """End it. Nothing happens where none runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def errors(self) -> str:
        """What it logged."""
        return (self._directory / "error.log").read_text()

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(self.errors())
        return (self._directory / "pid").exists()

    def _localised(self, upstream: Sequence[int]) -> str:
        changed = []
        for line in CONFIGURATION.read_text().splitlines():
            head = line.split()
            if head[:1] == ["listen"]:
                port = self.plain_port if line.strip(" ;").endswith("80") else self.port
                tls = " ssl" if "ssl" in head[-1] else ""
                changed += [] if "[::]" in line else [f"listen 127.0.0.1:{port}{tls};"]
            elif line.lstrip().startswith("server 127.0.0.1:3001"):
                changed += [line.replace("3001", str(port)) for port in upstream]
            elif not line.lstrip().startswith("server 127.0.0.1:"):
                changed.append(line)
        text = "\n".join(changed)
        for file in ("/etc/ssl/node.example.pem", "/etc/ssl/node.example.key"):
            assert file in text
            text = text.replace(file, str(self.certificate))
        return text


@contextmanager
def nginx(upstream: Sequence[int]) -> Iterator[Nginx]:
    """A server that runs meanwhile. Skips the test where there is no nginx."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    with TemporaryDirectory(prefix="nginx-") as directory:
        # Its workers are another user where we are root.
        Path(directory).chmod(0o755)
        server = Nginx(Path(directory), program, upstream)
        try:
            server.start()
            yield server
        finally:
            server.stop()
