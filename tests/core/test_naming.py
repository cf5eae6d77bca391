"""Naming members: who asks whom for them, and what it is answered (M5, L1)."""

from typing import Any

import pytest

from gossip.core.census import CELLS
from gossip.core.config import Limits
from gossip.core.events import LinkBlocked, LinkId
from gossip.core.members import PeerRecord
from gossip.core.naming import EACH_NAME, FEW, UNANSWERED
from gossip.core.packing import CELL, pack, unpack
from gossip.core.sketch import Sketch
from tests.support.core import ME, Subject, kinds, sent
from tests.support.crowd import crowd, linked, listing, record
from tests.support.frames import WALL, exchange, heartbeat, member_root, message, root
from tests.support.news import news, told

NAMES = ["a", "b", *(f"m{number}" for number in range(30))]
"""Who is in a `crowd`, besides ourselves."""


def hashed(name: str, incarnation: int = WALL) -> int:
    return PeerRecord(node_id=name, incarnation=incarnation, life=incarnation).hash


def cells(*names: str, **incarnations: int) -> str:
    """The cells of a peer that knows these members."""
    sketch = Sketch(CELLS)
    sketch.toggle(map(hashed, names))
    sketch.toggle(hashed(name, number) for name, number in incarnations.items())
    return pack(sketch.cells, CELL)


def asked(subject: Subject, sketched: str) -> list[Any]:
    """What the peer of link 1 is answered that asks for what it lacks."""
    return sent(subject.receive(1, exchange("a", "members", cells=sketched)), 1)


def named(frames: list[Any]) -> list[str]:
    return [peer["id"] for frame in frames for peer in frame["data"].get("peers", [])]


# Where all link to all


def test_m5_where_members_differ_one_peer_is_asked_an_interval() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    [asked] = sent(subject.receive(1, exchange("a", "root", mroot=root(5))), 1)
    assert asked["data"] == {"x": "members"}
    assert sent(subject.receive(2, exchange("b", "root", mroot=root(5)))) == []
    subject.wait(5.0)
    assert sent(subject.receive(2, heartbeat("b", mroot=root(5)))) == []
    assert kinds(subject.receive(2, exchange("b", "root", mroot=root(5))), 2) == ["members"]


def test_m5_where_members_are_the_same_nobody_is_asked() -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert sent(subject.receive(1, exchange("a", "root", mroot=member_root(ME, "a")))) == []


def test_m2_only_active_members_are_named() -> None:
    subject = Subject()
    for link, peer in ((1, "a"), (2, "b"), (3, "c")):
        subject.joined(link, peer)
    subject.receive(2, message("leave", "b", {"reason": "x"}, 1))
    [answer] = sent(subject.receive(1, exchange("a", "members")), 1)
    assert [peer["id"] for peer in answer["data"]["peers"]] == ["c"]


def test_m5_a_peer_that_asks_again_at_once_is_not_answered() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    assert kinds(subject.receive(1, exchange("a", "members")), 1) == ["members"]
    assert sent(subject.receive(1, exchange("a", "members"))) == []
    assert subject.refused["names-too-soon"] == 1
    subject.wait(5.0)
    assert kinds(subject.receive(1, exchange("a", "members")), 1) == ["members"]


def test_s5_a_blocked_peer_is_told_no_names() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.step(LinkBlocked(LinkId(1)))
    assert sent(subject.receive(1, exchange("a", "members"))) == []
    assert subject.refused["names-blocked"] == 1


# In a crowd: asking for those that we lack


def test_m5_in_a_crowd_a_peer_is_asked_for_what_we_lack() -> None:
    subject = crowd()
    [frame] = sent(subject.receive(1, exchange("a", "root", mroot=root(35))), 1)
    ours = unpack(frame["data"]["cells"], CELL)
    sketch = Sketch(CELLS)
    own = subject.own()
    sketch.toggle([own.hash, *map(hashed, NAMES)])
    assert ours == sketch.cells


def test_m5_not_more_than_once_a_second() -> None:
    subject = crowd()
    differs = exchange("a", "root", mroot=root(35))
    assert kinds(subject.receive(1, differs), 1) == ["members"]
    assert kinds(subject.receive(2, exchange("b", "root", mroot=root(35))), 2) == []
    subject.wait(1.0)
    assert kinds(subject.receive(2, exchange("b", "root", mroot=root(35))), 2) == ["members"]


def test_m5_who_has_many_more_is_asked_for_all() -> None:
    subject = crowd()
    subject.wait(10.0)
    [frame] = sent(subject.receive(1, exchange("a", "root", mroot=root(100))), 1)
    assert frame["data"] == {"x": "members"}


