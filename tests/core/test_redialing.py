"""Getting back to those who were lost, over one link each (M7, L2)."""

import pytest

from gossip.core.effects import Dial
from gossip.core.events import DialFailed, Started
from gossip.core.members import PeerRecord
from tests.support.core import BOOTSTRAP, Subject, bootstrapped, closed, dials, forgotten, pushed
from tests.support.frames import WALL, endpoint, heartbeat, join, names

# Dialing again


def test_m7_a_peer_that_was_lost_is_redialed_until_it_is_back() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.lose(1)
    attempts = 0
    for _ in range(200):
        effects += subject.wait(0.5)
        for url in dials(effects):
            attempts += 1
            effects = subject.handle(DialFailed(url, refused=True))
        effects = []
    assert attempts >= 20
    subject.joined(2, "a")
    assert dials(subject.wait(60.0)) == []


def test_m7_peers_of_an_earlier_life_are_dialed_for_a_day() -> None:
    day = 86_400_000
    peers = (
        PeerRecord(node_id="late", gossip_endpoint=endpoint("late"), last_seen=WALL - day),
        PeerRecord(node_id="new", gossip_endpoint=endpoint("new"), last_seen=WALL - day + 1),
        PeerRecord(node_id="nowhere", last_seen=WALL),
        PeerRecord(node_id="here", gossip_endpoint="ws://127.0.0.1:1/ws", last_seen=WALL),
        PeerRecord(node_id="rebound", gossip_endpoint="ws://127.1:1/ws", last_seen=WALL),
    )
    effects = Subject(started=False).handle(Started(WALL, 0, peers))
    assert sorted(forgotten(effects)) == ["late", "nowhere"]
    allowed = {
        effect.url: effect.loopback_allowed for effect in effects if isinstance(effect, Dial)
    }
    assert allowed == {
        endpoint("new"): False,
        "ws://127.0.0.1:1/ws": True,
        "ws://127.1:1/ws": False,
    }


def test_m7_a_bootstrap_peer_is_dialed_even_while_we_have_others() -> None:
    subject = bootstrapped()
    subject.joined(1, "a")
    subject.handle(DialFailed(BOOTSTRAP, refused=True))
    effects = subject.wait(1.0)
    assert dials(effects) == [BOOTSTRAP]


def test_m7_nobody_can_take_the_place_of_a_bootstrap_peer() -> None:
    subject = bootstrapped()
    subject.joined(1, "a")
    subject.handle(DialFailed(BOOTSTRAP, refused=True))
    subject.receive(1, names("a", ["evil"], gossipEndpoint=BOOTSTRAP))
    subject.joined(2, "evil", gossipEndpoint=BOOTSTRAP)
    assert BOOTSTRAP in dials(subject.wait(11.0))


def test_m3_a_bootstrap_peer_that_joined_by_itself_is_suspected_when_its_address_is_dead() -> None:
    # Our own dial of it never led anywhere, so the plan does not know who would be there.
    subject = bootstrapped()
    subject.joined(1, "a", gossipEndpoint=BOOTSTRAP)
    subject.handle(DialFailed(BOOTSTRAP, refused=True))
    assert subject.statuses() == {"a": "active"}
    subject.lose(1)
    assert BOOTSTRAP in dials(subject.wait(1.0))
    subject.handle(DialFailed(BOOTSTRAP, refused=True))
    assert subject.statuses() == {"a": "suspected"}


# Duplicates


@pytest.mark.parametrize(("peer", "survivor"), [("0xa", 2), ("0xz", 1)])
def test_l2_the_link_dialed_by_the_smaller_id_survives(peer: str, survivor: int) -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    subject.receive(1, join(peer))
    effects = subject.joined(2, peer)
    assert closed(effects) == {}
    loser = 3 - survivor
    assert closed(subject.receive(loser, heartbeat(peer))) == {}
    assert pushed(subject.write("k", b"1"), loser) == []
    assert closed(subject.receive(survivor, heartbeat(peer))) == {loser: 4409}
    subject.lose(loser, 4409)
    assert subject.statuses() == {peer: "active"}
    assert dials(subject.hear(10, **{peer: survivor})) == []


def test_l2_a_peer_that_restarted_replaces_its_old_link() -> None:
    subject = Subject()
    subject.joined(1, "0xa")
    subject.joined(2, "0xa", incarnation=WALL + 1)
    assert closed(subject.receive(2, heartbeat("0xa"))) == {1: 4409}
