"""What one frame, or one stranger, can do to a node: every row, under both of our launches.

Each test leaves the process as it was: alive, answering, with its memory within a bound and with
its descriptors as before. `test_hostile_peers` has more frames, `test_refused_start` what a wrong
configuration does.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.client import Peer, dialed, frame
from tests.support.cluster import Cluster
from tests.support.process import Launch, NodeProcess
from tests.support.trap import Trap
from tests.support.waiting import eventually

MEMORY = 20_000_000
"""Bytes by which a node may grow in one test: what 10,000 fake peers may cost."""
DEEP = "[" * 100_000 + "]" * 100_000
MEGABYTE = "x" * 1_000_000
GREATEST = 2**53 - 1


@pytest.fixture(scope="module", params=[Launch.RUNGOSSIP, Launch.DAPHNE], ids=lambda it: it.value)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A node to attack and an honest peer."""
    launch: Launch = request.param
    settings = {"GOSSIP_LOG_LEVEL": "debug"}
    directory = tmp_path_factory.mktemp("survival")
    with Cluster(directory, 2, launch=launch, settings=settings) as cluster:
        # The first of many: what is made once, such as connections to the database, is made.
        for node in cluster:
            node.client.set(f"first/{node.port}", 1)
        cluster.wait_equal()
        yield cluster


@pytest.fixture
def victim(pair: Cluster) -> Iterator[NodeProcess]:
    """The node to attack. Afterwards it must be as it was."""
    node, other = pair.nodes
    pid, memory, descriptors = node.pid, node.resident(), node.descriptors()
    yield node
    assert (node.is_running, node.pid) == (True, pid)
    assert node.client.health()["status"] == "healthy"
    # Strangers that joined are suspected now that they are gone; their links are gone as well.
    eventually(lambda: node.client.stats()["links"] == 1)
    assert node.client.statuses()[other.client.node_id()] == "active"
    eventually(lambda: node.descriptors() <= descriptors)
    assert node.resident() - memory < MEMORY
    # A write of its own still counts, here and elsewhere.
    version = node.client.set("honest", 1)
    eventually(lambda: other.client.state().get("honest", {}).get("version") == version)


def _update(value: str = "1", version: str = "5", key: str = "hostile") -> str:
    """The data of a `gossip` that need not be JSON."""
    return f'{{"key":"{key}","value":{value},"version":{version}}}'


def _raw(kind: str, data: str, **envelope: object) -> str:
    """An envelope around it."""
    return frame(kind, "DATA", "stranger", **envelope).replace('"DATA"', data)


def _refused(node: NodeProcess, reason: str) -> int:
    count: int = node.client.stats()["refused"].get(reason, 0)
    return count


def _names(peers: list[dict[str, str]]) -> dict[str, object]:
    return {"type": "peer_discovery", "peers": peers}


# One frame that kills the process, or with ttl 5 the whole cluster

KILLERS = {
    "an endpoint of http in a list": (
        _raw("join", '{"type":"peer_discovery","peers":[{"id":"x","gossipEndpoint":"http://a/"}]}'),
        "peer-record",
    ),
    "a malformed endpoint in an announcement": (
        _raw("join", '{"nodeId":"stranger","gossipEndpoint":"ws://["}', ttl=5),
        None,
    ),
    "a value nested 100,000 deep": (_raw("gossip", _update(value=DEEP), ttl=5), "depth"),
}


@pytest.mark.parametrize("name", KILLERS)
def test_a_frame_that_kills_a_plain_peer(pair: Cluster, victim: NodeProcess, name: str) -> None:
    killer, reason = KILLERS[name]
    counted = _refused(victim, reason) if reason else 0
    received = victim.client.stats()["messagesReceived"]
    with dialed(victim.port, "stranger") as peer:
        peer.send_raw(killer)
        if reason is None:
            eventually(lambda: victim.client.stats()["messagesReceived"] > received)
        else:
            eventually(lambda: _refused(victim, reason) == counted + 1)
    assert all(node.client.read("hostile").status == 404 for node in pair)


# Values and frames without measure


@pytest.mark.parametrize("joined", [False, True], ids=["stranger", "member"])
def test_a_value_nested_100_000_deep(victim: NodeProcess, joined: bool) -> None:
    counted = _refused(victim, "depth")
    with dialed(victim.port, "stranger") as peer:
        if joined:
            peer.join()
        for kind, data in [("gossip", _update(value=DEEP)), ("sync", f"[{_update(value=DEEP)}]")]:
            peer.send_raw(_raw(kind, data))
        eventually(lambda: _refused(victim, "depth") == counted + 2)
    for text, status in [(DEEP, 413), (DEEP[50_000:-50_000], 400)]:
        answer = victim.client.request("PUT", "/gossip/data/hostile", text.encode())
        assert answer.status == status
    assert victim.client.read("hostile").status == 404


