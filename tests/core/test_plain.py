"""What we ask plain peers, what we make of the answer, and what we give them (A4, R1, W4)."""

import json

import pytest

from gossip.core.config import Limits
from gossip.core.effects import Fetch
from gossip.core.entries import Entry
from gossip.core.events import LinkBlocked, LinkId, LinkWritable
from tests.support.core import BOOTSTRAP, ME, Subject, bootstrapped, pushed, sent
from tests.support.frames import join, message, plain_join, sync
from tests.support.plain import STATE, alive, answer, counting, fetches, keys, state

NAMES = "http://boot.example:3001/gossip/peers"

# Where to ask


@pytest.mark.parametrize(
    ("api", "url"),
    [
        ("http://p.example:9000", "http://p.example:9000/gossip/state"),
        ("https://p.example/behind/", "https://p.example/behind/gossip/state"),
        (None, STATE),
        ("http://elsewhere.example:3001", STATE),
    ],
)
def test_l4_it_is_asked_on_the_host_of_its_gossip_endpoint(api: str | None, url: str) -> None:
    subject = Subject()
    subject.accept(1)
    subject.receive(1, plain_join("p", apiEndpoint=api))
    assert fetches(subject.wait(2.0)) == [url]
    elsewhere = api is not None and "elsewhere" in api
    assert subject.refused["api-endpoint"] == elsewhere


def test_a4_the_origin_of_the_url_that_we_dialed_serves_where_nothing_else_is_known() -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    subject.receive(1, counting(1))
    assert fetches(subject.wait(2.0)) == ["http://boot.example:3001/gossip/state"]


@pytest.mark.parametrize("loopback", [False, True])
def test_l4_loopback_is_allowed_for_loopback_peers_only(loopback: bool) -> None:
    subject = Subject()
    subject.accept(1, loopback=loopback)
    subject.receive(1, plain_join("p"))
    [fetch] = [effect for effect in subject.wait(2.0) if isinstance(effect, Fetch)]
    assert fetch.loopback_allowed == loopback
    assert fetch.most == subject.config.limits.body


# Bad answers


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "fetch"),
        (b"", "plain-state"),
        (b"\xff", "plain-state"),
        (b"[]", "plain-state"),
        (b'{"state":{"nodeId":"p","data":[]}}', "plain-state"),
        (b'{"state":{"nodeId":"p","data":{"k":7}}}', "plain-state"),
        (b"[" * 100_000, "plain-state"),
        (state(*keys(1), node_id="q"), "plain-state"),
        (state(*keys(1), node_id=None), "plain-state"),
        (state(*keys(1), node_id="p" * 257), "plain-state"),
    ],
    ids=["none", "empty", "binary", "array", "data", "entry", "deep", "other", "no id", "long id"],
)
def test_r1_a_bad_answer_is_counted_and_not_asked_for_again_at_once(
    body: bytes | None, reason: str
) -> None:
    subject = Subject()
    subject.plain(1, "p")
    assert fetches(subject.wait(2.0)) == [STATE]
    answer(subject, body)
    assert subject.refused[reason] == 1
    assert list(subject.node.entries()) == []
    assert fetches(alive(subject, 55, 1)) == []
    assert fetches(alive(subject, 10, 1)) == [STATE]


def test_r2_bad_entries_in_a_state_are_dropped_alone() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.wait(2.0)
    fields = {"good": {"value": 1, "version": 1}, "bad": {"value": 1, "version": True}}
    body = {"state": {"nodeId": "p", "version": 2, "data": fields}}
    answer(subject, json.dumps(body).encode())
    assert [entry.key for entry in subject.node.entries()] == ["good"]
    assert subject.refused["version"] == 1


def test_an_answer_that_nobody_asked_for_is_ignored() -> None:
    subject = Subject()
    subject.plain(1, "p")
    assert answer(subject, state(*keys(1))) == []
    assert list(subject.node.entries()) == []


# What it lacks


