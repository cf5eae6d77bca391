"""Links in clusters too large for everybody to link to everybody (L1)."""

import pytest

from gossip.core.config import Limits
from gossip.core.context import CloseCode
from gossip.core.degree import degree
from gossip.core.effects import NoticeKind
from gossip.core.entries import Entry
from gossip.core.events import DialFailed, LinkClosed, LinkId
from gossip.core.overlay import SLACK
from tests.support.core import Subject, closed, dials, notices, pushed
from tests.support.crowd import ENOUGH, crowd, filled, linked, listing, record
from tests.support.frames import WALL, endpoint, exchange, join, message, sync
from tests.support.news import news


@pytest.mark.parametrize(
    ("size", "links"), [(1, 4), (17, 6), (30, 6), (64, 7), (100, 8), (1_000, 11), (10_000, 12)]
)
def test_l1_the_number_of_links_grows_with_the_logarithm(size: int, links: int) -> None:
    assert degree(size) == links


def test_l1_a_node_dials_while_it_has_too_few_links() -> None:
    subject = crowd(30)
    assert len(dials(subject.wait(1.5))) == 2
    urls = set(dials(subject.wait(3.0)))
    assert len(urls) == degree(33) - 2 - 2
    assert urls <= {endpoint(f"m{number}") for number in range(30)}
    assert dials(subject.wait(3.0)) == []


def test_l1_a_member_that_cannot_be_dialed_is_suspected() -> None:
    subject = crowd(30)
    url = dials(subject.wait(1.5))[0]
    effects = subject.handle(DialFailed(url, refused=True))
    [(kind, node_id)] = notices(effects)
    assert (kind, endpoint(node_id)) == (NoticeKind.PEER_SUSPECTED, url)


def test_l1_surplus_links_are_closed_and_nobody_is_suspected() -> None:
    subject = filled(12)
    subject.wait(20.0)
    most = degree(33) + SLACK
    assert len(subject.open) == most
    assert set(subject.statuses().values()) == {"active"}


def test_l1_accepted_links_are_closed_before_those_that_we_dialed() -> None:
    subject = crowd(30)
    own = []
    for link, url in enumerate(dials(subject.wait(1.5)), 100):
        name = url.removeprefix("ws://").split(".")[0]
        subject.reach(link, url)
        subject.receive(link, join(name))
        own.append(link)
    names = [name for name in subject.statuses() if not subject_linked(subject, name)]
    for number, name in enumerate(names[:20], 200):
        subject.joined(number, name)
    subject.wait(20.0)
    assert subject.open.issuperset(map(LinkId, own))


def test_l1_a_newcomer_has_the_place_of_the_oldest_link_that_we_did_not_want() -> None:
    subject = filled(8, limits=Limits(links=10))
    subject.wait(0.5)
    # All may still be waiting to hear of the others.
    assert closed(subject.accept(100)) == {100: CloseCode.OVER_RATE}
    subject.lose(100)
    subject.wait(1.0)
    assert closed(subject.accept(101)) == {1: ENOUGH}
    assert subject.refused["links"] == 1
    effects = subject.lose(1) + subject.wait(0.5)
    assert notices(effects) == []
    assert subject.statuses()["a"] == "active"


def test_l1_who_does_not_join_gives_its_place_before_a_member() -> None:
    subject = filled(7, limits=Limits(links=10))
    subject.accept(100)
    subject.wait(1.5)
    assert closed(subject.accept(101)) == {100: CloseCode.OVER_RATE}
    subject.lose(100)
    assert closed(subject.accept(102)) == {1: ENOUGH}, "the other one had no time to join"


def test_l1_no_newcomer_takes_a_link_that_we_want_or_dialed() -> None:
    subject = crowd(limits=Limits(links=8))
    urls = dials(subject.wait(1.5))
    for link, url in enumerate(urls, 100):
        subject.reach(link, url)
        subject.receive(link, join(url.removeprefix("ws://").split(".")[0]))
    linked = {view.record.node_id for view in subject.node.members() if view.linked}
    others = [name for name in subject.statuses() if name not in linked]
    for link, name in enumerate(others[: 8 - len(linked)], 200):
        subject.joined(link, name)
    subject.wait(1.5)
    assert len(subject.open) == 8
    given_up = list[int]()
    for link in range(300, 304):
        given_up += closed(subject.accept(link))
        subject.lose(given_up[-1])
    # Seven are wanted; then the newcomers themselves have to go.
    assert given_up == [1, 300, 301, 302]


