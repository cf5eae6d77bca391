"""Names that others mention are dialed within a budget, and prove nothing (M2, L4)."""

import pytest

from gossip.core.effects import Dial
from gossip.core.events import DialFailed
from tests.support.core import (
    BOOTSTRAP,
    Subject,
    bootstrapped,
    dials,
)
from tests.support.frames import endpoint, exchange, heartbeat, join, message, names

# Hearsay


def test_m2_names_are_dialed_but_never_listed() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.receive(1, names("a", ["x", "y", "a", "0xme"])) + subject.wait(2.0)
    assert sorted(dials(effects)) == [endpoint("x"), endpoint("y")]
    assert subject.statuses() == {"a": "active"}


def test_m2_a_newcomer_dials_the_names_it_is_told_at_once() -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    subject.receive(1, join("a"))
    told = exchange("a", "members", peers=[{"id": "x", "gossipEndpoint": endpoint("x")}])
    assert dials(subject.receive(1, told)) == [endpoint("x")]


def test_m2_who_is_linked_or_listed_there_is_not_dialed_again() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    assert dials(subject.receive(1, names("a", ["b"])) + subject.wait(3.0)) == []


def test_l4_ten_thousand_names_are_dialed_within_the_budget() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.receive(1, names("a", map(str, range(10_000))))
    # A list so long is not counted to its end.
    assert subject.refused["peer-record"] == 1
    for _ in range(60):
        urls = [effect.url for effect in effects if isinstance(effect, Dial)]
        assert len(urls) <= 4
        effects = subject.wait(0.1)
        for url in urls:
            effects += subject.handle(DialFailed(url, refused=False))
    assert subject.node.stats.dials <= 20 + 2 * 6 + 1


def test_m2_lies_about_the_living_change_nothing() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.receive(1, message("leave", "b", {"reason": "x"}, 5))
    subject.receive(1, heartbeat("b", ttl=1))
    assert subject.statuses() == {"a": "active", "b": "active"}
    assert subject.node.members()[1].heartbeat_count == 0


# Loopback


@pytest.mark.parametrize(
    "url",
    [
        *("ws://localhost:22/ws", "ws://127.0.0.1:22/ws", "ws://[::1]:22/ws"),
        *("ws://127.1:22/ws", "ws://localhost.:22/ws", "ws://rebound.example/ws"),
    ],
)
def test_l4_a_remote_peer_cannot_send_us_to_loopback(url: str) -> None:
    subject = Subject()
    subject.joined(1, "a", gossipEndpoint=url)
    effects = subject.receive(1, names("a", ["x"], gossipEndpoint=url)) + subject.lose(1)
    effects += subject.wait(5.0)
    assert not any(effect.loopback_allowed for effect in effects if isinstance(effect, Dial))


def test_l4_a_loopback_peer_may_name_loopback() -> None:
    subject = Subject()
    subject.accept(1, loopback=True)
    subject.receive(1, join("a", gossipEndpoint="ws://127.0.0.1:3002/ws"))
    effects = subject.receive(1, names("a", ["x"], gossipEndpoint="ws://localhost:3003/ws"))
    effects += subject.lose(1) + subject.wait(2.0)
    allowed = {
        effect.url: effect.loopback_allowed for effect in effects if isinstance(effect, Dial)
    }
    assert allowed == {"ws://127.0.0.1:3002/ws": True, "ws://localhost:3003/ws": True}


def test_l4_our_own_endpoint_is_not_dialed() -> None:
    subject = Subject()
    subject.joined(1, "a")
    named = names("a", ["x"], gossipEndpoint=subject.config.gossip_endpoint)
    assert dials(subject.receive(1, named) + subject.wait(3.0)) == []