# Answering


def test_m5_a_peer_is_named_what_it_lacks() -> None:
    subject = crowd()
    frames = asked(subject, cells(ME, *NAMES[:-3]))
    assert sorted(named(frames)) == sorted(NAMES[-3:])
    assert [frame["data"].get("answer") for frame in frames] == [True]


def test_m5_who_lacks_nothing_is_told_nothing() -> None:
    subject = crowd()
    assert asked(subject, cells(ME, *NAMES)) == []


def test_m5_a_later_incarnation_is_named() -> None:
    subject = crowd()
    assert named(asked(subject, cells(ME, *NAMES[:-1], m29=WALL - 5))) == ["m29"]


def test_m5_who_knows_more_than_we_is_asked_back() -> None:
    subject = crowd()
    frames = asked(subject, cells(ME, *NAMES[:-1], "new"))
    assert named(frames) == ["m29"]
    [question] = [frame for frame in frames if "peers" not in frame["data"]]
    assert len(question["data"]["cells"]) > 900


def test_m5_who_lists_as_active_whom_others_suspect_is_told() -> None:
    subject = crowd()
    subject.receive(2, news("b", ["m3", WALL, "suspect"], ["m4", WALL, "left"]))
    subject.wait(0.1)
    effects = subject.receive(1, exchange("a", "members", cells=cells(ME, *NAMES)))
    assert told(effects, 1) == [["m3", WALL, "suspect"], ["m4", WALL, "left"]]
    # It lacks nobody, nor do we.
    assert kinds(effects, 1) == ["heartbeat"]


def test_m5_who_lists_a_later_life_of_the_suspected_is_asked_for_it() -> None:
    subject = crowd()
    subject.receive(2, news("b", ["m29", WALL, "suspect"]))
    subject.wait(0.1)
    later = cells(ME, *NAMES[:-1], m29=WALL + 1)
    effects = subject.receive(1, exchange("a", "members", cells=later))
    assert kinds(effects, 1) == ["members"]


def test_m5_no_more_than_eight_are_put_right_at_a_time() -> None:
    subject = crowd()
    for name in NAMES[2:12]:
        subject.receive(2, news("b", [name, WALL, "suspect"]))
    subject.wait(0.1)
    effects = subject.receive(1, exchange("a", "members", cells=cells(ME, *NAMES)))
    assert len(told(effects, 1)) == 8
    assert kinds(effects, 1) == ["heartbeat"]


def test_m5_too_many_differences_are_answered_by_all_names_but_not_each_time() -> None:
    subject = crowd(100)
    assert len(named(asked(subject, cells(ME)))) == 101
    subject.wait(2.6)
    frames = asked(subject, cells(ME))
    assert len(named(frames)) == 101
    subject = crowd(100)
    listing(subject, 2, "b", *(f"n{number}" for number in range(100)))
    asked(subject, cells(ME))
    subject.wait(2.6)
    assert named(asked(subject, cells(ME))) == []
    assert subject.refused["names-too-soon"] == 1


def test_m5_fewer_cells_will_do() -> None:
    subject = crowd()
    sketch = Sketch(8)
    sketch.toggle([hashed(ME), *map(hashed, NAMES[:-1])])
    assert named(asked(subject, pack(sketch.cells, CELL))) == ["m29"]


def test_m5_in_a_mesh_all_are_named() -> None:
    subject = linked("a", "b")
    assert named(asked(subject, cells(ME, "a", "b"))) == ["b"]


@pytest.mark.parametrize("sketched", [1, "*", "AAAA", pack(range(CELLS + 1), CELL)])
def test_w9_what_is_no_sketch_is_refused(sketched: object) -> None:
    subject = crowd(limits=Limits())
    subject.receive(1, exchange("a", "members", cells=sketched))
    assert subject.refused["data"] == 1


def test_l1_plain_peers_are_in_neither_in_a_crowd() -> None:
    subject = crowd()
    before = sent(subject.receive(1, exchange("a", "root", mroot=root(35))), 1)
    subject.plain(5, "p")
    assert subject.statuses()["p"] == "active"
    subject.wait(UNANSWERED * subject.config.interval)
    assert sent(subject.receive(1, exchange("a", "root", mroot=root(35))), 1) == before
    assert named(asked(subject, cells(ME, *NAMES))) == []


