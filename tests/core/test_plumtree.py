"""Trees on which entries are pushed in a crowd (S3)."""

from typing import Any

import msgspec
import pytest

from gossip.core.config import Limits
from gossip.core.entries import Entry
from gossip.core.events import FrameReceived, LinkBlocked, LinkId
from gossip.core.packing import ELEMENT, pack, unpack
from gossip.core.plumtree import tree_of
from tests.support.core import ME, Subject, kinds, pushed, sent
from tests.support.crowd import crowd
from tests.support.frames import exchange, root, sync

WRITER = "w"


def entry(number: int, origin: str = WRITER) -> Entry:
    """Each in a second of its own, so that it shapes the tree."""
    return Entry(f"k{number}", number * 1_000, b"1", None, number, origin)


def push(subject: Subject, link: int, *numbers: int, origin: str = WRITER) -> list[Any]:
    """The peer of this link pushes these entries of a writer."""
    entries = (entry(number, origin) for number in numbers)
    return subject.receive(link, sync("abcde"[link - 1], *entries, hops=3))


def member_of_crowd(**changes: Any) -> Subject:
    """A node linked to a, b, c and d on links 1 to 4."""
    subject = crowd(**changes)
    subject.joined(3, "c")
    subject.joined(4, "d")
    return subject


def trees(effects: list[Any], link: int, x: str) -> set[int]:
    """The trees in what was said of them on this link."""
    frames = [frame["data"] for frame in sent(effects, link) if isinstance(frame["data"], dict)]
    return {
        tree for data in frames if data.get("x") == x for tree in unpack(data["trees"], ELEMENT)
    }


def tell(subject: Subject, link: int, x: str, *origins: str) -> list[Any]:
    """The peer of this link says something of these trees."""
    packed = pack(map(tree_of, origins), ELEMENT)
    return subject.receive(link, exchange("abcde"[link - 1], x, trees=packed))


def parented() -> Subject:
    """The same, with a and b as parents in the tree of the writer."""
    subject = member_of_crowd()
    for number in (1, 2):
        push(subject, 1, number)
        push(subject, 2, number)
    return subject


# Pruning


def test_s3_who_pushes_what_two_others_pushed_is_pruned() -> None:
    subject = member_of_crowd()
    push(subject, 1, 1)
    push(subject, 1, 2)
    assert trees(push(subject, 2, 2), 2, "prune") == set()
    assert trees(push(subject, 3, 2), 3, "prune") == {tree_of(WRITER)}
    assert trees(push(subject, 2, 2), 2, "prune") == set()


def test_s3_who_brings_an_entry_first_is_a_parent_from_then_on() -> None:
    subject = member_of_crowd()
    for number in (1, 2):
        push(subject, 1, number)
        push(subject, 2, number)
    push(subject, 3, 3)
    assert trees(push(subject, 1, 3), 1, "prune") == set()
    assert trees(push(subject, 2, 3), 2, "prune") == {tree_of(WRITER)}


def test_s3_each_origin_has_a_tree_of_its_own() -> None:
    subject = member_of_crowd()
    for number, origin in ((1, "v"), (2, "v"), (3, WRITER)):
        push(subject, 1, number, origin=origin)
    push(subject, 2, 2, origin="v")
    subject.receive(3, sync("c", entry(2, "v"), entry(3), hops=3))
    assert trees(push(subject, 3, 2, origin="v"), 3, "prune") == {tree_of("v")}


def test_s3_an_origin_that_seldom_writes_has_no_tree() -> None:
    subject = member_of_crowd()
    for number in (1, 2, 3):
        subject.hear(35, a=1, b=2, c=3, d=4)
        push(subject, 1, number)
        push(subject, 2, number)
        assert trees(push(subject, 3, number), 3, "prune") == set()


def test_s3_one_entry_of_a_second_shapes_the_tree() -> None:
    """Where all do, who prunes on the evidence of different ones may cut itself off."""
    subject = parented()
    same_second = Entry("k", 2_999, b"1", None, 2, WRITER)
    for link, peer in ((3, "c"), (4, "d")):
        effects = subject.receive(link, sync(peer, same_second, hops=3))
        assert trees(effects, link, "prune") == set()
    assert trees(push(subject, 3, 2), 3, "prune") == {tree_of(WRITER)}


def test_s3_what_a_repair_brought_first_prunes_nobody() -> None:
    subject = member_of_crowd()
    push(subject, 1, 1)
    push(subject, 2, 1)
    push(subject, 1, 2)
    fields = {"root": root(3)}
    subject.receive(4, exchange("d", "push", entries=[sync("d", entry(3))["data"][0]], **fields))
    assert subject.value("k3") == b"1"
    for link in (1, 2, 3):
        assert trees(push(subject, link, 3), link, "prune") == set()


