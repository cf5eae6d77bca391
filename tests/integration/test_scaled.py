"""One node in several processes beside embedded ones: everybody writes, everybody reads."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.support.client import dialed
from tests.support.process import ROOT
from tests.support.scaled import Mixed
from tests.support.waiting import eventually


def test_every_process_tells_of_one_node(mixed: Mixed) -> None:
    assert len({client.node_id() for client in mixed.scaled.clients}) == 1
    for node in mixed.embedded:
        assert len(node.client.statuses()) == 2


def test_writes_converge_both_ways(mixed: Mixed) -> None:
    for number, client in enumerate(mixed.clients):
        client.set(f"converge/{number}", number)
    state = mixed.wait_equal()
    assert {key for key in state if key.startswith("converge/")} == {
        f"converge/{number}" for number in range(len(mixed.clients))
    }


def test_a_delete_and_an_expiry_reach_every_process(mixed: Mixed) -> None:
    first, *others = mixed.scaled.clients
    first.set("gone", 1)
    assert first.delete("gone").status == 200
    for client in others:
        assert client.read("gone").status == 404
    embedded = mixed.embedded[0].client
    eventually(lambda: embedded.state()["gone"]["version"] and embedded.read("gone").status == 404)


def test_a_thousand_writes_at_once_are_all_there_and_read_everywhere(mixed: Mixed) -> None:
    clients = mixed.scaled.clients

    def write_and_read(number: int) -> tuple[int, int]:
        key = f"many/{number}"
        version = clients[number % 3].set(key, number)
        answer = clients[(number + 1) % 3].read(key)
        assert (answer.status, answer.json["data"]) == (200, number)
        return number, version

    with ThreadPoolExecutor(50) as pool:
        versions = dict(pool.map(write_and_read, range(1_000)))
    for client in clients:
        found = {key: entry for key, entry in client.state().items() if key.startswith("many/")}
        assert {key: entry["value"] for key, entry in found.items()} == {
            f"many/{number}": number for number in range(1_000)
        }
        # Written once each: a second write would have made another version.
        assert {key: entry["version"] for key, entry in found.items()} == {
            f"many/{number}": version for number, version in versions.items()
        }
    mixed.wait_equal()


def test_concurrent_writes_of_one_key_are_serialised(mixed: Mixed) -> None:
    clients = mixed.scaled.clients
    clients[0].set("counter", 0)

    def add(number: int) -> int:
        client = clients[number % 3]
        while True:
            read = client.read("counter")
            answer = client.request(
                "PUT",
                "/gossip/data/counter",
                b"%d" % (read.json["data"] + 1),
                **{"If-Match": read.headers["ETag"]},
            )
            if answer.status == 201:
                return 1
            assert answer.status == 412, answer

    with ThreadPoolExecutor(6) as pool:
        added = sum(pool.map(add, range(60)))
    assert [client.read("counter").json["data"] for client in clients] == [added] * 3


def test_peers_at_different_web_processes_see_one_node(mixed: Mixed) -> None:
    ports = [process.port for process in mixed.scaled.web[:2]]
    with dialed(ports[0], "peer-one") as one, dialed(ports[1], "peer-two") as two:
        names = set()
        for peer in (one, two):
            peer.join()
            answer = peer.receive()
            assert answer["type"] == "join"
            names.add(answer["from"])
        assert names == {mixed.scaled.clients[2].node_id()}
        eventually(lambda: {"peer-one", "peer-two"} <= mixed.scaled.clients[2].statuses().keys())


def test_a_program_that_serves_nothing_uses_the_node(mixed: Mixed) -> None:
    program = """
import django
django.setup()
from django.conf import settings
from gossip import services
from gossip.scaled import attached
with attached(settings.GOSSIP):
    entry = services.set("from a program", {"a": 1})
    print(services.get("from a program").version == entry.version, len(services.members()))
try:
    services.get("from a program")
except services.NoEngine:
    print("detached")
"""
    web = mixed.scaled.web[0]
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=web.environment() | {"DJANGO_SETTINGS_MODULE": "gossipnode.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    first, last = ended.stdout.splitlines()[-2:]
    assert first.startswith("True ")
    assert last == "detached"
    assert mixed.scaled.clients[1].read("from a program").json["data"] == {"a": 1}
