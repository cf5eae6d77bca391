"""The parts of a double that need no network."""

from dataclasses import replace
from typing import Any

import pytest

from tests.interop.double.connections import Connections
from tests.interop.double.history import History
from tests.interop.double.javascript import UNDEFINED
from tests.interop.double.peers import Peers
from tests.interop.double.settings import Quirks, Timers
from tests.interop.double.state import State

AS_OBSERVED = Quirks()


class Wire:
    """A socket that goes nowhere."""

    def __init__(self, dialed: str | None = None) -> None:
        self.dialed = dialed
        self.joined: set[Any] = set()

    def send(self, text: str) -> None: ...

    def close(self) -> None: ...


def test_timers_are_those_of_the_deployed_nodes_and_scale_together() -> None:
    assert Timers() == Timers(5, 10, 30, 60, 1, 2, 30)
    assert Timers().scaled(2) == Timers(10, 20, 60, 120, 2, 4, 60)


# The history


def test_the_history_looks_for_old_ids_only_beyond_its_limit() -> None:
    history = History(1_000, max_age=60_000)
    for index in range(1_000):
        history.add(index, 0, now=100_000)
    assert len(history) == 1_000
    history.add("one more", 100_000, now=100_000)
    assert len(history) == 1


def test_an_id_leaves_the_history_when_its_own_timestamp_is_older() -> None:
    history = History(0, max_age=60_000)
    history.add("kept", 40_000, now=100_000)
    history.add("old", 39_999, now=100_000)
    assert "kept" in history
    assert "old" not in history


@pytest.mark.parametrize("timestamp", [10**15, "soon", UNDEFINED, {}])
def test_an_id_from_the_future_or_from_no_time_stays(timestamp: Any) -> None:
    history = History(0, max_age=60_000)
    history.add("id", timestamp, now=10**12)
    assert "id" in history


# The map of sockets


def test_a_dialed_socket_replaces_what_is_mapped() -> None:
    connections, old, new = Connections(AS_OBSERVED), Wire(), Wire("ws://a")
    connections.came_in("ws://a", old)
    connections.opened("ws://a", new)
    assert connections.get("ws://a") is new


def test_a_socket_that_came_in_replaces_nothing() -> None:
    connections, old, new = Connections(AS_OBSERVED), Wire("ws://a"), Wire()
    connections.opened("ws://a", old)
    connections.came_in("ws://a", new)
    assert connections.get("ws://a") is old


@pytest.mark.parametrize(("quirk", "left"), [(True, 0), (False, 1)])
def test_a_dialed_socket_that_closes_unmaps_whichever_stands_there(quirk: bool, left: int) -> None:
    connections = Connections(replace(AS_OBSERVED, unmaps_by_url=quirk))
    first, second = Wire("ws://a"), Wire("ws://a")
    connections.opened("ws://a", first)
    connections.opened("ws://a", second)
    connections.closed(first)
    assert len(connections) == left


@pytest.mark.parametrize(("quirk", "left"), [(True, 0), (False, 1)])
def test_a_dial_that_fails_unmaps_the_inbound_socket(quirk: bool, left: int) -> None:
    connections = Connections(replace(AS_OBSERVED, unmaps_by_url=quirk))
    connections.came_in("ws://a", Wire())
    connections.never_opened("ws://a")
    assert len(connections) == left


def test_an_inbound_socket_that_closes_unmaps_itself_only() -> None:
    connections, mapped, spare = Connections(AS_OBSERVED), Wire(), Wire()
    connections.came_in("ws://a", mapped)
    connections.came_in("ws://b", mapped)
    connections.came_in("ws://c", spare)
    connections.closed(mapped)
    assert connections.sockets() == [spare]


def test_the_source_is_left_out_under_all_its_endpoints() -> None:
    connections, both, other = Connections(AS_OBSERVED), Wire(), Wire()
    connections.came_in("ws://a", both)
    connections.came_in("ws://b", both)
    connections.came_in("ws://c", other)
    assert connections.sockets() == [both, both, other]
    assert connections.sockets(besides=both) == [other]


# The peers


def test_a_record_keeps_what_is_not_given_again() -> None:
    peers = Peers()
    peers.record("a", {"region": "local", "publicKey": "0x1"}, now=1)
    peers.record("a", {"region": "moon"}, now=2)
    assert [peer.as_mentioned() for peer in peers] == [
        {"id": "a", "publicKey": "0x1", "region": "moon"}
    ]