def test_s3_another_version_of_a_key_says_nothing() -> None:
    subject = member_of_crowd()
    push(subject, 1, 1)
    push(subject, 2, 1)
    push(subject, 1, 2)
    newer = Entry("k2", 9_000, b"2", None, 9, WRITER)
    subject.receive(1, sync("a", newer, hops=3))
    assert trees(push(subject, 3, 2), 3, "prune") == set()


def test_s3_another_update_of_the_same_version_says_nothing() -> None:
    subject = member_of_crowd()
    push(subject, 1, 1)
    push(subject, 1, 2)
    push(subject, 2, 2)
    tied = Entry("k2", 2_000, b"0", None, 2, WRITER)
    assert trees(subject.receive(3, sync("c", tied, hops=3)), 3, "prune") == set()


def test_s3_what_names_no_origin_has_no_tree() -> None:
    subject = member_of_crowd()
    for number in (1, 2, 3):
        for link in (1, 2, 3):
            effects = subject.receive(link, sync("abc"[link - 1], Entry("k", number, b"1"), hops=3))
            assert trees(effects, link, "prune") == set()


def test_s3_what_we_wrote_ourselves_nobody_need_push() -> None:
    subject = member_of_crowd()
    subject.write("k", b"1")
    mine = subject.node.get("k")
    assert mine is not None
    assert trees(subject.receive(1, sync("a", mine, hops=3)), 1, "prune") == {tree_of(ME)}


@pytest.mark.parametrize("join", [True, False])
def test_s3_only_extended_peers_are_told(join: bool) -> None:
    subject = parented()
    if join:
        subject.plain(5, "e")
    else:
        subject.accept(5)
    assert "prune" not in kinds(push(subject, 5, 2))


def test_s3_nobody_prunes_in_a_mesh() -> None:
    subject = Subject()
    for link, peer in enumerate("abcd", 1):
        subject.joined(link, peer)
    effects = push(subject, 1, 1) + push(subject, 1, 2)
    for link in (2, 3, 4):
        effects += push(subject, link, 2)
        assert trees(effects, link, "prune") == set()


def test_s3_nor_is_pruned_in_a_mesh() -> None:
    subject = Subject()
    subject.joined(1, "a")
    tell(subject, 1, "prune", ME)
    assert pushed(subject.write("k", b"1"), 1) == ["k"]


# Pushing


def test_s3_who_pruned_is_pushed_nothing_of_that_origin() -> None:
    subject = member_of_crowd()
    tell(subject, 3, "prune", WRITER)
    effects = push(subject, 1, 1) + subject.wait(0.1)
    assert [pushed(effects, link) for link in (1, 2, 3, 4)] == [[], ["k1"], [], ["k1"]]
    effects = push(subject, 1, 2, origin="v") + subject.wait(0.1)
    assert pushed(effects, 3) == ["k2"]


def test_s3_what_a_repair_brings_is_pushed_on_all_links() -> None:
    """Its tree has another root, whose branches may be cut."""
    subject = member_of_crowd()
    for link in (2, 3, 4):
        tell(subject, link, "prune", WRITER)
    found = exchange("a", "push", entries=[sync("a", entry(1))["data"][0]], root=root(3))
    effects = subject.receive(1, found) + subject.wait(0.1)
    assert [pushed(effects, link) for link in (2, 3, 4)] == [["k1"]] * 3


def test_s3_nor_what_we_write_where_it_pruned_us() -> None:
    subject = member_of_crowd()
    tell(subject, 3, "prune", ME)
    effects = subject.write("k", b"1") + subject.wait(0.1)
    assert [pushed(effects, link) for link in (1, 2, 3, 4)] == [["k"], ["k"], [], ["k"]]


def test_s3_a_graft_ends_it() -> None:
    subject = member_of_crowd()
    tell(subject, 3, "prune", WRITER, "v")
    tell(subject, 3, "graft", WRITER, "unknown")
    assert pushed(push(subject, 1, 1) + subject.wait(0.1), 3) == ["k1"]
    assert pushed(push(subject, 1, 2, origin="v") + subject.wait(0.1), 3) == []


def test_s3_and_so_does_time() -> None:
    subject = member_of_crowd()
    tell(subject, 3, "prune", WRITER)
    subject.hear(30, a=1, b=2, c=3, d=4)
    assert pushed(push(subject, 1, 1) + subject.wait(0.1), 3) == ["k1"]


def test_s3_a_new_link_is_of_all_trees() -> None:
    subject = member_of_crowd()
    tell(subject, 3, "prune", WRITER)
    subject.lose(3, 1000)
    subject.joined(5, "c")
    assert pushed(push(subject, 1, 1) + subject.wait(0.1), 5) == ["k1"]


# Mending


@pytest.mark.parametrize("seed", range(5))
def test_s3_whose_parent_is_gone_has_another_one(seed: int) -> None:
    subject = member_of_crowd(seed=seed)
    for number in (1, 2):
        push(subject, 1, number)
        push(subject, 2, number)
    subject.handle(LinkBlocked(LinkId(4)))
    effects = subject.lose(1)
    asked = [link for link in (2, 3, 4) if trees(effects, link, "graft") == {tree_of(WRITER)}]
    assert asked == [3]


