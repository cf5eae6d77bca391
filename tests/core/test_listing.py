"""Members that are listed and named in clusters too large for a mesh (L1, L4, M3, M8)."""

import pytest

from gossip.core.config import Limits
from gossip.core.degree import degree
from gossip.core.events import DialFailed
from gossip.core.naming import FEW
from tests.support.core import Subject, closed, dials, kinds, remembered, sent
from tests.support.crowd import ENOUGH, crowd, filled, linked, listing, record
from tests.support.frames import MOVED, WALL, endpoint, exchange, heartbeat, join
from tests.support.news import named, news


def test_l1_few_are_dialed_and_not_listed_on_a_word() -> None:
    subject = crowd(14)
    assert subject.statuses() == {"a": "active", "b": "active"}
    assert len(dials(subject.wait(3.0))) > 3


def test_l1_many_are_listed_on_a_word_and_not_dialed() -> None:
    subject = crowd(30)
    assert len(subject.statuses()) == 32
    assert set(subject.statuses().values()) == {"active"}
    assert len(dials(subject.wait(4.5))) == degree(33) - 2


def test_l1_plain_members_are_dialed_however_many_there_are() -> None:
    subject = crowd(30)
    subject.receive(
        1, exchange("a", "members", peers=[{"id": "p", "gossipEndpoint": endpoint("p")}])
    )
    assert endpoint("p") in dials(subject.wait(3.0))
    assert "p" not in subject.statuses()


def test_l1_a_newcomer_is_named_to_the_others_once() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    effects = listing(subject, 1, "a", "new") + subject.wait(0.1)
    [naming] = [frame for frame in sent(effects, 2) if frame["data"].get("x") == "members"]
    assert [peer["id"] for peer in naming["data"]["peers"]] == ["new"]
    assert "members" not in kinds(effects, 1)
    effects = listing(subject, 2, "b", "new") + subject.wait(0.1)
    assert "members" not in kinds(effects)


def test_l1_who_joins_us_is_named_to_the_others() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    effects = subject.joined(3, "new") + subject.wait(0.1)
    for link in (1, 2):
        assert "members" in kinds(effects, link)


def test_l4_one_peer_may_double_what_is_known_otherwise() -> None:
    subject = linked("a", "b")
    listing(subject, 1, "a", *(f"m{number}" for number in range(500)))
    assert len(subject.statuses()) == 2 + 100
    assert subject.refused["members-full"] == 400
    # What a second peer names as well is known otherwise.
    listing(subject, 2, "b", *(f"m{number}" for number in range(100)))
    listing(subject, 1, "a", *(f"n{number}" for number in range(500)))
    assert len(subject.statuses()) == 2 * (2 + 100)


def test_l1_the_words_of_two_are_enough_for_any_number() -> None:
    subject = linked("a", "b")
    names = [f"m{number}" for number in range(900)]
    listing(subject, 1, "a", *names)
    listing(subject, 1, "a", *names)
    assert len(subject.statuses()) == 2 + 100
    listing(subject, 2, "b", *names[:600])
    assert set(subject.statuses()) == {"a", "b", *names[:600]}
    holders = {member.record.node_id: member.holders for member in subject.node._context.members}
    assert holders["m599"] == ("a", "b")


def test_l1_two_words_that_differ_are_one_each() -> None:
    subject = linked("a", "b", "c")
    names = [f"m{number}" for number in range(300)]
    listing(subject, 1, "a", *names)
    listing(subject, 2, "b", *names, gossipEndpoint="ws://victim.example:3001/ws")
    listed = {view.record.node_id: view.record for view in subject.node.members()}
    assert len(listed) == 3 + 100 + 103
    # What `b` made up for the others took the place of what `a` had said; it is said again.
    listing(subject, 1, "a", *names)
    listing(subject, 3, "c", *names)
    listed = {view.record.node_id: view.record for view in subject.node.members()}
    assert len(listed) == 3 + 300
    assert sum("victim" in (record.gossip_endpoint or "") for record in listed.values()) == 103


def test_m8_without_an_endpoint_two_words_are_not_one() -> None:
    subject = linked("a", "b")
    listing(subject, 1, "a", *(f"m{number}" for number in range(300)))
    listing(subject, 2, "b", *(f"n{number}" for number in range(100)))
    for link, peer in (1, "a"), (2, "b"):
        listing(subject, link, peer, "m299", gossipEndpoint=None)
        assert "m299" not in subject.statuses()


def test_l1_who_says_otherwise_does_not_take_back_the_word_of_another() -> None:
    subject = linked("a", "b", "c", "d")
    names = [f"m{number}" for number in range(300)]
    listing(subject, 1, "a", *names)
    for link, peer in (2, "b"), (2, "b"), (3, "c"):
        listing(subject, link, peer, *(f"{peer}{number}" for number in range(200)))
        listing(subject, link, peer, *names[200:], gossipEndpoint=f"ws://{peer}.evil/ws")
    assert not set(names[200:]) & set(subject.statuses())
    listing(subject, 4, "d", *(f"d{number}" for number in range(200)), *names[200:])
    assert set(names[200:]) < set(subject.statuses())
    words = subject.node._context.members._unbelieved
    assert not set(names[200:]) & set(words), "who is listed needs no more words"
    assert max(map(len, words.values())) <= 3


