"""Lives: what a node says of itself holds until it begins anew (M1, L1, K3)."""

from typing import Any

import pytest

from gossip.core.context import CloseCode
from gossip.core.effects import Effect
from gossip.core.roster import DISPUTED_AGAIN
from tests.support.core import Subject, sent
from tests.support.crowd import crowd, filled, linked, listing
from tests.support.frames import MOVED, WALL, Frame, endpoint, heartbeat
from tests.support.frames import names as discovery
from tests.support.news import named, news, out_of_reach, told

DAY = 86_400_000
"""Milliseconds: the allowed skew."""


def names(effects: list[Effect], link: int) -> list[Frame]:
    """The members that were named on this link."""
    frames = [frame["data"] for frame in sent(effects, link) if frame["type"] == "sync"]
    return [peer for data in frames if data["x"] == "members" for peer in data.get("peers", ())]


# Of others


@pytest.mark.parametrize(("life", "is_named"), [(WALL, False), (WALL + 1, True)])
def test_l1_who_comes_back_is_named_again_in_another_life(life: int, *, is_named: bool) -> None:
    subject = filled(3)
    subject.wait(1.0)
    effects = subject.joined(50, "m0", incarnation=WALL + 1, life=life) + subject.wait(0.1)
    assert ("m0" in [peer["id"] for peer in names(effects, 1)]) == is_named
    other = [] if is_named else [life]
    assert told(effects, 1)[-1:] == [["m0", WALL + 1, "alive", *other]], "of either, news tells"


@pytest.mark.parametrize(("life", "is_named"), [(WALL, False), (WALL + 5, True)])
def test_l1_another_life_of_a_member_is_named_on(life: int, *, is_named: bool) -> None:
    subject = crowd(30)
    subject.wait(1.0)
    listing(subject, 1, "a", "m1", incarnation=WALL + 5, life=life)
    assert bool(names(subject.wait(0.1), 2)) == is_named
    assert (subject.record("m1").incarnation, subject.record("m1").life) == (WALL + 5, life)


def test_m1_in_another_life_a_member_is_elsewhere_whatever_news_told_since() -> None:
    subject = crowd(30)
    subject.receive(1, news("a", ["m1", WALL + 9, "alive", WALL]))
    listing(subject, 1, "a", "m1", incarnation=WALL + 5, gossipEndpoint=MOVED)
    found = subject.record("m1")
    assert (found.gossip_endpoint, found.life, found.incarnation) == (MOVED, WALL + 5, WALL + 9)


@pytest.mark.parametrize("incarnation", [WALL + 5, WALL + 6])
def test_m1_within_a_life_nobody_moves(incarnation: int) -> None:
    subject = crowd(30)
    listing(subject, 1, "a", "m1", incarnation=WALL + 5)
    listing(subject, 2, "b", "m1", incarnation=incarnation, life=WALL + 5, gossipEndpoint=MOVED)
    assert subject.record("m1").gossip_endpoint == endpoint("m1")


def test_a1_tables_that_know_other_lives_are_not_the_same() -> None:
    def census(life: int) -> object:
        subject = crowd(30)
        listing(subject, 1, "a", "m1", incarnation=WALL + 5, life=life)
        context = subject.node._context
        return context.members.root(context.me)

    assert census(WALL) != census(WALL + 5)
    assert census(WALL) == census(WALL)


def test_m1_a_life_that_a_member_takes_is_named() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    effects = subject.receive(1, heartbeat("a", incarnation=WALL + 5, life=WALL))
    assert names(effects + subject.wait(0.1), 2) == [], "it refuted a suspicion"
    effects = subject.receive(1, heartbeat("a", incarnation=WALL + 6, life=WALL + 6))
    [named] = names(effects + subject.wait(0.1), 2)
    assert (named["id"], named["incarnation"], "life" in named) == ("a", WALL + 6, False)


def test_m1_a_life_counts_though_its_incarnation_was_known() -> None:
    subject = crowd(30)
    subject.receive(1, heartbeat("a", incarnation=WALL + 6, life=WALL))
    subject.receive(1, heartbeat("a", incarnation=WALL + 6, life=WALL + 6))
    assert subject.record("a").life == WALL + 6


# What is told of a member and it did not say


def disputed(*said: dict[str, Any]) -> list[Frame]:
    """What `b` is handed, of what `a` said of it, one after the other."""
    subject = crowd(30)
    subject.wait(1.0)
    handed = []
    for changes in said:
        listing(subject, 1, "a", "b", **changes)
        handed += names(subject.wait(1.0), 2)
        assert subject.record("b").gossip_endpoint == endpoint("b"), "it says so itself"
    return handed


