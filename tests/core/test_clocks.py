"""What the clocks of others say of ours (E4)."""

import pytest

from gossip.core.clocks import Clocks
from gossip.core.config import Limits
from gossip.core.members import Members, PeerRecord
from tests.support.core import Subject, closed, config, replies, sent
from tests.support.frames import WALL, join

YEAR = 365 * 86_400_000
CONFIG = config(max_clock_skew=300.0, limits=Limits(lost=3))


def clocks(*skews: int | None, strangers: tuple[int, ...] = ()) -> Clocks:
    members = Members(CONFIG)
    made = Clocks(CONFIG, members)
    for number, skew in enumerate(skews):
        node_id = f"m{number}"
        members.joined(PeerRecord(node_id=node_id), 0.0, WALL, loopback=False)
        member = members.get(node_id)
        assert member is not None
        member.skew = skew
    for number, skew in enumerate(strangers):
        made.disagrees(f"s{number}", skew, 0.0)
    return made


@pytest.mark.parametrize(
    ("skews", "median"),
    [([], 0.0), ([None], 0.0), ([2_000], 2.0), ([-9_000, 1_000, 2_000, None], 1.0)],
)
def test_e4_the_median_of_what_clocks_say(skews: list[int | None], median: float) -> None:
    assert clocks(*skews).median(0.0) == median


@pytest.mark.parametrize(
    ("skews", "strangers", "out"),
    [
        ([], (), False),
        ([999_999], (), False),
        ([300_000, -300_000, 300_000], (), False),
        ([300_001, -300_001, 0], (), True),
        ([300_001, 0], (), False),
        ([300_001, 300_001, 0, 0], (), False),
        ([300_001, 300_001, None, None, None], (), True),
        ([], (YEAR,), False),
        ([], (YEAR, -YEAR), True),
        ([0], (YEAR, YEAR, YEAR), False),
        ([YEAR], (YEAR,), True),
    ],
)
def test_e4_a_clock_is_off_where_most_others_say_so(
    skews: list[int | None], strangers: tuple[int, ...], out: bool
) -> None:
    assert clocks(*skews, strangers=strangers).out_of_step(0.0) == out


def test_e4_what_strangers_say_is_forgotten_in_time_and_bounded() -> None:
    made = clocks(strangers=(YEAR, YEAR))
    assert made.out_of_step(299.0)
    assert not made.out_of_step(300.0)
    for number in range(10):
        made.disagrees(f"later {number}", YEAR, 300.0)
    assert len(made._strangers) == 3


def test_e4_peers_from_our_future_are_told_so_and_make_us_doubt_ourselves() -> None:
    subject = Subject()
    for link, peer in ((1, "a"), (2, "b")):
        subject.accept(link)
        effects = subject.receive(link, join(peer, incarnation=WALL + YEAR))
        assert closed(effects) == {link: 4425}
    [reply] = replies(subject.begin("k", b"1")[1])
    assert reply.refused == "clock"
    assert any(reason.startswith("clock") for reason in subject.node.overview(subject.now).reasons)


def test_e4_who_is_told_by_most_that_it_is_ahead_refuses_writes() -> None:
    subject = Subject()
    for link in (1, 2):
        subject.reach(link, f"ws://peer{link}.example/ws")
        subject.lose(link, 4425)
    [reply] = replies(subject.begin("k", b"1")[1])
    assert reply.refused == "clock"


def test_e4_one_peer_has_one_voice() -> None:
    subject = Subject()
    subject.reach(1, "ws://a.example/ws")
    assert closed(subject.receive(1, join("a", incarnation=WALL + YEAR))) == {1: 4425}
    subject.lose(1, 4425)
    assert len(subject.node._context.clocks._strangers) == 1
    [reply] = replies(subject.write("k", b"1"))
    assert reply.refused is None


def test_e4_who_dials_us_tells_us_nothing_of_our_clock() -> None:
    subject = Subject()
    for link in (1, 2, 3):
        subject.accept(link)
        subject.lose(link, 4425)
    [reply] = replies(subject.write("k", b"1"))
    assert reply.refused is None


def test_e4_who_comes_from_our_future_is_told_of_others_who_say_so() -> None:
    subject = Subject()
    for link, peer in enumerate("abcd", start=1):
        subject.joined(link, peer)
    subject.accept(9)
    [named] = sent(subject.receive(9, join("z", incarnation=WALL + YEAR)), 9)
    assert [peer["id"] for peer in named["data"]["peers"]] == ["a", "b", "c"]
