"""Keys that end by themselves, on real nodes (E6)."""

import msgspec

from tests.support.cluster import Cluster
from tests.support.waiting import eventually


def test_a_key_with_a_ttl_is_gone_everywhere(cluster: Cluster) -> None:
    first, *others = cluster.clients
    body = msgspec.json.encode({"key": "expiry/short", "value": 1, "ttl": 2})
    answer = first.request("POST", "/gossip/data", body).json
    eventually(lambda: all(other.read("expiry/short").status == 200 for other in others))
    assert first.state()["expiry/short"]["expiresAt"] == answer["expiresAt"]
    eventually(lambda: all(node.read("expiry/short").status == 404 for node in cluster.clients))
    # Its origin follows it with a tombstone.
    version = answer["version"] + 1
    gone = {"version": version, "timestamp": answer["expiresAt"]}
    eventually(lambda: all(node.state()["expiry/short"] == gone for node in cluster.clients))


def test_a_write_without_a_ttl_keeps_the_key(cluster: Cluster) -> None:
    first, other, *_ = cluster.clients
    body = msgspec.json.encode({"key": "expiry/kept", "value": 1, "ttl": 1})
    first.request("POST", "/gossip/data", body)
    version = first.set("expiry/kept", 2)
    first.set("expiry/marker", 1)
    eventually(lambda: other.read("expiry/marker").status == 200)
    body = msgspec.json.encode({"key": "expiry/other", "value": 1, "ttl": 1})
    first.request("POST", "/gossip/data", body)
    # What was written later with the same ttl is over: so is the time of the first.
    eventually(lambda: first.read("expiry/other").status == 404)
    assert first.read("expiry/kept").json["data"] == 2
    assert first.state()["expiry/kept"]["version"] == version