def test_k3_who_is_named_in_a_life_that_is_not_its_own_is_told_so_once() -> None:
    said = {"incarnation": WALL + 5, "gossipEndpoint": MOVED}
    [handed] = disputed(said, said, said | {"incarnation": WALL + 6})
    assert (handed["id"], handed["gossipEndpoint"]) == ("b", MOVED)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"incarnation": WALL - 1, "gossipEndpoint": MOVED},
        {"gossipEndpoint": None},
    ],
    ids=str,
)
def test_k3_what_a_member_said_itself_is_not_handed_to_it(said: dict[str, Any]) -> None:
    assert disputed(said) == []


@pytest.mark.parametrize("life", [WALL, WALL - 5], ids=["its-own", "an-earlier"])
def test_m2_a_later_incarnation_than_a_member_said_is_handed_to_it_now_and_then(life: int) -> None:
    subject = crowd(30)
    subject.wait(1.0)
    for _ in range(2):
        for _ in range(3):
            listing(subject, 1, "a", "b", incarnation=WALL + 5, life=life)
        [handed] = names(subject.wait(1.0), 2)
        assert (handed["id"], handed["incarnation"]) == ("b", WALL + 5)
        subject.hear(int(DISPUTED_AGAIN), a=1, b=2)


@pytest.mark.parametrize(("beyond", "is_handed"), [(0, True), (1_000, False)])
def test_m2_a_member_is_handed_no_incarnation_that_it_could_not_refute(
    beyond: int, *, is_handed: bool
) -> None:
    subject = filled(5)
    subject.wait(1.0)
    subject.lose(2, CloseCode.ENOUGH)
    ahead = subject.wall + DAY // 2 + beyond
    subject.joined(4, "b", incarnation=ahead, life=WALL)
    subject.lose(4, CloseCode.ENOUGH)
    subject.joined(3, "b")
    subject.wait(0.1)
    listing(subject, 1, "a", "b", incarnation=ahead, life=WALL)
    handed = [peer["id"] for peer in names(subject.wait(0.1), 3)]
    assert ("b" in handed) == is_handed


def test_k3_in_a_mesh_as_well_a_member_is_handed_what_is_told_of_it() -> None:
    subject = linked("a", "b")
    subject.wait(1.0)
    listing(subject, 1, "a", "b", incarnation=WALL + 5, gossipEndpoint=MOVED)
    assert [peer["id"] for peer in names(subject.wait(1.0), 2)] == ["b"]


def test_k3_who_goes_on_as_if_nothing_was_said_is_told_again() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    listing(subject, 1, "a", "b", incarnation=WALL + 5, gossipEndpoint=MOVED)
    listing(subject, 1, "a", "b", incarnation=WALL + 5, gossipEndpoint=MOVED)
    assert len(names(subject.wait(1.0), 2)) == 1
    subject.hear(int(DISPUTED_AGAIN), a=1, b=2)
    listing(subject, 1, "a", "b", incarnation=WALL + 5, gossipEndpoint=MOVED)
    assert [peer["id"] for peer in names(subject.wait(0.1), 2)] == ["b"]


def test_k3_what_nobody_could_refute_yet_is_handed_over_when_it_can_be() -> None:
    subject = linked("a")
    half = round(subject.config.max_clock_skew * 500)
    subject.joined(2, "a", incarnation=WALL + half + 50_000, gossipEndpoint=MOVED)
    subject.lose(2)
    handed = [*names(subject.receive(1, heartbeat("a", incarnation=WALL)), 1)]
    assert names(subject.hear(40, a=1), 1) == handed == []
    effects = subject.hear(20, a=1) + subject.receive(1, heartbeat("a", incarnation=WALL))
    handed = names(effects + subject.wait(0.1), 1)
    assert [peer["gossipEndpoint"] for peer in handed] == [MOVED]


def test_m1_an_earlier_life_has_its_incarnation_though_its_record_does_not_count() -> None:
    subject = linked("a")
    subject.joined(2, "a", incarnation=WALL + 5, gossipEndpoint=MOVED)
    subject.lose(2)
    subject.receive(1, heartbeat("a", incarnation=WALL + 6, life=WALL))
    found = subject.record("a")
    assert (found.incarnation, found.life, found.gossip_endpoint) == (WALL + 6, WALL + 5, MOVED)


def test_m1_no_life_ends_in_an_earlier_one() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    for number in range(5):
        subject.receive(1, heartbeat("a", incarnation=WALL + 10 + number, life=WALL + 10))
        subject.receive(1, heartbeat("a", incarnation=WALL + 10 + number, life=WALL + number))
    assert [peer["id"] for peer in names(subject.wait(1.0), 2)] == ["a"]
    assert subject.refused["incarnation"] == 5


