"""Members that nobody can dial, and members that we cannot reach (M7, M8)."""

from gossip.core.effects import NoticeKind
from gossip.core.events import DialFailed, Started
from gossip.core.members import PeerRecord
from tests.support.core import Subject, dials, kinds, notices
from tests.support.crowd import ENOUGH, crowd, filled, listing
from tests.support.frames import WALL, endpoint, join
from tests.support.news import news

# Members that nobody can dial


def test_m8_members_made_up_without_an_address_make_no_crowd() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    listing(subject, 1, "a", *(f"m{number}" for number in range(90)), gossipEndpoint=None)
    assert len(subject.statuses()) == 92
    subject.lose(1)
    assert not subject.node._context.members.crowded
    subject.handle(DialFailed(endpoint("a"), refused=True))
    subject.hear(120, b=2)
    assert subject.statuses() == {"b": "active"}


def test_m8_in_a_crowd_they_are_listed_beside_who_holds_a_link_to_them() -> None:
    subject = filled(5)
    subject.wait(1.0)
    listing(subject, 1, "a", "nat", gossipEndpoint=None)
    assert subject.statuses()["nat"] == "active"
    assert "members" not in kinds(subject.wait(0.1), 2)
    effects = subject.lose(1, ENOUGH)
    effects += subject.hear(60, b=2, **{f"m{number}": 10 + number for number in range(5)})
    assert "nat" not in subject.statuses()
    assert all(node_id != "nat" for _, node_id in notices(effects))


def test_m8_one_that_has_links_enough_is_not_ours_to_judge() -> None:
    subject = filled(5)
    subject.joined(50, "nat", gossipEndpoint=None)
    effects = subject.lose(50, ENOUGH)
    effects += subject.hear(60, a=1, b=2, **{f"m{number}": 10 + number for number in range(5)})
    assert "nat" not in subject.statuses()
    assert (NoticeKind.PEER_SUSPECTED, "nat") not in notices(effects)


def test_m7_who_was_stored_and_is_silent_is_suspected_though_others_list_it() -> None:
    subject = Subject(started=False)
    stored = PeerRecord(
        node_id="m5",
        gossip_endpoint=endpoint("m5"),
        capabilities=("gx1",),
        incarnation=WALL,
        last_seen=WALL,
    )
    subject.handle(Started(incarnation=WALL, clock_floor=0, peers=(stored,)))
    subject.wait(1.0)
    subject.joined(1, "a")
    subject.joined(2, "b")
    listing(subject, 1, "a", *(f"m{number}" for number in range(30)))
    # It was dialed before there was a crowd that sees it.
    assert dials(subject.handle(DialFailed(endpoint("m5"), refused=False))) == [endpoint("m5")]
    subject.handle(DialFailed(endpoint("m5"), refused=False))
    assert subject.statuses()["m5"] == "suspected"


# Members that we cannot reach


def test_l1_whom_nobody_answers_for_is_dialed_again_before_it_is_suspected() -> None:
    """It may have been our question that was lost."""
    subject = crowd(30)
    url = dials(subject.wait(1.5))[0]
    name = url.removeprefix("ws://").split(".")[0]
    assert dials(subject.handle(DialFailed(url, refused=False))) == [url]
    assert subject.statuses()[name] == "active"
    assert url not in dials(subject.handle(DialFailed(url, refused=False)))
    assert subject.statuses()[name] == "suspected"


def test_m2_who_refutes_that_we_could_not_reach_it_is_not_accused_again() -> None:
    subject = crowd(30)
    url = dials(subject.wait(1.5))[0]
    name = url.removeprefix("ws://").split(".")[0]
    subject.handle(DialFailed(url, refused=True))
    assert subject.statuses()[name] == "suspected"
    subject.receive(1, news("a", [name, WALL + 1, "alive"]))
    assert subject.statuses()[name] == "active"
    again = 0
    for _ in range(60):
        if url in dials(subject.hear(5, a=1, b=2)):
            again += 1
            assert notices(subject.handle(DialFailed(url, refused=False))) == []
    assert subject.statuses()[name] == "active"
    # At most one of those out of reach in ten seconds.
    assert 0 < again <= 30


def test_l4_a_member_that_we_never_met_gets_one_dial() -> None:
    subject = crowd(30)
    first = set(dials(subject.wait(1.5)))
    for url in first:
        subject.handle(DialFailed(url, refused=True))
    again = dials(subject.hear(50, a=1, b=2))
    assert first.isdisjoint(again)


def test_m3_a_member_is_suspected_where_another_answers_at_its_address() -> None:
    subject = crowd(30)
    url = dials(subject.wait(1.5))[0]
    name = url.removeprefix("ws://").split(".")[0]
    subject.reach(99, url)
    subject.receive(99, join("somebody", gossipEndpoint=url))
    assert subject.statuses()[name] == "suspected"
    assert subject.statuses()["somebody"] == "active"


def test_m3_a_member_is_suspected_whose_address_takes_connections_and_no_joins() -> None:
    subject = crowd(30)
    url = dials(subject.wait(1.5))[0]
    name = url.removeprefix("ws://").split(".")[0]
    subject.reach(99, url)
    subject.lose(99)
    assert subject.statuses()[name] == "suspected"
