"""Members that nobody can dial, and members that we cannot reach (M7, M8)."""

from gossip.core.effects import NoticeKind
from gossip.core.events import DialFailed, Started
from gossip.core.members import PeerRecord
from tests.support.core import ME, Subject, dials, kinds, notices, pushed, remembered, sent
from tests.support.crowd import ENOUGH, crowd, filled, linked, listing
from tests.support.frames import (
    WALL,
    endpoint,
    exchange,
    heartbeat,
    join,
    message,
    plain_join,
)
from tests.support.news import named, news, out_of_reach, told, unlinked, without_buried

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


def test_m8_in_a_crowd_it_takes_two_to_say_that_an_address_is_gone() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    gone = {"gossipEndpoint": None, "incarnation": WALL + 5}
    listing(subject, 1, "a", "m1", **gone)
    listing(subject, 1, "a", "m1", **gone)
    listing(subject, 2, "b", "m1", **gone | {"incarnation": WALL + 6})
    assert subject.record("m1").gossip_endpoint == endpoint("m1")
    effects = listing(subject, 2, "b", "m1", **gone) + subject.wait(0.1)
    assert (subject.record("m1").gossip_endpoint, subject.record("m1").life) == (
        None,
        WALL + 5,
    )
    assert told(effects, 1) == [["m1", WALL + 5, "alive"]], "in a life that has none"


def test_m8_of_a_member_that_is_suspected_two_words_say_that_it_lives_without_an_address() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    subject.receive(1, news("a", ["m1", WALL, "suspect"]))
    for link, peer in ((1, "a"), (2, "b")):
        assert subject.statuses()["m1"] == "suspected"
        listing(subject, link, peer, "m1", gossipEndpoint=None, incarnation=WALL + 5)
    assert subject.statuses()["m1"] == "active"


def test_m8_in_a_crowd_who_begins_a_life_without_an_address_is_told_to_be_dead_in_the_last() -> (
    None
):
    subject = crowd(30)
    subject.wait(1.0)
    effects = subject.joined(50, "m1", gossipEndpoint=None, incarnation=WALL + 500)
    assert told(effects + subject.wait(0.1), 1) == [["m1", WALL, "dead"]]
    # One that it begins while it runs may be beyond what others were told.
    effects = subject.receive(50, heartbeat("m1", incarnation=WALL + 900, life=WALL + 900))
    assert told(effects + subject.wait(0.1), 1) == [["m1", WALL + 899, "dead"]]


def test_m8_a_plain_peer_that_comes_back_without_an_address_had_no_life_that_is_over() -> None:
    subject = crowd(30)
    subject.plain(50, "p")
    subject.lose(50)
    subject.wait(1.0)
    effects = subject.joined(51, "p", gossipEndpoint=None)
    assert told(effects + subject.wait(0.1), 1) == [["p", WALL, "alive"]]


def test_m8_in_a_mesh_that_a_member_without_an_address_lives_is_news() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "n", gossipEndpoint=None)
    subject.wait(1.0)
    effects = subject.receive(2, heartbeat("n", incarnation=WALL + 5, life=WALL + 5))
    assert told(effects + subject.wait(0.1), 1) == [["n", WALL + 5, "alive"]]


def test_m8_a_new_peer_of_a_crowd_is_told_to_whom_we_hold_links() -> None:
    subject = filled(5)
    subject.joined(50, "nat", gossipEndpoint=None)
    listing(subject, 1, "a", "far", gossipEndpoint=None)
    subject.wait(1.0)
    effects = subject.joined(60, "m20")
    frames = [frame["data"] for frame in sent(effects, 60)]
    named = [peer["id"] for data in frames for peer in data.get("peers", ())]
    assert (frames[0]["nodeId"], named) == (ME, ["nat"])


def test_m8_in_a_mesh_a_new_peer_finds_out_by_roots() -> None:
    subject = linked("a")
    subject.joined(50, "nat", gossipEndpoint=None)
    subject.wait(1.0)
    frames = [frame["data"] for frame in sent(subject.joined(60, "b"), 60)]
    assert all("peers" not in data for data in frames)


