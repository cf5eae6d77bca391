"""What speaks to a node from outside: an HTTP client, and a peer made of raw frames."""

import http.client
import itertools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

TIMEOUT = 15.0
"""Seconds for one answer: longer than the node's own time-outs."""

_message_ids = itertools.count(1)
_encode = msgspec.json.Encoder().encode


class Answer(NamedTuple):
    """One HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return msgspec.json.decode(self.body)


class Client:
    """The HTTP interface of the node on this port of the loopback address.

    Each request has a connection of its own, so that a restart of the node goes unnoticed.
    """

    def __init__(self, port: int, *, timeout: float = TIMEOUT) -> None:
        self.port = port
        self._timeout = timeout

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send one request. Raises `OSError` where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self._timeout)
        if body is not None:
            headers = {"Content-Type": "application/json"} | headers
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"no answer from port {self.port}: {error!r}") from error
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """`GET` a path."""
        return self.request("GET", path)

    def post(self, key: str, value: object) -> Answer:
        """`POST` one key."""
        return self.request("POST", "/gossip/data", _encode({"key": key, "value": value}))

    def set(self, key: str, value: object) -> int:
        """`POST` one key, which must succeed; return its version."""
        answer = self.post(key, value)
        assert answer.status == 201, answer
        version: int = answer.json["version"]
        return version

    def read(self, key: str) -> Answer:
        """`GET` one key."""
        return self.get(f"/gossip/data/{quote(key, safe='')}")

    def delete(self, key: str) -> Answer:
        """`DELETE` one key."""
        return self.request("DELETE", f"/gossip/data/{quote(key, safe='')}")

    def data(self, prefix: str = "") -> dict[str, Any]:
        """All keys that begin so, with their values."""
        data: dict[str, Any] = self.get(f"/gossip/data?prefix={quote(prefix)}").json["data"]
        return data

    def state(self) -> dict[str, Any]:
        """All keys with versions, values and time stamps, tombstones included."""
        data: dict[str, Any] = self.get("/gossip/state").json["state"]["data"]
        return data

    def stats(self) -> dict[str, Any]:
        """The counters."""
        stats: dict[str, Any] = self.get("/gossip/stats").json["stats"]
        return stats

    def health(self) -> dict[str, Any]:
        """How the node says it is."""
        health: dict[str, Any] = self.get("/gossip/health").json["health"]
        return health

    def node_id(self) -> str:
        """The node's own id."""
        own: str = self.get("/gossip/peers").json["peers"][0]["nodeId"]
        return own

    def statuses(self) -> dict[str, str]:
        """The status of every other member, by node id."""
        peers = self.get("/gossip/peers?status=all").json["peers"]
        return {peer["nodeId"]: peer["status"] for peer in peers[1:]}

    def is_ready(self) -> bool:
        """Whether the node serves; False also where nobody listens."""
        try:
            return self.get("/readyz").status == 200
        except OSError:
            return False


def frame(kind: str, data: object, sender: str, **envelope: object) -> str:
    """One message as it travels, with the envelope's fields in the order of W2."""
    fields = {
        "type": kind,
        "from": sender,
        "data": data,
        "timestamp": 0,
        "ttl": 0,
        "messageId": f"{sender}-{next(_message_ids)}",
        "version": 1,
    }
    return _encode(fields | envelope).decode()


@contextmanager
def dialed(port: int, node_id: str = "test-peer", *, reads: bool = True) -> Iterator["Peer"]:
    """Connect to the `/ws` of the node on this port of the loopback address.

    Who does not read keeps one frame and leaves the rest to the kernel.
    """
    url = f"ws://127.0.0.1:{port}/ws"
    queue = 16 if reads else 1
    with connect(
        url,
        compression=None,
        proxy=None,
        max_size=None,
        open_timeout=TIMEOUT,
        max_queue=queue,
        close_timeout=TIMEOUT if reads else 0.01,
    ) as connection:
        yield Peer(connection, node_id)


class Peer:
    """One WebSocket connection to a node, with this end in the hands of the test."""

    def __init__(self, connection: ClientConnection, node_id: str) -> None:
        self.node_id = node_id
        self._connection = connection

    def send(self, kind: str, data: object, **envelope: object) -> None:
        """Send one message in this peer's name. Does nothing once the node closed."""
        self.send_raw(frame(kind, data, self.node_id, **envelope))

    def join(self, **fields: object) -> None:
        """Introduce this peer as an extended one that nobody can dial."""
        data = {"nodeId": self.node_id, "publicKey": "", "capabilities": ["gx1"], "incarnation": 1}
        self.send("join", data | fields)

    def send_raw(self, message: str | bytes) -> None:
        """Send these very bytes: a binary frame for bytes. Does nothing once the node closed."""
        try:
            self._connection.send(message)
        except ConnectionClosed:
            # What the node thinks of the message, the test reads from its counters.
            return

    def send_parts(self, parts: Iterable[str]) -> None:
        """Send one message in fragments. Does nothing once the node closed."""
        try:
            self._connection.send(parts)
        except ConnectionClosed:
            return

    def receive(self) -> Any:
        """The next message from the node. Raises `TimeoutError`, or `ConnectionClosed`."""
        return msgspec.json.decode(self._connection.recv(timeout=TIMEOUT))

    def close_code(self) -> int:
        """Read until the node closes, and return its code."""
        try:
            while True:
                self._connection.recv(timeout=TIMEOUT)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006