@pytest.mark.parametrize("size", [20_000_000, 120_000_000], ids=["20 MB", "120 MB"])
@pytest.mark.parametrize("fragments", [1, 120])
def test_a_huge_frame_ends_its_connection(victim: NodeProcess, size: int, fragments: int) -> None:
    part = "x" * (size // fragments)
    with dialed(victim.port) as peer:
        peer.send_parts(part for _ in range(fragments))
        assert peer.close_code() in {1006, 1009}


@pytest.mark.parametrize("size", [20_000_000, 120_000_000], ids=["20 MB", "120 MB"])
def test_a_huge_request_is_refused(victim: NodeProcess, size: int) -> None:
    head = f"POST /gossip/data HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", victim.port), timeout=20) as client:
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_200_values_of_a_megabyte_are_refused(victim: NodeProcess) -> None:
    counted = _refused(victim, "value-size")
    with dialed(victim.port, "stranger") as peer:
        peer.join()
        for number in range(200):
            peer.send_raw(_raw("gossip", _update(value=f'"{MEGABYTE}"', key=f"large-{number}")))
        eventually(lambda: _refused(victim, "value-size") == counted + 200, within=30)
    assert victim.client.post("large", MEGABYTE).status == 413
    assert victim.client.data("large") == {}


# Versions that freeze a key

VERSIONS = {
    str(GREATEST): "aside",
    str(2**53): "version",
    "1e300": "version",
    '"9999999999999999"': "version",
    "true": "version",
    "[9007199254740991]": "version",
}


@pytest.mark.parametrize("joined", [False, True], ids=["stranger", "member"])
@pytest.mark.parametrize("version", VERSIONS)
def test_no_version_freezes_a_key(
    pair: Cluster, victim: NodeProcess, version: str, joined: bool
) -> None:
    reason, key = VERSIONS[version], f"frozen/{version.strip('[]')}/{joined}".replace('"', "")
    victim.client.set(key, "before")
    counted = {node.port: _refused(node, reason) for node in pair}
    with dialed(victim.port, "stranger") as peer:
        if joined:
            peer.join()
        peer.send_raw(_raw("gossip", _update('"evil"', version, key), ttl=5))
        if reason == "aside":
            eventually(lambda: _aside(victim, key))
        else:
            eventually(lambda: _refused(victim, reason) == counted[victim.port] + 1)
    for writer in pair:
        honest = writer.client.set(key, f"by {writer.port}")
        for reader in pair:
            eventually(lambda: reader.client.state()[key]["version"] == honest)  # noqa: B023
            assert reader.client.read(key).json["data"] == f"by {writer.port}"


def _aside(node: NodeProcess, key: str) -> bool:
    assert node.client.read(key).json["data"] == "before"
    return bool(node.client.stats()["setAside"])


# Endpoints that are not a peer's


ENDPOINTS: dict[str, Callable[[int], str]] = {
    "credentials": lambda port: f"ws://me:secret@127.0.0.1:{port}/ws",
    "path of a service": lambda port: f"ws://127.0.0.1:{port}/admin/delete",
    "another scheme": lambda port: f"http://127.0.0.1:{port}/ws",
    "query": lambda port: f"ws://127.0.0.1:{port}/admin?/ws",
    "fragment": lambda port: f"ws://127.0.0.1:{port}/admin#/ws",
    "line end": lambda port: f"ws://127.0.0.1:{port}/x\\r\\nGET /ws",
}
FORBIDDEN: dict[str, tuple[str, str]] = {
    "metadata": ("169.254.169.254", "link-local"),
    "metadata in IPv6": ("[::ffff:169.254.169.254]", "link-local"),
    "metadata elsewhere": ("100.100.100.200", "metadata"),
    "no address": ("0.0.0.0", "not-unicast"),
}


@pytest.mark.parametrize("name", ENDPOINTS)
def test_no_such_endpoint_is_dialed(victim: NodeProcess, name: str) -> None:
    counted, dials = _refused(victim, "peer-record"), victim.client.stats()["dials"]
    with Trap() as trap, dialed(victim.port, "stranger") as peer:
        endpoint = ENDPOINTS[name](trap.port)
        peer.join()
        peer.send("join", _names([{"id": "elsewhere", "gossipEndpoint": endpoint}]))
        eventually(lambda: _refused(victim, "peer-record") == counted + 1)
        # The same in its own introduction, and where it says that its HTTP is.
        with dialed(victim.port, "liar") as liar:
            liar.send(
                "join", {"nodeId": "liar", "gossipEndpoint": endpoint, "apiEndpoint": endpoint}
            )
            eventually(lambda: _received_after(victim, liar))
        assert trap.requests == []
    assert victim.client.stats()["dials"] == dials


@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_forbidden_address_is_connected_to(victim: NodeProcess, name: str) -> None:
    host, reason = FORBIDDEN[name]
    before = victim.client.stats()
    with Trap() as trap, dialed(victim.port, "stranger") as peer:
        url = f"ws://{host}:{trap.port}/ws"
        peer.join()
        peer.send("join", _names([{"id": "elsewhere", "gossipEndpoint": url}]))
        # Refused before there was a socket, not by the network.
        eventually(lambda: _logged(victim, f"url={url} ", f"forbidden ({reason})"))
        assert victim.client.stats()["dialsFailed"] > before["dialsFailed"]
        assert trap.requests == []
    assert "elsewhere" not in victim.client.statuses()