def test_m8_one_that_has_links_enough_is_not_ours_to_judge() -> None:
    subject = filled(5)
    subject.joined(50, "nat", gossipEndpoint=None)
    effects = subject.lose(50, ENOUGH)
    effects += subject.hear(60, a=1, b=2, **{f"m{number}": 10 + number for number in range(5)})
    assert "nat" not in subject.statuses()
    assert (NoticeKind.PEER_SUSPECTED, "nat") not in notices(effects)


def test_m8_a_member_that_nobody_can_dial_is_listed_on_the_word_of_who_is_linked_to_it() -> None:
    subject = Subject()
    subject.joined(1, "a")
    effects = subject.receive(1, named("a", "n"))
    assert notices(effects) == [(NoticeKind.PEER_JOINED, "n")]
    assert dials(effects + subject.hear(300, a=1)) == []
    assert subject.statuses() == {"a": "active", "n": "active"}
    assert remembered(effects) == []


def test_m8_it_is_suspected_two_heartbeats_after_the_last_who_vouched_is_gone() -> None:
    subject = out_of_reach()
    subject.joined(2, "b")
    subject.receive(2, named("b", "n"))
    subject.lose(1)
    subject.hear(60, b=2)
    assert subject.statuses()["n"] == "active"
    subject.lose(2)
    subject.wait(19.0)
    assert subject.statuses()["n"] == "active"
    subject.wait(2.0)
    assert subject.statuses()["n"] == "suspected"


def test_m8_who_begins_a_new_life_vouches_for_nobody() -> None:
    subject = out_of_reach()
    subject.accept(2)
    # The old link is still open: its end was not noticed yet.
    effects = subject.receive(2, join("a", incarnation=WALL + 1))
    assert [frame["data"] for frame in sent(effects, 2)][-1] == {"x": "members"}
    subject.hear(25, a=2)
    assert subject.statuses() == {"a": "active", "n": "suspected"}


def test_m8_a_peer_whose_link_broke_is_asked_for_its_word_again() -> None:
    subject = out_of_reach()
    subject.lose(1)
    subject.accept(2)
    effects = subject.receive(2, join("a"))
    assert {"x": "members"} in [frame["data"] for frame in sent(effects, 2)]
    subject.receive(2, named("a", "n"))
    subject.hear(60, a=2)
    assert subject.statuses() == {"a": "active", "n": "active"}


def test_m5_who_is_asked_for_its_word_is_not_asked_twice_as_roots_differ() -> None:
    subject = out_of_reach()
    subject.lose(1)
    subject.accept(2)
    effects = subject.receive(2, join("a", mroot={"n": 9, "sum": "0" * 16}))
    frames = [frame["data"] for frame in sent(effects + subject.wait(1.0), 2)]
    assert frames.count({"x": "members"}) == 1


def test_m8_nobody_is_asked_for_who_left() -> None:
    subject = out_of_reach()
    subject.receive(1, news("a", ["n", WALL, "left"]))
    subject.lose(1)
    subject.accept(2)
    effects = subject.receive(2, join("a"))
    assert {"x": "members"} not in [frame["data"] for frame in sent(effects, 2)]


def test_m8_nobody_is_asked_where_all_are_in_reach() -> None:
    subject = out_of_reach()
    effects = subject.joined(2, "b")
    assert {"x": "members"} not in [frame["data"] for frame in sent(effects, 2)]


def test_m8_news_of_it_counts() -> None:
    subject = out_of_reach()
    subject.receive(1, news("a", ["n", WALL, "suspect"]))
    assert subject.statuses()["n"] == "suspected"
    subject.receive(1, news("a", ["n", WALL + 1, "alive"]))
    assert subject.statuses()["n"] == "active"
    subject.receive(1, news("a", ["n", WALL + 1, "left"]))
    subject.hear(65, a=1)
    assert subject.statuses() == {"a": "active"}
    # Somebody slow to bury it does not bring it back; a later life does.
    subject.receive(1, named("a", "n", incarnation=WALL + 1))
    assert subject.statuses() == {"a": "active"}
    subject.receive(1, named("a", "n", incarnation=WALL + 2))
    assert subject.statuses() == {"a": "active", "n": "active"}


def test_m8_a_later_life_may_be_one_that_nobody_can_dial() -> None:
    subject = unlinked()
    subject.receive(1, named("a", "b"))
    assert subject.node.members()[1].record.gossip_endpoint == endpoint("b")
    subject.receive(1, named("a", "b", incarnation=WALL + 1))
    [_, member] = subject.node.members()
    assert (member.record.gossip_endpoint, member.record.incarnation) == (None, WALL + 1)


