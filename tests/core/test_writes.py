"""Local writes: versions, and the way to durability (E2, E7, R5)."""

from typing import Any

import pytest

from gossip.core.conditions import Absent, AtVersion, Condition, OneOf, Present
from gossip.core.config import Limits
from gossip.core.effects import Commit
from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.events import Started
from tests.support.core import ME, Subject, commits, pushed, replies, sent
from tests.support.frames import WALL, sync


def mesh(size: int = 2, **changes: Any) -> Subject:
    """A node linked to extended peers n1, n2 … on links 1, 2 …"""
    subject = Subject(**changes)
    for number in range(1, size + 1):
        subject.joined(number, f"n{number}")
    subject.wait(0.1)
    return subject


def entry(key: str = "k", version: int = 1, value: bytes | None = b"1") -> Entry:
    return Entry(key, version, value)


def hops(effects: Any, link: int) -> list[object]:
    """The `hops` of each array on this link; "fresh" where the sender did not say."""
    arrays = [frame for frame in sent(effects, link) if isinstance(frame["data"], list)]
    return [frame.get("hops", "fresh") for frame in arrays]


# Versions


def test_e2_a_write_takes_the_time() -> None:
    subject = Subject()
    assert [each.version for each in commits(subject.begin("k", b"1")[1])] == [WALL]
    [written] = commits(subject.begin("l", None)[1])
    assert (written.deleted, written.timestamp, written.origin) == (True, WALL, ME)


def test_e2_a_write_is_two_above_what_is_stored_or_pending() -> None:
    subject = Subject()
    subject.hold(entry("stored", WALL + 500))
    for key, versions in (("stored", (502, 504)), ("other", (0, 2))):
        for version in versions:
            [written] = commits(subject.begin(key, b"2")[1])
            assert written.version == WALL + version


def test_e2_time_that_steps_back_makes_no_smaller_version() -> None:
    subject = Subject()
    subject.write("k", b"1")
    subject.skew = -10_000
    [commit] = [effect for effect in subject.begin("l", b"1")[1] if isinstance(effect, Commit)]
    assert commit.entry.version == WALL
    assert commit.clock_floor == WALL - 10_000


def test_e2_the_floor_of_an_earlier_life_holds() -> None:
    subject = Subject(started=False)
    subject.handle(Started(incarnation=WALL, clock_floor=WALL + 7_000))
    assert [each.version for each in commits(subject.begin("k", b"1")[1])] == [WALL + 7_000]


def test_e2_no_received_version_raises_the_clock() -> None:
    subject = mesh()
    subject.receive(1, sync("n1", entry("poisoned", WALL + 80_000_000)))
    assert subject.node.get("poisoned") is not None
    [written] = commits(subject.begin("k", b"1")[1])
    assert written.version == subject.wall
    [written] = commits(subject.begin("poisoned", b"1")[1])
    assert written.version == WALL + 80_000_002


def test_r5_a_key_without_a_version_left_refuses_writes() -> None:
    subject = Subject()
    subject.hold(entry(version=MAX_VERSION - 1))
    _, effects = subject.begin("k", b"2")
    assert [reply.refused for reply in replies(effects)] == ["exhausted"]
    assert commits(effects) == []
    assert commits(subject.begin("l", b"2")[1])


# Commit, then merge, spread and acknowledge


def test_e7_a_pending_write_is_in_no_read_and_nothing_spreads() -> None:
    subject = mesh()
    request, effects = subject.begin("k", b"1")
    assert sent(effects) + replies(effects) == []
    assert subject.node.get("k") is None
    assert list(subject.node.entries()) == []
    assert subject.node.overview(subject.now).version == 0
    assert pushed(subject.wait(5.0)) == []
    effects = subject.commit(request)
    assert [(reply.request, reply.entry) for reply in replies(effects)] == [
        (request, subject.node.get("k"))
    ]
    assert pushed(effects, 1) == pushed(effects, 2) == ["k"]
    assert subject.value("k") == b"1"


def test_e7_writes_are_acknowledged_in_the_order_of_their_commits() -> None:
    subject = mesh()
    first, _ = subject.begin("k", b"1")
    second, _ = subject.begin("k", b"2")
    third, _ = subject.begin("l", b"3")
    effects = subject.commit(first, second)
    assert [reply.request for reply in replies(effects)] == [first, second]
    assert subject.value("k") == b"2"
    assert subject.value("l") is None
    assert [reply.request for reply in replies(subject.commit(third))] == [third]
    assert replies(subject.commit(third)) == []