def _logged(node: NodeProcess, *parts: str) -> bool:
    return any(all(part in line for part in parts) for line in node.tail().splitlines())


def _received_after(victim: NodeProcess, peer: Peer) -> bool:
    """Whether everything that this peer sent was handled: a frame behind it is counted."""
    counted = _refused(victim, "json")
    peer.send_raw("{")
    return bool(eventually(lambda: _refused(victim, "json") > counted))


# Ids without end


def test_100_000_ids_from_the_future(victim: NodeProcess) -> None:
    future = GREATEST - 1
    frames = [
        frame("leave", {"reason": "x"}, f"ghost-{number}", timestamp=future, messageId=f"f{number}")
        for number in range(100_000)
    ]
    received = victim.client.stats()["messagesReceived"]
    costs = []
    with dialed(victim.port, "stranger") as peer:
        for part in range(4):
            began = victim.cpu_seconds()
            for each in frames[part * 25_000 : (part + 1) * 25_000]:
                peer.send_raw(each)
            expected = received + (part + 1) * 25_000
            eventually(
                lambda: victim.client.stats()["messagesReceived"] >= expected,  # noqa: B023
                within=60,
                pause=0.2,
            )
            costs.append(victim.cpu_seconds() - began)
    # Processor time, which other processes do not add to: four times as many ids are remembered
    # in the end by a node that forgets none, and each look for one would take longer.
    assert costs[-1] < 2 * costs[0]
    assert not any(id_.startswith("ghost") for id_ in victim.client.statuses())


# Those who hold on


def test_500_idle_connections(victim: NodeProcess) -> None:
    with ExitStack() as held:
        for number in range(500):
            if number % 2:
                held.enter_context(dialed(victim.port, f"idle-{number}"))
            else:
                held.enter_context(socket.create_connection(("127.0.0.1", victim.port)))
        assert victim.client.health()["status"] == "healthy"
        assert victim.client.set("crowded", 1) > 0


def test_500_half_sent_requests(victim: NodeProcess) -> None:
    halves = [
        b"GET /gossip/hea",
        b"POST /gossip/data HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"
        + b"x" * 999,
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n",
        b"PUT /gossip/data/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    ]
    with ExitStack() as held:
        for number in range(500):
            client = held.enter_context(socket.create_connection(("127.0.0.1", victim.port)))
            client.sendall(halves[number % len(halves)])
        assert victim.client.health()["status"] == "healthy"


def test_a_member_that_never_reads(pair: Cluster, victim: NodeProcess) -> None:
    writer = pair.nodes[1].client
    with dialed(victim.port, "stranger", reads=False) as peer:
        peer.join()
        eventually(lambda: victim.client.statuses().get("stranger") == "active")
        # More than the kernel holds, and than may wait for one link.
        for number in range(250):
            writer.set(f"loud/{number % 20}", f"{number}" + "x" * 100_000)
        eventually(lambda: victim.client.data("loud") == writer.data("loud"))
        assert victim.client.health()["status"] == "healthy"
    for number in range(20):
        writer.delete(f"loud/{number}")
    eventually(lambda: victim.client.data("loud") == {})


def test_a_client_that_never_reads(victim: NodeProcess) -> None:
    for number in range(20):
        victim.client.set(f"long/{number}", "x" * 100_000)
    with ExitStack() as held:
        for _ in range(50):
            client = held.enter_context(socket.create_connection(("127.0.0.1", victim.port)))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.sendall(b"GET /gossip/state HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert victim.client.health()["status"] == "healthy"
    for number in range(20):
        victim.client.delete(f"long/{number}")


# Last, since its names are dialed for minutes, two a second


def test_10_000_fake_peers_are_not_listed(victim: NodeProcess) -> None:
    before = victim.client.stats()
    with Trap() as trap, dialed(victim.port, "stranger") as peer:
        peer.join()
        peer.send(
            "join",
            _names(
                [
                    {"id": f"fake-{number}", "gossipEndpoint": f"ws://127.0.0.1:9/{number}/ws"}
                    for number in range(9_999)
                ]
                + [{"id": "last", "gossipEndpoint": f"ws://127.0.0.1:{trap.port}/ws"}]
            ),
        )
        eventually(lambda: _refused(victim, "peer-record") > 0)
        eventually(lambda: victim.client.stats()["dialsFailed"] > before["dialsFailed"])
        # What is over the bound on names is not even queued.
        assert trap.requests == []
        # L4: a burst of 20, then two a second while we looked.
        assert victim.client.stats()["dials"] - before["dials"] <= 60
        assert set(victim.client.statuses()) <= {"stranger", _other_id(victim)}


def _other_id(victim: NodeProcess) -> str:
    [other] = [id_ for id_ in victim.client.statuses() if not id_.startswith(("fake", "stranger"))]
    return other
