"""A scaled node under write load, and what may happen to its processes and its Redis."""

import threading
from collections.abc import Sequence
from functools import partial
from typing import Self

from tests.support.client import Client
from tests.support.faults import Load, audited, database_held, standing_by, written_to
from tests.support.ports import free_port
from tests.support.proxy import Network, Trouble
from tests.support.scaled import Mixed, Worker
from tests.support.waiting import eventually


def dialed_links(mixed: Mixed) -> list[int]:
    """How many connections each embedded node has opened and closed."""
    return [node.client.stats()["linksOpened"] for node in mixed.embedded]


def test_a_worker_that_is_killed_is_replaced_and_no_peer_connects_again(mixed: Mixed) -> None:
    node_id = mixed.scaled.clients[0].node_id()
    before = dialed_links(mixed)
    with audited(mixed), written_to(mixed) as load:
        active = mixed.scaled.active
        active.kill()
        mixed.scaled.wait_for_active(active)
        load.wait_for_more()
        for node in mixed.embedded:
            # Silence for some seconds is suspicious; the node was not given up.
            assert node.client.statuses()[node_id] in {"active", "suspected"}
        mixed.wait_whole()
        assert dialed_links(mixed) == before


def test_a_worker_that_stops_hands_over_and_does_not_leave(mixed: Mixed) -> None:
    node_id = mixed.scaled.clients[0].node_id()
    before = dialed_links(mixed)
    with audited(mixed), written_to(mixed) as load:
        active = mixed.scaled.active
        assert active.stop() == 0
        mixed.scaled.wait_for_active(active)
        load.wait_for_more()
        for node in mixed.embedded:
            assert node.client.statuses()[node_id] == "active"
        assert dialed_links(mixed) == before


def test_a_worker_that_was_paused_beyond_its_lease_ends(mixed: Mixed) -> None:
    with audited(mixed), written_to(mixed) as load:
        active = mixed.scaled.active
        with database_held(mixed):
            # It waits for the database now, at most: in a transaction it would hold it.
            active.pause()
        mixed.scaled.wait_for_active(active)
        load.wait_for_more()
        active.resume()
        assert active.wait_ended() == 1
        load.wait_for_more()
    told = [line for line in active.output.read_text().splitlines() if "gossipnode: " in line]
    assert "another" in told[-1]
    assert "Traceback" not in active.output.read_text()


def test_a_web_process_that_is_killed_takes_its_own_connections_only(mixed: Mixed) -> None:
    node_id = mixed.scaled.clients[1].node_id()
    with audited(mixed), written_to(mixed) as load:
        mixed.scaled.web[0].kill()
        load.wait_for_more()
        for node in mixed.embedded:
            assert node.client.statuses()[node_id] in {"active", "suspected"}
        mixed.revive()


class Balancer:
    """Sends requests to web processes that were ready when it looked last."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients
        self._ready = list(clients)
        self._stop = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._looking.join()

    def choose(self, number: int) -> Client:
        ready = self._ready
        return ready[number % len(ready)]

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            self._ready = [client for client in self._clients if client.is_ready()]


def test_web_processes_are_replaced_one_by_one_without_a_failed_request(mixed: Mixed) -> None:
    with (
        Balancer(mixed.scaled.clients) as balancer,
        audited(mixed),
        written_to(mixed, balancer.choose) as load,
    ):
        for process in mixed.scaled.web:
            assert process.stop() == 0
            process.start()
            process.wait_ready()
            load.wait_for_more()
    assert (load.ledger.refused, load.ledger.unanswered) == (0, 0)


def test_a_redis_that_restarts_empty_is_filled_again(mixed: Mixed) -> None:
    active = mixed.scaled.active
    with audited(mixed), written_to(mixed) as load:
        mixed.scaled.redis.restart()
        load.wait_for_more()
        assert mixed.scaled.active is active
        for client in mixed.scaled.clients:
            eventually(partial(keeps_all, client, load))


def keeps_all(client: Client, load: Load) -> bool:
    # Before the state is read: the load goes on.
    acknowledged = load.ledger.versions()
    state = client.state()
    return all(
        key in state and state[key]["version"] >= version for key, version in acknowledged.items()
    )


def test_a_redis_that_hangs_delays_and_loses_nothing(mixed: Mixed) -> None:
    with audited(mixed), written_to(mixed) as load:
        with mixed.scaled.redis.paused():
            # What was under way is given up, and nothing more is taken.
            answer = eventually(lambda: refused(mixed), within=20)
            assert answer
        load.wait_for_more()


def refused(mixed: Mixed) -> bool:
    """Whether a web process says that it cannot write."""
    answer = mixed.scaled.clients[0].post("while Redis hangs", 1)
    return answer.status == 503 and "Retry-After" in answer.headers


def test_without_a_worker_reads_go_on_and_say_how_old_they_are(mixed: Mixed) -> None:
    client = mixed.scaled.clients[0]
    client.set("known", 1)
    for worker in mixed.scaled.workers:
        worker.kill()
    eventually(lambda: client.post("new", 1).status == 503)
    read = client.read("known")
    assert (read.status, read.json["data"]) == (200, 1)
    eventually(lambda: int(client.read("known").headers.get("Age", "0")) > 0)
    assert not client.is_ready()
    (reason,) = client.health()["reasons"]
    assert reason.startswith("worker: ")


def test_a_worker_that_is_cut_off_from_redis_alone_is_replaced(mixed: Mixed) -> None:
    scaled = mixed.scaled
    port = free_port()
    first = scaled.active
    directory = scaled.data_dir.with_name(f"cut-off-{port}")
    url = {"GOSSIP_REDIS_URL": f"redis://127.0.0.1:{port}"}
    cut_off = Worker(first.port, directory, settings=first.settings | url)
    with (
        Network([(port, scaled.redis.port)]) as network,
        audited(mixed),
        written_to(mixed) as load,
        standing_by(mixed, cut_off),
    ):
        assert first.stop() == 0
        scaled.wait_for_active(first)
        first.start()
        eventually(first.has_its_part, within=20)
        load.wait_for_more()
        network.disturb_node(Trouble.HALF_OPEN, 0, 0)
        scaled.wait_for_active(cut_off)
        assert cut_off.wait_ended(within=30) == 1
        load.wait_for_more()