def test_m8_the_buried_that_is_named_in_the_same_life_may_refute_it() -> None:
    subject = without_buried("b")
    effects = subject.receive(1, named("a", "b")) + subject.wait(0.1)
    assert told(effects, 1) == [["b", WALL, "dead"]]
    assert subject.statuses() == {"a": "active"}


def test_m8_leaving_the_address_out_does_not_bring_the_buried_back() -> None:
    subject = without_buried("b")
    subject.joined(3, "c")
    for minute in range(20):
        subject.receive(1, news("a", ["b", WALL + minute, "alive"]))
        subject.receive(1, named("a", "b", incarnation=WALL + minute))
        for url in dials(subject.hear(60, a=1, c=3)):
            subject.handle(DialFailed(url, refused=True))
        assert subject.statuses() == {"a": "active", "c": "active"}
    # It may have begun a new life without one: two of its peers know.
    subject.receive(3, named("c", "b", incarnation=WALL + 20))
    assert subject.statuses() == {"a": "active", "b": "active", "c": "active"}


def test_m8_who_holds_a_link_to_it_names_it_to_extended_peers_alone() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.plain(2, "p")
    subject.wait(0.1)
    effects = subject.joined(3, "n", gossipEndpoint=None) + subject.wait(0.1)
    [frame] = [frame for frame in sent(effects, 1) if frame["type"] == "sync"]
    assert [(peer["id"], "gossipEndpoint" in peer) for peer in frame["data"]["peers"]] == [
        ("n", False)
    ]
    assert [frame for frame in sent(effects, 2) if frame["type"] == "join"] == []


def test_m8_hearsay_alone_is_not_passed_on_as_such() -> None:
    subject = out_of_reach()
    subject.joined(2, "b")
    effects = subject.receive(2, exchange("b", "members"))
    [frame] = [frame for frame in sent(effects, 2) if frame["type"] == "sync"]
    assert [peer["id"] for peer in frame["data"]["peers"]] == ["a"]


def test_m8_one_peer_lists_no_more_than_a_hundred() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.receive(1, named("a", *(f"n{number}" for number in range(101))))
    assert len(subject.statuses()) == 1 + 100
    assert subject.refused["members-full"] == 1


def test_m8_a_plain_peer_lists_nobody() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.receive(1, message("join", "p", {"type": "peer_discovery", "peers": [{"id": "n"}]}))
    assert (subject.statuses(), subject.refused["peer-record"]) == ({"p": "active"}, 1)


def test_m8_its_own_link_takes_over() -> None:
    subject = out_of_reach()
    subject.joined(2, "n", gossipEndpoint=None)
    subject.lose(2)
    # Who vouched for it before does not count: it may have had it from us.
    subject.hear(25, a=1)
    assert subject.statuses() == {"a": "active", "n": "suspected"}


def test_s1_writes_have_hops_left_where_somebody_is_out_of_reach() -> None:
    subject = out_of_reach()
    effects = subject.write("k", b"1")
    assert pushed(effects, 1) == ["k"]
    [frame] = [frame for frame in sent(effects, 1) if isinstance(frame["data"], list)]
    assert frame["hops"] == 5


def test_m8_a_holder_lets_the_buried_refute_it() -> None:
    subject = out_of_reach()
    subject.receive(1, news("a", ["n", WALL, "suspect"]))
    subject.hear(75, a=1)
    assert subject.statuses() == {"a": "active"}
    effects = subject.receive(1, named("a", "n")) + subject.wait(0.1)
    assert told(effects, 1) == [["n", WALL, "dead"]]
    assert told(subject.receive(1, named("a", "n")) + subject.wait(0.1), 1) == []


def test_m2_a_plain_peer_hears_only_of_whom_we_see_ourselves() -> None:
    subject = unlinked()
    subject.receive(1, named("a", "n"))
    subject.accept(3)
    effects = subject.receive(3, plain_join("p"))
    [frame] = [f for f in sent(effects, 3) if f["type"] == "join" and "peers" in f["data"]]
    assert [peer["id"] for peer in frame["data"]["peers"]] == ["a"]


# Members that we cannot reach


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
    subject.receive(1, news("a", [name, WALL + 1, "alive", WALL]))
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