def test_e7_a_failed_commit_leaves_no_trace() -> None:
    subject = mesh()
    lost, _ = subject.begin("k", b"1")
    kept, _ = subject.begin("k", b"2")
    effects = subject.fail(lost)
    assert [(reply.request, reply.refused) for reply in replies(effects)] == [(lost, "journal")]
    assert sent(effects) == []
    assert subject.node.get("k") is None
    subject.commit(kept)
    assert subject.value("k") == b"2"


def test_e7_a_write_that_was_overtaken_is_acknowledged_all_the_same() -> None:
    subject = mesh()
    request, _ = subject.begin("k", b"1")
    subject.receive(1, sync("n1", entry(version=WALL + 5_000, value=b"2")))
    effects = subject.commit(request)
    assert [reply.refused for reply in replies(effects)] == [None]
    assert pushed(effects) == []
    assert subject.value("k") == b"2"


def test_pending_writes_have_a_bound() -> None:
    subject = Subject(limits=Limits(pending_writes=2))
    first, _ = subject.begin("a", b"1")
    subject.begin("b", b"1")
    assert [reply.refused for reply in replies(subject.begin("c", b"1")[1])] == ["overloaded"]
    subject.commit(first)
    assert commits(subject.begin("c", b"1")[1])


def test_e4_a_write_that_peers_would_set_aside_is_refused() -> None:
    subject = Subject(max_clock_skew=60.0)
    subject.joined(1, "a")
    subject.receive(1, sync("a", Entry("k", WALL + 60_000, b"1")))
    _, effects = subject.begin("k", b"2")
    assert [reply.refused for reply in replies(effects)] == ["clock"]
    subject.wait(1.0)
    assert subject.value("k") == b"1"
    subject.write("k", b"2")
    assert subject.value("k") == b"2"


# Conditions


@pytest.mark.parametrize(
    ("only_if", "held", "taken"),
    [
        (AtVersion(5), entry(version=5), True),
        (AtVersion(5), entry(version=5, value=None), True),
        (AtVersion(5), entry(version=6), False),
        (AtVersion(5), None, False),
        (Absent(), None, True),
        (Absent(), entry(value=None), True),
        (Absent(), entry(), False),
        (Present(), entry(), True),
        (Present(), entry(value=None), False),
        (Present(), None, False),
        (OneOf(frozenset({"0-x", entry(version=5).tag})), entry(version=5), True),
        (OneOf(frozenset({entry(version=5).tag})), entry(version=5, value=b"2"), False),
        (OneOf(frozenset({entry(version=5).tag})), None, False),
        (OneOf(frozenset({entry(version=5, value=None).tag})), entry(version=5, value=None), False),
        (OneOf(frozenset()), entry(), False),
    ],
)
def test_a_write_may_depend_on_what_is_stored(
    only_if: Condition, held: Entry | None, taken: bool
) -> None:
    subject = Subject()
    if held is not None:
        subject.hold(held)
    _, effects = subject.begin("k", b"2", only_if)
    assert bool(commits(effects)) is taken
    assert [reply.refused for reply in replies(effects)] == ([] if taken else ["condition"])
    assert subject.node.stats.writes_refused == (not taken)


def test_e7_a_write_under_way_counts_for_what_depends_on_it() -> None:
    subject = Subject()
    subject.hold(entry(version=5))
    first, _ = subject.begin("k", b"2", AtVersion(5))
    _, effects = subject.begin("k", b"3", AtVersion(5))
    assert [reply.refused for reply in replies(effects)] == ["condition"]
    subject.fail(first)
    _, effects = subject.begin("k", b"4", AtVersion(5))
    assert commits(effects)


def test_what_came_from_a_peer_counts_though_a_lesser_write_is_under_way() -> None:
    subject = mesh(1)
    [pending] = commits(subject.begin("k", b"2")[1])
    greater = pending.version + 50
    subject.receive(1, sync("n1", entry("k", greater)))
    assert not commits(subject.begin("k", b"4", AtVersion(pending.version))[1])
    assert commits(subject.begin("k", b"4", AtVersion(greater))[1])
