"""An operator takes a member off the lists."""

from gossip.core.effects import NoticeKind
from gossip.core.events import DialFailed, ForgetRequested
from tests.support.core import (
    BOOTSTRAP,
    Subject,
    bootstrapped,
    closed,
    dials,
    forgotten,
    notices,
    sent,
)
from tests.support.frames import WALL, endpoint, join, names


def lost() -> Subject:
    """Linked to `a`; `b` is suspected."""
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.lose(2)
    subject.wait(0.1)
    subject.handle(DialFailed(endpoint("b"), refused=True))
    subject.wait(0.1)
    return subject


def test_who_is_forgotten_is_not_listed_not_dialed_and_not_stored() -> None:
    subject = lost()
    effects = subject.handle(ForgetRequested("b"))
    assert notices(effects) == [(NoticeKind.PEER_REMOVED, "b")]
    assert forgotten(effects) == ["b"]
    assert subject.statuses() == {"a": "active"}
    later = subject.hear(120, a=1)
    assert dials(later) == []
    assert not any("news" in frame["data"] for frame in sent(later, 1) if frame["ttl"] == 0)


def test_who_was_removed_and_is_still_dialed_can_be_forgotten_too() -> None:
    subject = lost()
    subject.hear(70, a=1)
    assert subject.statuses() == {"a": "active"}
    assert forgotten(subject.handle(ForgetRequested("b"))) == ["b"]
    assert dials(subject.hear(120, a=1)) == []


def test_a_connected_member_is_not_forgotten() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.handle(ForgetRequested("a"))
    assert (effects, closed(effects)) == ([], {})
    assert subject.statuses() == {"a": "active"}


def test_who_joins_again_is_back() -> None:
    subject = lost()
    subject.handle(ForgetRequested("b"))
    subject.joined(3, "b", incarnation=WALL + 1)
    assert subject.statuses() == {"a": "active", "b": "active"}


def test_a_mention_earns_a_dial_as_of_any_removed_member() -> None:
    subject = lost()
    subject.handle(ForgetRequested("b"))
    assert dials(subject.receive(1, names("a", ["b"])) + subject.wait(2.0)) == [endpoint("b")]


def test_a_bootstrap_peer_is_dialed_on() -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    subject.receive(1, join("boot", gossipEndpoint=BOOTSTRAP))
    subject.lose(1)
    subject.handle(ForgetRequested("boot"))
    assert subject.statuses() == {}
    assert BOOTSTRAP in dials(subject.wait(10.0))