@pytest.mark.parametrize("address", [MOVED, None])
@pytest.mark.parametrize(("beyond", "counts"), [(0, True), (1, False)])
def test_m1_no_record_counts_that_its_member_could_not_refute(
    address: str | None, beyond: int, *, counts: bool
) -> None:
    subject = crowd(30)
    half = round(subject.config.max_clock_skew * 500)
    said = {"incarnation": subject.wall + half + beyond, "gossipEndpoint": address}
    listing(subject, 1, "a", "m1", **said)
    listing(subject, 2, "b", "m1", **said)
    assert (subject.record("m1").life != WALL) == counts


def test_k3_another_life_of_its_own_may_be_disputed_again() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    for life in range(WALL, WALL + 30, 10):
        listing(subject, 1, "a", "b", incarnation=life + 5, gossipEndpoint=MOVED)
        assert len(names(subject.wait(1.0), 2)) == 1
        subject.receive(2, heartbeat("b", incarnation=life + 10, life=life + 10))
        subject.wait(1.0)


def test_k3_who_joins_in_an_earlier_life_than_was_told_is_handed_the_later_one() -> None:
    subject = crowd(30)
    listing(subject, 1, "a", "m1", incarnation=WALL + 5, gossipEndpoint=MOVED)
    effects = subject.joined(50, "m1") + subject.wait(0.1)
    assert MOVED in [peer["gossipEndpoint"] for peer in names(effects, 50)]
    assert subject.record("m1").gossip_endpoint == endpoint("m1")


def test_m1_a_life_said_on_its_own_link_counts_whatever_incarnation_others_told() -> None:
    subject = crowd(30)
    subject.receive(1, news("a", ["m1", WALL + 5_000, "alive", WALL]))
    subject.joined(50, "m1")
    subject.wait(1.0)
    effects = subject.receive(50, heartbeat("m1", incarnation=WALL + 50, life=WALL + 50))
    assert (subject.record("m1").life, subject.record("m1").incarnation) == (
        WALL + 50,
        WALL + 5_000,
    )
    assert [peer["life"] for peer in names(effects + subject.wait(0.1), 1)] == [WALL + 50]


def test_m1_a_life_that_is_said_on_two_links_lowers_no_incarnation() -> None:
    subject = crowd(30)
    subject.receive(1, news("a", ["m1", WALL + 5_000, "alive", WALL]))
    subject.joined(50, "m1")
    subject.joined(51, "m1")
    for link in (50, 51):
        subject.receive(link, heartbeat("m1", incarnation=WALL + 50, life=WALL + 50))
    assert subject.record("m1").incarnation == WALL + 5_000


def test_m1_a_plain_peer_keeps_no_incarnation_that_somebody_made_up() -> None:
    subject = linked("a")
    subject.plain(2, "p")
    before = subject.node._context.members.root(subject.own())
    subject.lose(2)
    subject.receive(1, named("a", "p", incarnation=WALL + 5))
    subject.wait(1.0)
    subject.plain(3, "p")
    assert (subject.record("p").incarnation, subject.record("p").extended) == (0, False)
    assert subject.node._context.members.root(subject.own()) == before


def test_k3_what_was_told_is_not_handed_over_on_a_link_that_is_gone() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    listing(subject, 1, "a", "b", incarnation=WALL + 5, gossipEndpoint=MOVED)
    subject.lose(2)
    assert "b" not in [peer["id"] for peer in names(subject.wait(1.0), 1)]
    assert subject.node._rumors._disputes == {}


def test_k3_plain_peers_have_no_life_to_dispute() -> None:
    subject = crowd(30)
    subject.plain(5, "p")
    subject.wait(1.0)
    effects = listing(subject, 1, "a", "p", gossipEndpoint=MOVED) + subject.wait(1.0)
    assert names(effects, 5) == []


# Who vouches for whom


@pytest.mark.parametrize(("life", "holders"), [(WALL, ("a",)), (WALL + 1, ())])
def test_m8_in_another_life_a_member_holds_none_of_its_links(
    life: int, holders: tuple[str, ...]
) -> None:
    subject = out_of_reach()
    subject.joined(2, "a", incarnation=WALL + 1, life=life)
    assert holders_of(subject, "n") == holders


def test_m8_a_life_that_a_member_takes_while_it_runs_ends_no_link_of_it() -> None:
    subject = out_of_reach()
    subject.receive(1, heartbeat("a", incarnation=WALL + 5, life=WALL + 5))
    assert holders_of(subject, "n") == ("a",)