def test_l1_what_one_word_was_not_enough_for_is_bounded() -> None:
    subject = linked("a", "b", limits=Limits(members=300))
    names = [f"m{number}" for number in range(410)]
    listing(subject, 1, "a", *names)
    assert len(subject.node._context.members._unbelieved) == 300
    # The first that it did not believe are forgotten: of these the word of the second alone counts.
    listing(subject, 2, "b", *names[100:110], *names[-10:])
    assert set(names[-10:]) < set(subject.statuses())
    assert subject.node._context.members._alone_on_word == {"a": 100, "b": 10}


def test_l4_loopback_endpoints_of_others_are_not_listed() -> None:
    subject = crowd(30)
    listing(subject, 1, "a", "evil", gossipEndpoint="ws://127.0.0.1:6379/ws")
    assert "evil" not in subject.statuses()


def test_m3_the_buried_are_not_listed_again_on_a_word() -> None:
    subject = crowd(30, dial_backoff_max=1e6, lost_for=0.0)
    subject.receive(1, news("a", ["m1", WALL, "suspect"]))
    for _ in range(14):
        for peer, link in (("a", 1), ("b", 2)):
            subject.receive(link, heartbeat(peer, timestamp=subject.wall))
        subject.wait(5.0)
    assert "m1" not in subject.statuses()
    listing(subject, 2, "b", "m1")
    assert "m1" not in subject.statuses()


def test_m3_a_later_life_of_the_buried_is_dialed_on_one_word_and_listed_on_two() -> None:
    subject = crowd(30, dial_backoff_max=1e6, lost_for=0.0)
    subject.receive(1, news("a", ["m1", WALL, "suspect"]))
    subject.hear(70, a=1, b=2)
    assert "m1" not in subject.statuses()
    listing(subject, 2, "b", "m1", incarnation=WALL + 1)
    assert "m1" not in subject.statuses()
    assert endpoint("m1") in subject.node._contacts.plan
    listing(subject, 2, "b", "m1", incarnation=WALL + 1)
    assert "m1" not in subject.statuses()
    listing(subject, 1, "a", "m1", incarnation=WALL + 1)
    assert subject.statuses()["m1"] == "active"


def test_m8_leaving_the_address_out_does_not_bring_the_buried_back_in_a_crowd() -> None:
    subject = crowd(30, dial_backoff_max=1e6, lost_for=0.0)
    subject.receive(1, news("a", ["m1", WALL, "suspect"]))
    subject.hear(70, a=1, b=2)
    for _ in range(2):
        subject.receive(1, news("a", ["m1", WALL + 1, "alive"]))
        subject.receive(1, named("a", "m1", incarnation=WALL + 1))
        assert "m1" not in subject.statuses()
    subject.receive(2, named("b", "m1", incarnation=WALL + 1))
    assert subject.statuses()["m1"] == "active"


def test_l1_a_member_that_moved_is_found_at_its_new_address() -> None:
    subject = crowd(30)
    subject.receive(1, news("a", ["m1", WALL + 5, "alive"]))
    listing(subject, 1, "a", "m1", incarnation=WALL + 5, gossipEndpoint=MOVED)
    [record] = [v.record for v in subject.node.members() if v.record.node_id == "m1"]
    assert (record.gossip_endpoint, record.incarnation) == (MOVED, WALL + 5)
    listing(subject, 2, "b", "m1", gossipEndpoint="ws://old.example:3001/ws")
    [record] = [v.record for v in subject.node.members() if v.record.node_id == "m1"]
    assert record.gossip_endpoint == MOVED


def test_l1_our_own_address_is_nobody_elses() -> None:
    subject = crowd(30)
    listing(subject, 1, "a", "mirror", gossipEndpoint=subject.config.gossip_endpoint)
    assert "mirror" not in subject.statuses()


@pytest.mark.parametrize(("count", "is_named"), [(FEW, True), (FEW + 1, False)])
def test_l1_of_what_we_asked_for_few_are_named_on(count: int, *, is_named: bool) -> None:
    subject = crowd(30)
    subject.wait(1.0)
    answer = [record(f"x{number}") for number in range(count)]
    subject.receive(1, exchange("a", "members", peers=answer, answer=True))
    assert f"x{count - 1}" in subject.statuses()
    assert ("members" in kinds(subject.wait(0.1), 2)) == is_named


def test_l1_a_long_list_is_not_multiplied() -> None:
    subject = crowd(10)
    subject.wait(1.0)
    listing(subject, 1, "a", *(f"x{number}" for number in range(900)))
    frames = [f for f in sent(subject.wait(0.1), 2) if f["data"].get("x") == "members"]
    assert sum(len(frame["data"]["peers"]) for frame in frames) == 100


