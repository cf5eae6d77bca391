"""What one frame, or one connection, can do to a node: be counted, and nothing else (R1, R2)."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.client import dialed, frame
from tests.support.cluster import Cluster
from tests.support.process import Launch, NodeProcess
from tests.support.waiting import eventually

MEMORY = 20_000_000
"""Bytes by which a node may grow."""
DEEP = "[" * 100_000 + "]" * 100_000
SENDER = "test-peer"


def _raw(kind: str, data: str) -> str:
    """A valid envelope around data that need not be JSON."""
    return frame(kind, "DATA", SENDER).replace('"DATA"', data)


def _update(key: str = "hostile", value: str = "1", version: str = "5") -> str:
    return _raw("gossip", f'{{"key":"{key}","value":{value},"version":{version}}}')


def _discovery(endpoint: str) -> str:
    peers = f'[{{"id":"elsewhere","gossipEndpoint":"{endpoint}"}}]'
    return _raw("join", f'{{"type":"peer_discovery","peers":{peers}}}')


BAD_FRAMES: dict[str, tuple[str | bytes, str]] = {
    "malformed": ("{", "json"),
    "not UTF-8": (b'{"type":"\xff"}', "json"),
    "no object": ("[]", "envelope"),
    "no data": ('{"type":"sync","from":"x","messageId":"y"}', "envelope"),
    "unknown type": (_raw("tomorrow", "{}"), "type"),
    "a list without peers": (_raw("join", '{"type":"peer_discovery"}'), "data"),
    "deep envelope": (_raw("tomorrow", DEEP), "depth"),
    "deep value": (_update(value=DEEP), "depth"),
    "large value": (_update(value=f'"{"x" * 131_071}"'), "value-size"),
    "NaN": (_update(value="NaN"), "json"),
    "lone surrogate": (_update(value=r'"\ud800"'), "json"),
    "empty key": (_update(key=""), "key"),
    "long key": (_update(key="k" * 513), "key"),
    "version 0": (_update(version="0"), "version"),
    "version over 2^53 - 1": (_update(version=str(2**53)), "version"),
    "version 1e300": (_update(version="1e300"), "version"),
    "version true": (_update(version="true"), "version"),
    "version as text": (_update(version='"9"'), "version"),
    "version in a list": (_update(version="[9]"), "version"),
    "version from the future": (_update(version=str(2**53 - 1)), "aside"),
    "endpoint with credentials": (_discovery("ws://me:secret@127.0.0.1:9/ws"), "peer-record"),
    "endpoint of a service": (_discovery("http://127.0.0.1:9/admin"), "peer-record"),
    "another's leave": (frame("leave", {"reason": "x"}, "somebody", ttl=5), "leave-relayed"),
    "a page nobody asked for": (_raw("sync", '{"x":"page","entries":[]}'), "not-joined"),
    "5 MB": (_raw("sync", f'["{"x" * 5_000_000}"]'), "size"),
}


@pytest.fixture(scope="module", params=Launch, ids=lambda launch: launch.value)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A node to attack and a peer to which nothing of it may spread."""
    launch: Launch = request.param
    with Cluster(tmp_path_factory.mktemp("hostile"), 2, launch=launch) as cluster:
        yield cluster


@pytest.fixture
def victim(pair: Cluster) -> Iterator[NodeProcess]:
    """The node to attack. Afterwards it must be in order."""
    node, other = pair.nodes
    before = node.resident()
    yield node
    assert node.is_running
    node.client.set("in-order", time.time())
    sent = node.client.read("in-order").json
    eventually(lambda: other.client.read("in-order").json == sent)
    assert node.client.read("hostile").status == 404
    assert other.client.read("hostile").status == 404
    assert node.resident() - before < MEMORY


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_is_counted_and_dropped(victim: NodeProcess, name: str) -> None:
    message, reason = BAD_FRAMES[name]
    refused = _refused(victim, reason)
    with dialed(victim.port, SENDER) as peer:
        peer.send_raw(message)
        eventually(lambda: _refused(victim, reason) == refused + 1)


def test_a_frame_over_16_mib_closes_the_connection(victim: NodeProcess) -> None:
    with dialed(victim.port) as peer:
        peer.send_raw("x" * 20_000_000)
        assert peer.close_code() in {1006, 1009}


def test_frames_in_its_own_name_end_the_link(victim: NodeProcess) -> None:
    with dialed(victim.port, victim.client.node_id()) as peer:
        peer.join()
        assert peer.close_code() == 4410


def test_a_leave_in_the_name_of_the_victim_is_not_passed_on(
    pair: Cluster, victim: NodeProcess
) -> None:
    _, other = pair.nodes
    name, refused = victim.client.node_id(), _refused(victim, "own-name")
    with dialed(victim.port, SENDER) as peer:
        peer.join()
        peer.send_raw(frame("leave", {"reason": "x"}, name, ttl=5))
        eventually(lambda: _refused(victim, "own-name") == refused + 1)
    victim.client.set("after-leave", 1)
    eventually(lambda: other.client.read("after-leave").status == 200)
    assert other.client.statuses()[name] == "active"


def test_a_count_beyond_any_number_is_no_reason_to_die(victim: NodeProcess) -> None:
    with dialed(victim.port, SENDER) as peer:
        peer.join(root={"n": 10**400, "sum": "0", "floor": 0})
        eventually(lambda: SENDER in victim.client.statuses())


def test_repeated_faults_end_the_link(victim: NodeProcess) -> None:
    with dialed(victim.port) as peer:
        for _ in range(100):
            peer.send_raw("{")
        assert peer.close_code() == 4400


def test_ten_thousand_names_are_neither_listed_nor_all_dialed(victim: NodeProcess) -> None:
    names = [
        {"id": f"ghost-{number}", "gossipEndpoint": f"ws://127.0.0.1:9/{number}/ws"}
        for number in range(10_000)
    ]
    before = victim.client.stats()
    began = time.monotonic()
    with dialed(victim.port) as peer:
        peer.send("join", {"type": "peer_discovery", "peers": names})
        after = eventually(lambda: _dialed_since(victim, before["dials"]))
    assert not any(node_id.startswith("ghost") for node_id in victim.client.statuses())
    assert after["refused"]["peer-record"] - before["refused"].get("peer-record", 0) > 0
    # L4: a burst of 20, then two a second.
    assert after["dials"] - before["dials"] <= 20 + 2 * (time.monotonic() - began) + 1


def test_joins_in_many_names_on_one_link_end_it(victim: NodeProcess) -> None:
    with dialed(victim.port, "flood") as peer:
        peer.join()
        for number in range(200):
            peer.send_raw(frame("join", {"nodeId": f"flood-{number}"}, f"flood-{number}"))
        assert peer.close_code() == 4400
    assert "flood-0" not in victim.client.statuses()


def test_two_hundred_connections_that_join(victim: NodeProcess) -> None:
    with ExitStack() as held:
        for number in range(200):
            # Each is told of all others: reading that would take a minute of Python.
            peer = held.enter_context(dialed(victim.port, f"crowd-{number}", reads=False))
            peer.join()
        eventually(lambda: victim.client.stats()["links"] >= 201)
        victim.client.set("crowded", 1)
    eventually(lambda: victim.client.stats()["links"] == 1)


def _refused(node: NodeProcess, reason: str) -> int:
    count: int = node.client.stats()["refused"].get(reason, 0)
    return count


def _dialed_since(node: NodeProcess, before: int) -> dict[str, dict[str, int]]:
    stats = node.client.stats()
    assert stats["dials"] > before
    return stats