def test_l1_no_newcomer_takes_a_link_that_we_dialed(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = crowd(limits=Limits(links=4))
    for link, url in enumerate(dials(subject.wait(1.5))[:2], 100):
        subject.reach(link, url)
        subject.receive(link, join(url.removeprefix("ws://").split(".")[0]))
    monkeypatch.setattr("gossip.core.overlay.degree", lambda _: 0)
    subject.wait(1.5)
    given_up = [link for number in range(3) for link in closed(subject.accept(200 + number))]
    assert given_up[:2] == [1, 2]
    assert {100, 101} < subject.open


def test_l1_in_a_mesh_nobody_has_a_link_to_spare() -> None:
    subject = linked(*"abcdefgh", limits=Limits(links=8))
    subject.wait(1.5)
    assert closed(subject.accept(100)) == {100: CloseCode.OVER_RATE}


def test_m8_who_names_too_many_that_cannot_be_dialed_may_name_others() -> None:
    subject = crowd(30)
    listing(subject, 1, "a", *(f"x{number}" for number in range(100)), "last")
    hidden = [record(f"h{number}", gossipEndpoint=None) for number in range(101)]
    subject.receive(2, exchange("b", "members", peers=[*hidden, record("last")]))
    assert {"h99", "last"} < set(subject.statuses())
    assert "h100" not in subject.statuses()


@pytest.mark.parametrize("hidden_first", [True, False])
def test_l1_a_newcomer_takes_a_link_of_who_cannot_be_dialed_after_the_others(
    *, hidden_first: bool
) -> None:
    subject = crowd(limits=Limits(links=20))
    for number in range(18):
        hidden = number < 9 if hidden_first else number >= 9
        changes = {"gossipEndpoint": None} if hidden else {}
        subject.joined(10 + number, f"m{number}", **changes)
    subject.wait(1.5)
    given_up = [link for number in range(14) for link in closed(subject.accept(100 + number))]
    dialable = [1, 2, *range(19, 28)] if hidden_first else [1, 2, *range(10, 19)]
    assert given_up[:11] == dialable
    assert set(given_up[11:]) < set(range(10, 28))


def subject_linked(subject: Subject, name: str) -> bool:
    return any(view.linked for view in subject.node.members() if view.record.node_id == name)


def test_l1_half_of_the_links_are_our_own_however_many_others_dial_us() -> None:
    subject = filled(10)
    assert len(dials(subject.wait(2.5))) >= degree(33) // 2


def test_l1_a_mesh_becomes_a_crowd_beyond_sixteen_and_is_one_again_at_twelve() -> None:
    subject = Subject()
    crowded = []
    for number in range(17):
        subject.joined(10 + number, f"m{number}")
        crowded.append(subject.node._context.members.crowded)
    assert crowded == [False] * 16 + [True]
    crowded = []
    for number in range(6):
        subject.receive(10 + number, message("leave", f"m{number}", {"reason": "shutdown"}, ttl=3))
        crowded.append(subject.node._context.members.crowded)
    assert crowded == [True] * 4 + [False] * 2


def test_l1_in_a_mesh_who_has_links_enough_is_dialed_again_later() -> None:
    subject = linked("a", "b")
    assert dials(subject.lose(1, ENOUGH) + subject.hear(20, b=2)) == []
    assert subject.statuses()["a"] == "active"
    assert endpoint("a") in dials(subject.hear(60, b=2))


def test_l1_who_has_enough_of_us_is_not_dialed_again() -> None:
    subject = filled(6)
    subject.wait(1.0)
    effects = subject.handle(LinkClosed(LinkId(10), ENOUGH)) + subject.wait(0.5)
    assert dials(effects) == []
    assert subject.statuses()["m0"] == "active"


def test_m3_who_breaks_its_link_is_dialed_at_once_in_a_crowd_too() -> None:
    subject = filled(8)
    subject.wait(1.0)
    effects = subject.lose(10) + subject.wait(0.5)
    assert dials(effects) == [endpoint("m0")]
    subject.handle(DialFailed(endpoint("m0"), refused=True))
    assert subject.statuses()["m0"] == "suspected"


def led_by_a(count: int, linked: int) -> tuple[Subject, dict[str, int]]:
    """A node that its bootstrap peer `a` told of so many members, and its links to some of them."""
    subject = Subject(bootstrap=(endpoint("a"),), rewire_interval=1e5)
    subject.reach(1, endpoint("a"))
    subject.receive(1, join("a"))
    listing(subject, 1, "a", *(f"m{number}" for number in range(count)))
    links = {f"m{number}": 10 + number for number in range(linked)}
    for name, link in links.items():
        subject.joined(link, name)
    subject.wait(1.0)
    return subject, links


def test_l1_a_bootstrap_peer_that_is_a_member_is_left_in_peace() -> None:
    """It is dialed all the same, after five minutes more or less: we may be cut off from it."""
    subject, others = led_by_a(30, 6)
    effects = subject.lose(1, ENOUGH) + subject.hear(145, **others)
    assert endpoint("a") not in dials(effects)
    assert endpoint("a") in dials(subject.hear(310, **others))


@pytest.fixture
def resting() -> tuple[Subject, dict[str, int]]:
    """A node linked to eight members of a crowd, and not to its bootstrap peer `a`."""
    subject, links = led_by_a(20, 8)
    assert endpoint("a") not in dials(subject.lose(1, ENOUGH) + subject.hear(5, **links))
    return subject, links


def end_crowd(subject: Subject) -> None:
    """Twelve members leave."""
    for number in range(8, 20):
        subject.joined(10 + number, f"m{number}")
        subject.receive(10 + number, message("leave", f"m{number}", {"reason": "shutdown"}, ttl=3))
        subject.lose(10 + number)


def test_l1_a_bootstrap_peer_left_in_peace_is_dialed_once_the_crowd_has_ended(
    resting: tuple[Subject, dict[str, int]],
) -> None:
    """Where all link to all it cannot wait for the rest of the five minutes."""
    subject, _ = resting
    end_crowd(subject)
    assert dials(subject.wait(1.5)) == [endpoint("a")]


def test_m7_a_bootstrap_peer_that_was_removed_meanwhile_is_dialed_then_as_well(
    resting: tuple[Subject, dict[str, int]],
) -> None:
    subject, links = resting
    subject.receive(10, news("m0", ["a", WALL, "suspect"]))
    subject.hear(70, **links)
    assert "a" not in subject.statuses()
    end_crowd(subject)
    assert endpoint("a") in dials(subject.wait(1.5))


def test_l1_in_a_mesh_a_bootstrap_peer_that_has_links_enough_is_dialed_again_later(
    resting: tuple[Subject, dict[str, int]],
) -> None:
    subject, links = resting
    subject.joined(1, "a")
    end_crowd(subject)
    subject.wait(1.0)
    assert dials(subject.lose(1, ENOUGH) + subject.hear(20, **links)) == []
    assert dials(subject.hear(60, **links)) == [endpoint("a")]


def test_l1_links_are_exchanged_now_and_then() -> None:
    subject = filled(2, rewire_interval=10.0)
    own = degree(33) // 2
    for number in range(2, 2 + own):
        subject.reach(10 + number, endpoint(f"m{number}"))
        subject.receive(10 + number, join(f"m{number}"))
    peers = {"a": 1, "b": 2} | {f"m{number}": 10 + number for number in range(2 + own)}
    # It has all the links that it wants, and lacks none of its own.
    assert len(peers) == degree(33)
    effects = next(effects for _ in range(4) if dials(effects := subject.hear(5, **peers)))
    [url] = dials(effects)
    assert closed(effects) == {}
    subject.reach(30, url)
    [name] = [name for name in subject.statuses() if endpoint(name) == url]
    effects = subject.receive(30, join(name)) + subject.wait(1.5)
    [(gone, code)] = closed(effects).items()
    assert code == ENOUGH
    # Whatever the other end answers: some answer 1000 to every code.
    [name] = [name for name, link in (peers | {name: 30}).items() if link == gone]
    assert endpoint(name) not in dials(subject.lose(gone, 1000) + subject.wait(0.5))


def test_l2_a_link_that_we_are_closing_is_no_second_node_of_our_id() -> None:
    """Each end closes another of the two links that a dial anew leads to (M4)."""
    subject = crowd(30)
    subject.joined(5, "m1")
    subject.wait(20.0)
    subject.joined(6, "m1")
    newer = subject.node._context.links.get(LinkId(6))
    assert newer is not None
    subject.node._context.close(newer, ENOUGH, "exchanged")
    effects = subject.lose(5, CloseCode.DUPLICATE)
    assert NoticeKind.ID_TAKEN not in [kind for kind, _ in notices(effects)]


# Spreading


def test_s2_what_is_new_goes_to_all_other_links() -> None:
    subject = filled(5)
    effects = subject.receive(1, sync("a", Entry("k", 1, b"1"), hops=3)) + subject.wait(0.1)
    for link in (2, 10, 11, 12, 13, 14):
        assert pushed(effects, link) == ["k"]
    assert pushed(effects, 1) == []


# Leaving


def test_m6_a_planned_stop_elsewhere_is_no_failure() -> None:
    subject = crowd(30)
    effects = subject.receive(1, news("a", ["m1", WALL, "left"])) + subject.wait(70.0)
    assert subject.statuses().get("m1") is None
    assert [kind for kind, node_id in notices(effects) if node_id == "m1"] == [NoticeKind.PEER_LEFT]
    subject.receive(1, message("leave", "m2", {"reason": "shutdown"}, ttl=3))
    assert subject.statuses()["m2"] == "active"