def test_a4_what_it_lacks_is_pushed_as_arrays_tombstones_included() -> None:
    subject = Subject()
    subject.hold(Entry("a", 5, b"1"), Entry("b", 5, None), Entry("c", 5, b"1"), Entry("d", 5, b"1"))
    subject.plain(1, "p")
    subject.wait(2.0)
    theirs = [Entry("a", 4, b"0"), Entry("c", 5, b"1"), Entry("d", 6, b"2")]
    effects = answer(subject, state(*theirs, count=3))
    assert pushed(effects, 1) == ["a", "b"]
    [array] = [frame["data"] for frame in sent(effects, 1) if isinstance(frame["data"], list)]
    assert "value" not in array[1]


def test_s5_what_it_lacks_goes_out_as_fast_as_it_drains() -> None:
    subject = Subject(limits=Limits(slice_entries=10))
    subject.hold(*keys(25))
    subject.handle(LinkBlocked(LinkId(1)))
    subject.accept(1)
    subject.handle(LinkBlocked(LinkId(1)))
    assert pushed(subject.receive(1, plain_join("p")), 1) == []
    effects = subject.handle(LinkWritable(LinkId(1)))
    assert len(pushed(effects, 1)) == 25
    assert [len(frame["data"]) for frame in sent(effects, 1)] == [10, 10, 5]


def test_w4_a_restarted_peer_is_sent_everything_at_its_next_join_and_asked() -> None:
    subject = Subject()
    subject.hold(*keys(3))
    subject.plain(1, "p")
    subject.wait(2.0)
    answer(subject, state(*keys(4), count=4))
    alive(subject, 40, 4)
    subject.lose(1)
    assert pushed(subject.plain(2, "p"), 2) == ["k0", "k1", "k2", "k3"]
    assert fetches(alive(subject, 40, 0, link=2)) == [STATE]


# Who is it?


def names(*node_ids: object) -> bytes:
    """The answer to `GET /gossip/peers`."""
    peers = [{"nodeId": node_id, "status": "active"} for node_id in node_ids]
    return json.dumps({"success": True, "peers": peers}).encode()


def test_r1_a_dialed_peer_that_says_nothing_is_asked_for_its_name_after_a_second() -> None:
    subject = bootstrapped()
    effects = subject.reach(1, BOOTSTRAP)
    assert fetches(effects + subject.wait(0.9)) == []
    assert fetches(subject.wait(1.1)) == [NAMES]
    answer(subject, names("p", "q"), url=NAMES)
    assert subject.statuses() == {"p": "active"}
    [member] = subject.node.members()
    assert member.record.gossip_endpoint == BOOTSTRAP


def test_r1_who_said_its_name_is_not_asked() -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    subject.receive(1, sync("p"))
    subject.reach(2, "ws://a.example:3001/ws")
    subject.receive(2, join("a"))
    subject.accept(3)
    assert [url for url in fetches(subject.wait(5.0)) if url.endswith("/peers")] == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "fetch"),
        (b"{", "plain-peers"),
        (b'{"peers":{}}', "plain-peers"),
        (names(), "plain-peers"),
        (names(7), "plain-peers"),
        (names("p" * 257), "plain-peers"),
    ],
)
def test_r1_an_answer_without_a_name_is_counted(body: bytes | None, reason: str) -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    subject.wait(2.0)
    answer(subject, body, url=NAMES)
    assert subject.statuses() == {}
    assert subject.refused[reason] == 1
    assert fetches(subject.wait(5.0)) == []


@pytest.mark.parametrize("node_id", [ME, "a"])
def test_r1_a_name_that_is_ours_or_an_extended_peers_is_not_believed(node_id: str) -> None:
    subject = bootstrapped()
    subject.joined(9, "a")
    subject.reach(1, BOOTSTRAP)
    subject.wait(2.0)
    answer(subject, names(node_id), url=NAMES)
    assert subject.statuses() == {"a": "active"}
    [member] = subject.node.members()
    assert member.record.extended


def test_r1_an_announcement_does_not_show_who_is_at_the_other_end() -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    peer = {"id": "x", "gossipEndpoint": "ws://x.example:3001/ws"}
    # With a hop when it starts, without one when it was passed on.
    for ttl in (0, 1):
        subject.receive(1, message("join", "q", {"type": "peer_announcement", "peer": peer}, ttl))
    assert subject.statuses() == {}