def test_m5_answers_by_a_sketch_are_rationed_over_all_links() -> None:
    subject = crowd()
    frames = asked(subject, cells(ME, *NAMES[:-1]))
    again = subject.receive(2, exchange("b", "members", cells=cells(ME, *NAMES[:-1])))
    assert named(frames) == ["m29"]
    assert sent(again, 2) == []
    assert subject.refused["names-too-soon"] == 1
    subject.wait(0.2)
    subject.joined(3, "c")
    later = subject.receive(3, exchange("c", "members", cells=cells(ME, "c", *NAMES[:-1])))
    assert named(sent(later, 3)) == ["m29"]
    again = subject.receive(2, exchange("b", "members", cells=cells(ME, *NAMES)))
    assert sent(again, 2) == []


# Asking for all


def both_name(subject: Subject, names: list[str]) -> None:
    """One word alone is taken for so many only."""
    listing(subject, 1, "a", *names)
    listing(subject, 2, "b", *names)


def test_m5_who_has_many_more_says_so_and_asks_seldom() -> None:
    subject = crowd(80)
    first, second = sent(subject.receive(1, exchange("a", "root", mroot=root(20))), 1)
    assert first["data"] == {"x": "members"}
    assert second["data"]["mroot"]["n"] == 83
    assert second["data"]["answer"]
    assert "root" not in second["data"], "of its entries nobody asked"
    [frame] = sent(subject.receive(2, exchange("b", "root", mroot=root(20))), 2)
    assert frame["data"]["x"] == "root"


def test_m5_what_answers_a_round_is_answered_by_no_root() -> None:
    subject = crowd(80)
    subject.receive(1, exchange("a", "root", mroot=root(20)))
    answers = subject.receive(1, exchange("a", "root", mroot=root(20), answer=True))
    assert sent(answers, 1) == []


def test_m5_who_says_how_many_members_it_has_says_nothing_of_its_entries() -> None:
    subject = crowd(80)
    subject.receive(1, exchange("a", "root", root=root(7), mroot=root(83)))
    partner = subject.node._context.links.best()[0].partner
    assert partner.roots.state is not None
    subject.wait(UNANSWERED * subject.config.interval)
    frames = sent(subject.receive(1, exchange("a", "root", mroot=root(85), answer=True)), 1)
    assert partner.roots.state.n == 7
    assert [frame["data"]["x"] for frame in frames] == ["members"]


def answered(subject: Subject, link: int, peer: str, names: list[str]) -> None:
    """A peer that was asked names all its members."""
    peers = [record(name) for name in names]
    subject.receive(link, exchange(peer, "members", peers=peers, answer=True))


def asks(subject: Subject, link: int, peer: str, count: int) -> bool:
    """Whether it asks a peer that begins a round and knows so many members for all of them."""
    effects = subject.receive(link, exchange(peer, "root", mroot=root(count)))
    return {"x": "members"} in [frame["data"] for frame in sent(effects, link)]


def test_l1_a_newcomer_asks_another_at_once_where_one_word_is_not_enough() -> None:
    subject = linked("a", "b", "c")
    names = [f"m{number}" for number in range(500)]
    assert asks(subject, 1, "a", 504)
    answered(subject, 2, "b", [f"n{number}" for number in range(200)])
    assert not asks(subject, 3, "c", 504), "unasked for, no word hastens the next question"
    answered(subject, 1, "a", names)
    assert not asks(subject, 1, "a", 504), "it has said all that it knows"
    assert asks(subject, 3, "c", 504)
    answered(subject, 3, "c", names)
    assert set(names) < set(subject.statuses())
    subject.joined(4, "d")
    assert not asks(subject, 4, "d", 2_000), "both words were enough"


def test_m5_a_question_that_nobody_answers_holds_up_nothing_for_long() -> None:
    subject = crowd()
    assert asks(subject, 1, "a", 2**53 - 1)
    subject.hear(5, a=1, b=2)
    assert asks(subject, 2, "b", 500)


@pytest.mark.parametrize("more", [1, FEW, 2**40])
def test_m5_who_knows_more_and_never_answers_leaves_questions_for_others(more: int) -> None:
    subject = crowd()
    known = len(subject.statuses()) + 1
    questions = {"a": 0, "b": 0}
    for tenth in range(1_000):
        # One that speaks all the time and never answers, and one that speaks now and then.
        for link, peer, pause in (1, "a", 1), (2, "b", 20):
            if tenth % pause == 0:
                effects = subject.receive(link, exchange(peer, "root", mroot=root(known + more)))
                asked = "members" in [frame["data"]["x"] for frame in sent(effects, link)]
                questions[peer] += asked
                if asked and peer == "b":
                    answered(subject, 2, "b", [])
        subject.wait(0.1)
    assert questions["a"] <= 100 / (UNANSWERED * subject.config.interval)
    assert questions["b"] >= 2 * questions["a"]


