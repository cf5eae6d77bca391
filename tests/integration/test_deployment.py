"""The files of docs/deployment: nginx runs with its own before a scaled node; others are read."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from websockets.sync.client import connect

from gossip.variables import VARIABLES
from tests.support.client import Answer, Client, Peer
from tests.support.nginx import NAME, Nginx, nginx
from tests.support.process import ROOT
from tests.support.scaled import ScaledNode
from tests.support.waiting import eventually

FILES = ROOT / "docs" / "deployment"
TOKEN = "a-token-of-the-test"
OTHERS = {
    *("POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_USER"),  # of the database's own image
    "PYTHONDONTWRITEBYTECODE",
}
"""Variables that are not read by a node."""


class TlsClient(Client):
    """As somebody elsewhere sees the node: by its name, through the proxy."""

    def __init__(self, proxy: Nginx) -> None:
        super().__init__(proxy.port)
        self._trust = proxy.trust

    @contextmanager
    def asked(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Iterator[HTTPResponse]:
        """Send one request with a token; the answer is there to be read."""
        given = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"} | headers
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=15)
        with self._trust.wrap_socket(raw, server_hostname=NAME) as tls:
            connection = HTTPConnection(NAME)
            connection.sock = tls
            connection.request(method, path, body, given)
            with connection.getresponse() as response:
                yield response

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send one request, and read the answer."""
        with self.asked(method, path, body, **headers) as response:
            return Answer(response.status, dict(response.getheaders()), response.read())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScaledNode]:
    settings = {
        "PUBLIC_URL": f"https://{NAME}",
        "GOSSIP_PUBLIC_URL": f"wss://{NAME}/ws",
        "GOSSIP_API_TOKENS": TOKEN,
        "DJANGO_SUPERUSER_USERNAME": "admin",
        "DJANGO_SUPERUSER_PASSWORD": "of-the-admin",
    }
    directory = tmp_path_factory.mktemp("deployment") / "node"
    with ScaledNode(directory, web=2, workers=1, settings=settings) as node:
        yield node


@pytest.fixture(scope="module")
def proxy(node: ScaledNode) -> Iterator[Nginx]:
    with nginx([process.port for process in node.web]) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Nginx) -> TlsClient:
    return TlsClient(proxy)


def test_requests_go_through_the_proxy(client: TlsClient) -> None:
    assert client.get("/readyz").status == 200
    assert client.post("through", "the proxy").status == 201
    assert [client.read("through").json["data"] for _ in range(4)] == ["the proxy"] * 4
    assert client.request("PUT", "/gossip/data/no", b"1", Authorization="none").status == 401
    largest = json.dumps("x" * (2**17 - 2)).encode()
    assert client.request("PUT", "/gossip/data/largest", largest).status == 201
    assert client.request("PUT", "/gossip/data/larger", b"x" * 2**20).status == 413
    assert client.get("/metrics").status == 404


def test_plain_http_leads_to_tls(proxy: Nginx) -> None:
    connection = HTTPConnection("127.0.0.1", proxy.plain_port, timeout=15)
    connection.request("GET", "/gossip/health", headers={"Host": NAME})
    response = connection.getresponse()
    assert response.status == 308
    assert response.headers["Location"] == f"https://{NAME}/gossip/health"
    connection.close()


def test_a_peer_joins_through_the_proxy_and_does_not_count_as_of_this_machine(
    proxy: Nginx, client: TlsClient
) -> None:
    url = f"wss://{NAME}/ws"
    with (
        socket.create_connection(("127.0.0.1", proxy.port)) as raw,
        connect(url, sock=raw, ssl=proxy.trust, proxy=None, compression=None) as connection,
    ):
        peer = Peer(connection, "peer-by-proxy")
        # Only a process of this machine may say that it is found on loopback.
        peer.join(gossipEndpoint="ws://127.0.0.1:9/ws")
        assert peer.receive()["type"] == "join"
        eventually(lambda: client.statuses().get("peer-by-proxy") == "active")
        listed = client.get("/gossip/peers?status=all").json["peers"]
        (seen,) = (each for each in listed if each["nodeId"] == "peer-by-proxy")
        assert not seen["gossipEndpoint"]


def test_events_are_not_held_back(client: TlsClient) -> None:
    with client.asked("GET", "/gossip/events?prefix=events/") as stream:
        lines = iter(stream)
        assert any(line == b"event: hello\n" for line in lines)
        client.set("events/one", 1)
        assert any(line == b"event: data_set\n" for line in lines)


def test_a_web_process_that_is_away_is_not_missed(node: ScaledNode, client: TlsClient) -> None:
    process = node.web[0]
    process.stop()
    for number in range(20):
        client.set(f"away/{number}", number)
        assert client.read(f"away/{number}").status == 200
    process.start()
    process.wait_ready()


def test_who_logs_in_at_one_web_process_is_known_at_the_other(node: ScaledNode) -> None:
    one, other = (process.client for process in node.web)
    page = one.request("GET", "/admin/login/", Host=NAME)
    token = re.findall(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)[0].decode()
    cookie = page.headers["Set-Cookie"].partition(";")[0]
    form = f"csrfmiddlewaretoken={token}&username=admin&password=of-the-admin&next=/admin/"
    answer = one.request(
        "POST",
        "/admin/login/",
        form.encode(),
        **{
            "Host": NAME,
            "Origin": f"https://{NAME}",
            "Cookie": cookie,
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    assert answer.status == 302, answer
    session = answer.headers["Set-Cookie"].partition(";")[0]
    assert other.request("GET", "/admin/", Host=NAME, Cookie=session).status == 200


def test_the_health_check_of_the_image_says_whether_a_process_lives(node: ScaledNode) -> None:
    text = (FILES / "Dockerfile").read_text()
    check = json.loads(re.findall(r"^    CMD (\[.*\])$", text, re.MULTILINE)[0])
    assert check[0] == "python"

    def run(port: int) -> int:
        environment = os.environ | {"PORT": str(port)}
        done = subprocess.run(
            [sys.executable, *check[1:]], check=False, env=environment, capture_output=True
        )
        return done.returncode

    assert run(node.web[1].port) == 0
    assert run(9) != 0


def test_the_image_copies_what_there_is() -> None:
    text = (FILES / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE)
    names = [name for names in copied for name in names.split()]
    admitted = (FILES / "Dockerfile.dockerignore").read_text().splitlines()
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert {line[1:] for line in admitted if line.startswith("!")} == set(names)


@pytest.mark.parametrize("file", sorted(path.name for path in FILES.iterdir()))
def test_every_variable_of_a_file_exists(file: str) -> None:
    named = set(
        re.findall(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b|\bPORT\b", (FILES / file).read_text())
    )
    # Of systemd: address families and what begins so.
    families = {name for name in named if name.startswith("AF_")}
    known = {variable.name for variable in VARIABLES} | OTHERS | families
    assert named - known == set()


@pytest.mark.parametrize("file", sorted(FILES.glob("*.service")), ids=lambda path: Path(path).name)
def test_every_unit_starts_what_there_is(file: Path) -> None:
    (command,) = re.findall(
        r"^ExecStart=/opt/gossipnode/\.venv/bin/python (.*)$", file.read_text(), re.MULTILINE
    )
    done = subprocess.run(
        [sys.executable, *command.split(), "--help"], check=True, cwd=ROOT, capture_output=True
    )
    assert b"GOSSIP_REDIS_URL" in done.stdout