def test_silence_beyond_the_timeout_is_suspicious() -> None:
    peers = Peers()
    peer = peers.record("a", {}, now=0)
    peers.suspect(30_000, 30_000)
    assert peers.active() == [peer]
    peers.suspect(30_001, 30_000)
    assert peers.count("suspected") == 1


def test_only_who_is_not_active_is_removed() -> None:
    peers = Peers()
    peer = peers.record("a", {}, now=0)
    peers.clean(60_001, 60_000)
    assert list(peers) == [peer]
    peer.status = "suspected"
    peers.clean(60_000, 60_000)
    assert list(peers) == [peer]
    peers.clean(60_001, 60_000)
    assert list(peers) == []


# The state


def merged(state: State, version: Any, value: Any = "new") -> bool:
    entry = {"key": "k", "version": version, "value": value}
    return state.merge({name: v for name, v in entry.items() if v is not UNDEFINED}, 1, 2)


@pytest.mark.parametrize("version", [1, "1", True, 1e300, float("inf"), 0.5, [1]])
def test_any_version_above_nothing_is_taken(version: Any) -> None:
    assert merged(State(AS_OBSERVED), version)


@pytest.mark.parametrize("version", [0, -1, "x", None, False, {}, UNDEFINED])
def test_what_is_not_greater_than_nothing_is_ignored(version: Any) -> None:
    assert not merged(State(AS_OBSERVED), version)


@pytest.mark.parametrize("version", ["1", True, 0.5, 1e300, 2**53, 0])
def test_without_the_quirk_a_version_is_a_safe_integer(version: Any) -> None:
    state = State(replace(AS_OBSERVED, takes_any_version=False))
    assert not merged(state, version)
    assert merged(state, 2**53 - 1)


@pytest.mark.parametrize(("stored", "version"), [(5, 5), (5, "5"), ("5", 5), (True, 1), (2, 1)])
def test_equal_and_older_versions_are_ignored(stored: Any, version: Any) -> None:
    state = State(AS_OBSERVED)
    assert merged(state, stored, "old")
    assert not merged(state, version)
    assert state.get("k") == "old"


def test_nothing_beats_infinity() -> None:
    state = State(AS_OBSERVED)
    assert merged(state, float("inf"), "poison")
    assert not merged(state, 2**53)
    assert not merged(state, float("inf"))


def test_without_the_quirk_the_greater_text_wins_a_tie() -> None:
    state = State(replace(AS_OBSERVED, ignores_ties=False))
    assert [merged(state, 5, value) for value in ("b", "a", "c")] == [True, False, True]


def test_an_own_write_overwrites_without_looking() -> None:
    state = State(AS_OBSERVED)
    merged(state, 9_999)
    assert state.write("k", "mine", now=5).version == 5
    careful = State(replace(AS_OBSERVED, writes_without_looking=False))
    merged(careful, 9_999)
    assert careful.write("k", "mine", now=5).version == 10_000


def test_an_entry_without_value_is_stored_as_undefined() -> None:
    state = State(AS_OBSERVED)
    assert merged(state, 1, "old")
    assert merged(state, 2, UNDEFINED)
    assert state.get("k") is UNDEFINED
    assert state.entries["k"].as_gossip() == {"key": "k", "version": 2}
    assert not merged(State(replace(AS_OBSERVED, stores_undefined=False)), 2, UNDEFINED)


def test_only_four_fields_of_an_entry_go_on() -> None:
    state = State(AS_OBSERVED)
    entry = {"key": "k", "value": None, "version": 1, "timestamp": 7}
    assert state.merge(entry | {"deleted": True, "origin": "x"}, 1, 2)
    assert state.entries["k"].as_sync() == entry


@pytest.mark.parametrize("item", [None, 5, [], {}, {"key": 5, "version": 1}])
def test_what_is_no_entry_is_ignored(item: Any) -> None:
    assert not State(AS_OBSERVED).merge(item, 1, 2)


def test_applied_counts_local_and_remote_updates() -> None:
    state = State(AS_OBSERVED)
    state.write("k", 1, now=1)
    merged(state, 2)
    merged(state, 2)
    assert (state.applied, state.last_updated) == (2, 2)