def test_r2_a_member_that_is_here_has_room_before_those_we_only_heard_of() -> None:
    subject = crowd(18, limits=Limits(members=20))
    for number in range(12):
        subject.joined(50 + number, f"here{number}")
    statuses = subject.statuses()
    assert len(statuses) == 20
    assert {f"here{number}" for number in range(12)} <= statuses.keys()
    listing(subject, 1, "a", "late")
    assert "late" not in subject.statuses()


def test_m1_a_later_life_that_could_not_be_refuted_is_not_listed() -> None:
    subject = crowd(30)
    listing(subject, 1, "a", "m1", incarnation=2**53 - 1, gossipEndpoint="ws://evil/ws")
    assert subject.refused["incarnation"] == 1
    kept = subject.record("m1")
    assert (kept.incarnation, kept.gossip_endpoint) == (WALL, endpoint("m1"))


def test_m1_who_is_here_itself_knows_its_address_best_and_refutes_a_later_life() -> None:
    subject = crowd(30)
    listing(subject, 1, "a", "m1", incarnation=WALL + 9, gossipEndpoint="ws://evil/ws")
    effects = subject.joined(50, "m1") + subject.wait(0.1)
    kept = subject.record("m1")
    assert (kept.incarnation, kept.gossip_endpoint) == (WALL + 9, endpoint("m1"))
    told = [frame["data"].get("news") for frame in sent(effects, 50)]
    assert [["m1", WALL + 9, "suspect"]] in told


def test_m3_who_is_suspected_by_chance_has_the_whole_time_before_it_is_removed() -> None:
    subject = filled(3)
    peers = {"a": 1, "b": 2} | {f"m{number}": 10 + number for number in range(3)}
    subject.hear(300, **peers)
    url = dials(subject.hear(120, **peers))[0]
    subject.handle(DialFailed(url, refused=True))
    subject.hear(50, **peers)
    name = url.removeprefix("ws://").split(".")[0]
    assert subject.statuses()[name] == "suspected"


def test_l1_a_newcomer_whose_only_peer_has_enough_dials_it_again_soon() -> None:
    subject = Subject(bootstrap=(endpoint("a"),))
    subject.reach(1, endpoint("a"))
    subject.receive(1, join("a"))
    assert dials(subject.lose(1, ENOUGH) + subject.wait(4.0)) == [endpoint("a")]


def test_l1_a_new_link_is_left_alone_until_names_were_told() -> None:
    subject = filled(12)
    assert closed(subject.wait(5.0)) == {}
    assert set(closed(subject.wait(10.0)).values()) == {ENOUGH}


def test_r2_a_liar_cannot_have_its_names_counted_as_met() -> None:
    subject = crowd(18)
    for round_ in range(1, 9):
        listing(subject, 1, "a", *(f"x{round_}-{number}" for number in range(900)))
        subject.receive(1, join("a", incarnation=WALL + round_))
    assert len(subject.statuses()) <= 20 + 100


def test_l1_a_name_that_is_repeated_makes_no_crowd() -> None:
    subject = Subject()
    subject.joined(1, "a")
    listing(subject, 1, "a", *["ghost"] * 20)
    assert subject.statuses() == {"a": "active"}


def test_l4_names_of_strangers_do_not_hold_up_the_dials_of_members() -> None:
    subject = crowd(30)
    peers = [{"id": f"p{n}", "gossipEndpoint": f"ws://p{n}/ws"} for n in range(200)]
    subject.receive(1, exchange("a", "members", peers=peers))
    members = {endpoint(f"m{number}") for number in range(30)}
    assert len(members.intersection(dials(subject.wait(4.5)))) == degree(33) - 2


def test_m7_a_member_of_a_crowd_is_stored_when_it_is_met() -> None:
    subject = crowd(30)
    assert "m1" in remembered(subject.joined(50, "m1", publicKey="", apiEndpoint=None))


def test_m7_a_bootstrap_name_of_a_member_out_of_reach_is_dialed_on() -> None:
    named = "ws://entrance.example:3001/ws"
    subject = Subject(bootstrap=(named,))
    subject.reach(1, named)
    subject.receive(1, join("a"))
    subject.joined(2, "b")
    listing(subject, 2, "b", *(f"m{number}" for number in range(30)))
    effects = subject.lose(1) + subject.wait(0.2)
    for url in set(dials(effects)):
        subject.handle(DialFailed(url, refused=True))
    subject.receive(2, news("b", ["a", WALL + 1, "alive"]))
    assert named in dials(subject.hear(600, b=2))


def test_w4_plain_peers_are_told_of_a_newcomer_in_a_crowd_too() -> None:
    subject = crowd(30)
    subject.plain(50, "plain")
    effects = subject.joined(51, "new")
    lists = [f["data"] for f in sent(effects, 50) if f["data"].get("type") == "peer_announcement"]
    assert [each["peer"]["id"] for each in lists] == ["new"]