def test_m8_who_names_another_life_of_a_member_vouches_for_it() -> None:
    subject = out_of_reach()
    subject.joined(2, "b")
    subject.receive(1, news("a", ["n", WALL + 5, "alive"]))
    subject.receive(2, named("b", "n", incarnation=WALL + 5))
    assert holders_of(subject, "n") == ("a", "b")


def test_l1_that_a_member_lives_is_no_word_for_it() -> None:
    subject = crowd(30)
    listing(subject, 2, "b", "m1")
    subject.receive(1, news("a", ["m1", WALL + 1, "alive"]))
    assert holders_of(subject, "m1") == ("a", "b")
    assert subject.node._context.members._alone_on_word["a"] == 29


def test_l1_whom_we_have_met_in_a_crowd_needs_no_word() -> None:
    subject = filled(3)
    subject.lose(10)
    listing(subject, 1, "a", "m0")
    assert holders_of(subject, "m0") == ()


def holders_of(subject: Subject, node_id: str) -> tuple[str, ...]:
    member = subject.node._context.members.get(node_id)
    assert member is not None
    return member.holders


# Where all link to all


def test_l1_in_a_mesh_nobody_is_named_in_another_life() -> None:
    subject = linked("a", "b")
    subject.wait(1.0)
    effects = subject.joined(3, "a", incarnation=WALL + 5)
    effects += subject.receive(3, heartbeat("a", incarnation=WALL + 9, life=WALL + 9))
    assert names(effects + subject.wait(1.0), 2) == []


def test_l1_a_newcomer_whose_address_was_known_is_named_in_a_crowd() -> None:
    subject = crowd(30)
    subject.plain(5, "p")
    subject.receive(5, discovery("p", ["new"]))
    subject.wait(1.0)
    effects = subject.joined(50, "new") + subject.wait(0.1)
    assert [peer["id"] for peer in names(effects, 1)] == ["new"]


def test_l1_a_plain_peer_that_moved_is_named_in_a_crowd() -> None:
    subject = crowd(30)
    subject.plain(5, "p")
    subject.wait(1.0)
    effects = subject.plain(6, "p") + subject.wait(0.1)
    assert names(effects, 1) == []
    effects = subject.plain(7, "p", gossipEndpoint=MOVED) + subject.wait(0.1)
    assert [peer["gossipEndpoint"] for peer in names(effects, 1)] == [MOVED]


# Of two lives of a member which counts


def test_m1_a_refutation_hides_no_later_life() -> None:
    subject = linked("a")
    subject.receive(1, heartbeat("a", incarnation=WALL + 9, life=WALL))
    subject.joined(2, "a", incarnation=WALL + 5, gossipEndpoint=MOVED)
    found = subject.record("a")
    assert (found.gossip_endpoint, found.life, found.incarnation) == (MOVED, WALL + 5, WALL + 9)


def test_m1_an_earlier_life_counts_no_more_however_often_it_joins() -> None:
    subject = linked("a")
    subject.joined(2, "a", incarnation=WALL + 5, gossipEndpoint=MOVED)
    for link in 3, 4:
        subject.joined(link, "a")
        assert subject.record("a").gossip_endpoint == MOVED


@pytest.mark.parametrize(("address", "stays"), [(endpoint("m1"), True), (MOVED, False)])
def test_l1_who_was_out_of_reach_may_be_within_it_elsewhere(address: str, *, stays: bool) -> None:
    subject = crowd(30)
    member = subject.node._context.members.get("m1")
    assert member is not None
    member.out_of_reach = True
    listing(subject, 1, "a", "m1", incarnation=WALL + 5, gossipEndpoint=address)
    assert member.out_of_reach == stays


def test_k3_who_speaks_after_another_had_its_id_is_handed_what_that_one_said() -> None:
    subject = linked("a")
    subject.joined(2, "a", incarnation=WALL + 1, gossipEndpoint=MOVED)
    subject.lose(2)
    subject.wait(1.0)
    effects = subject.receive(1, heartbeat("a", incarnation=WALL)) + subject.wait(0.1)
    assert [peer["gossipEndpoint"] for peer in names(effects, 1)] == [MOVED]


def test_k3_a_plain_peer_with_the_id_of_one_of_ours_is_handed_nothing() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    subject.plain(5, "m1")
    assert names(subject.wait(1.0), 5) == []


def test_w3_nothing_is_handed_over_before_our_own_join() -> None:
    subject = crowd(30)
    subject.wait(1.0)
    link = subject.node._context.links.best()[1]
    link.introduced = False
    listing(subject, 1, "a", "b", incarnation=WALL + 5, gossipEndpoint=MOVED)
    assert names(subject.wait(1.0), 2) == []
    link.introduced = True
    assert [peer["gossipEndpoint"] for peer in names(subject.wait(1.0), 2)] == [MOVED]