def test_m5_all_names_of_an_answer_count_whatever_frames_they_came_in() -> None:
    for frames, rest in (4, 8), (100, 8):
        subject = crowd()
        names = [f"old-{number}" for number in range(400)]
        both_name(subject, names)
        subject.hear(30, a=1, b=2)
        assert asks(subject, 1, "a", 1_000)
        for number in range(frames):
            answered(subject, 1, "a", names[number % 4 :: 4])
        subject.wait(rest - 0.1)
        assert not asks(subject, 2, "b", 1_000)
        # Whoever names on and on silences us no longer than who names all that we list.
        subject.wait(1.0)
        assert asks(subject, 2, "b", 1_000)


def test_m5_names_of_whom_we_did_not_ask_silence_nobody() -> None:
    subject = crowd()
    names = [f"old-{number}" for number in range(400)]
    both_name(subject, names)
    subject.hear(30, a=1, b=2)
    subject.joined(3, "c")
    assert asks(subject, 1, "a", 1_000)
    answered(subject, 2, "b", names)
    subject.hear(5, a=1, b=2)
    assert asks(subject, 3, "c", 1_000)


def test_m5_a_table_that_differs_in_few_more_than_a_sketch_tells_is_asked_for_whole() -> None:
    for more, by_cells in (FEW, True), (FEW + 1, False):
        subject = crowd()
        known = len(subject.statuses()) + 1
        effects = subject.receive(1, exchange("a", "root", mroot=root(known + more)))
        [question] = sent(effects, 1)
        assert ("cells" in question["data"]) == by_cells


def test_m5_in_a_mesh_nobody_is_told_who_knows_more() -> None:
    subject = linked(*(f"m{number}" for number in range(40)), mesh=100)
    frames = sent(subject.receive(1, exchange("m0", "root", mroot=root(1))), 1)
    assert [frame["data"] for frame in frames] == [{"x": "members"}]


@pytest.mark.parametrize(("fewer", "is_told"), [(FEW, False), (FEW + 1, True)])
def test_m5_who_knows_few_less_finds_them_by_a_sketch(fewer: int, *, is_told: bool) -> None:
    subject = crowd(80)
    known = len(subject.statuses()) + 1
    frames = sent(subject.receive(1, exchange("a", "root", mroot=root(known - fewer))), 1)
    assert ("root" in [frame["data"]["x"] for frame in frames]) == is_told


def test_m5_only_who_knows_more_is_asked_early() -> None:
    subject = linked("a", "b", "c")
    names = [f"m{number}" for number in range(500)]
    assert asks(subject, 1, "a", 504)
    answered(subject, 1, "a", names)
    assert not asks(subject, 3, "c", 20), "one word was not enough, but this one knows fewer"
    both_name(subject, names)
    subject.hear(5, a=1, b=2, c=3)
    assert asks(subject, 2, "b", 1_000)
    answered(subject, 2, "b", names)
    both_name(subject, [f"new-{number}" for number in range(200)])
    subject.hear(5, a=1, b=2, c=3)
    assert not asks(subject, 3, "c", 20), "we learn, but not from this one"


def test_m5_a_peer_is_left_alone_for_all_that_it_named() -> None:
    subject = crowd()
    asks(subject, 1, "a", 1_000)
    for number in range(3):
        answered(subject, 1, "a", [f"x{number}{each}" for each in range(10)])
    partner = subject.node._context.links.best()[0].partner
    assert partner.tells_all_from == pytest.approx(subject.monotonic + 30 * EACH_NAME)


def test_l1_a_newcomer_asks_on_as_long_as_that_is_worth_it() -> None:
    subject = crowd()
    old = [f"old-{number}" for number in range(400)]
    both_name(subject, old)
    assert len(subject.statuses()) > 400
    subject.hear(10, a=1, b=2)
    assert asks(subject, 2, "b", 1_000)
    answered(subject, 2, "b", old)
    subject.hear(5, a=1, b=2)
    assert not asks(subject, 1, "a", 1_000), "the last question brought nothing"
    both_name(subject, [f"new-{number}" for number in range(200)])
    assert not asks(subject, 2, "b", 1_000), "it would not answer again so soon"
    assert asks(subject, 1, "a", 1_000)
    answered(subject, 1, "a", old)
    subject.hear(5, a=1, b=2)
    assert not asks(subject, 2, "b", 1_000), "the last question brought nothing again"
    subject.hear(5, a=1, b=2)
    assert asks(subject, 2, "b", 1_000)