def test_s3_who_was_no_parent_is_not_missed() -> None:
    subject = parented()
    effects = subject.lose(3)
    assert not any(trees(effects, link, "graft") for link in (1, 2, 4))


def test_s3_nor_is_the_parent_of_an_origin_that_seldom_writes() -> None:
    subject = member_of_crowd()
    push(subject, 1, 1)
    effects = subject.lose(1)
    assert not any(trees(effects, link, "graft") for link in (2, 3, 4))


def test_s3_nor_of_one_that_wrote_long_ago() -> None:
    subject = parented()
    subject.hear(60, a=1, b=2, c=3, d=4)
    effects = subject.lose(1)
    assert not any(trees(effects, link, "graft") for link in (2, 3, 4))


def test_s3_what_a_link_sent_before_it_closed_makes_it_no_parent() -> None:
    subject = parented()
    entries = [entry(number) for number in range(10, 1_500)]
    subject.step(FrameReceived(LinkId(3), msgspec.json.encode(sync("c", *entries, hops=3))))
    subject.lose(3)
    assert subject.value("k1499") == b"1"
    push(subject, 1, 2_000)
    push(subject, 2, 2_000)
    assert trees(push(subject, 4, 2_000), 4, "prune") == {tree_of(WRITER)}


# Bounds


def test_s3_trees_are_bounded_and_the_oldest_is_forgotten() -> None:
    subject = member_of_crowd(limits=Limits(trees=2))
    tell(subject, 3, "prune", "u", "v")
    tell(subject, 3, "prune", "u")
    tell(subject, 3, "prune", WRITER)
    left = []
    for number, origin in enumerate(("u", "v", WRITER), 100):
        effects = push(subject, 1, number, origin=origin) + subject.wait(0.1)
        left += [origin] if pushed(effects, 3) == [] else []
    assert left == ["u", WRITER]


def test_s3_all_links_together_are_bounded() -> None:
    subject = member_of_crowd(limits=Limits(prunes=3))
    tell(subject, 2, "prune", "u", "v")
    tell(subject, 3, "prune", "u", WRITER)
    assert subject.refused["prunes"] == 1
    tell(subject, 2, "prune", "u")
    assert subject.refused["prunes"] == 1
    assert pushed(push(subject, 1, 1) + subject.wait(0.1), 3) == ["k1"]


def test_s3_places_in_trees_are_bounded_as_well() -> None:
    subject = member_of_crowd(limits=Limits(trees=2))
    for number, origin in enumerate(("u", "v", "u", WRITER, "v", "u"), 1):
        push(subject, 1, number, origin=origin)
        push(subject, 2, number, origin=origin)
    # Of `u`, which was the oldest, it knows no more than this one entry.
    assert trees(push(subject, 3, 6, origin="u"), 3, "prune") == set()


@pytest.mark.parametrize("packed", [None, 1, "", "AAAA", "*", pack(range(501), ELEMENT)])
@pytest.mark.parametrize("x", ["prune", "graft"])
def test_s3_what_is_no_list_of_trees_is_refused(x: str, packed: object) -> None:
    subject = member_of_crowd()
    subject.receive(3, exchange("c", x, trees=packed))
    assert subject.refused["data"] == (packed != "")


def test_r6_who_has_not_joined_prunes_nothing() -> None:
    subject = crowd()
    subject.accept(5)
    tell(subject, 5, "prune", WRITER)
    assert subject.refused["not-joined"] == 1


# What repairs bring


def repaired(count: int) -> dict[str, Any]:
    """So many entries that a session brings."""
    entries = [sync("a", entry(number))["data"][0] for number in range(1, count + 1)]
    return exchange("a", "push", entries=entries, root=root(count))


def test_s2_few_repaired_entries_are_pushed_on() -> None:
    subject = member_of_crowd()
    effects = subject.receive(1, repaired(50)) + subject.wait(0.1)
    assert [len(pushed(effects, link)) for link in (1, 2, 3, 4)] == [0, 50, 50, 50]


def test_s2_of_many_the_others_are_told_that_they_are_to_be_had() -> None:
    subject = member_of_crowd()
    effects = subject.receive(1, repaired(51)) + subject.wait(1.0)
    assert subject.value("k51") == b"1"
    for link in (2, 3, 4):
        assert pushed(effects, link) == []
        roots = [
            f["data"]["root"]["n"] for f in sent(effects, link) if f["data"].get("x") == "root"
        ]
        assert roots[-1] == 51
    assert "root" not in kinds(subject.wait(1.0))


def test_s2_in_a_mesh_all_are_pushed_on() -> None:
    subject = Subject()
    for link, peer in enumerate("abcd", 1):
        subject.joined(link, peer)
    effects = subject.receive(1, repaired(51)) + subject.wait(0.1)
    assert [len(pushed(effects, link)) for link in (2, 3, 4)] == [51, 51, 51]
