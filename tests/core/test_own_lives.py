"""Our own life: what others say of us, and when we begin another one (M1, K3)."""

from typing import Any

import pytest

from gossip.core.events import IncarnationKept
from tests.support.core import ME, Subject, kinds, sent
from tests.support.crowd import linked, record
from tests.support.frames import MOVED, WALL, Frame, exchange
from tests.support.news import kept, news

DAY = 86_400_000
"""Milliseconds: the allowed skew."""


def accused(*said: dict[str, Any], also: list[Frame] | None = None) -> Subject:
    """A node that was handed what somebody said of its id, and then told other things."""
    subject = linked("a")
    subject.wait(1.0)
    frames = [exchange("a", "members", peers=[record(ME, **changes)]) for changes in said]
    for frame in frames + (also or []):
        for incarnation in kept(subject.receive(1, frame) + subject.wait(2.0)):
            subject.handle(IncarnationKept(incarnation))
    return subject


def test_k3_who_is_named_in_a_life_that_is_not_its_own_takes_a_later_one() -> None:
    subject = accused({"incarnation": WALL + 500_000, "life": WALL + 400_000})
    assert subject.own().incarnation == subject.own().life == WALL + 500_001
    [beat] = [frame for frame in sent(subject.wait(0.1), 1) if "incarnation" in frame["data"]]
    assert beat["data"]["incarnation"] == WALL + 500_001


def test_k3_a_life_is_taken_beyond_all_that_we_said_and_heard() -> None:
    subject = accused({"incarnation": WALL + 700, "life": WALL + 700})
    first = subject.own().incarnation
    assert first >= WALL + 1_000
    suspicion = news("a", [ME, first + 90_000, "suspect"])
    stale = exchange("a", "members", peers=[record(ME, incarnation=first + 5)])
    subject = accused({"incarnation": WALL + 700, "life": WALL + 700}, also=[suspicion, stale])
    assert subject.own().incarnation == subject.own().life > first + 90_000


def test_k3_two_nodes_of_one_id_begin_lives_less_and_less_often() -> None:
    subject = linked("a")
    lives = [subject.own().life]

    def argue(seconds: int) -> int:
        began = len(lives)
        for _ in range(seconds):
            said = record(ME, incarnation=lives[-1] + 1, gossipEndpoint=MOVED)
            effects = subject.receive(1, exchange("a", "members", peers=[said])) + subject.wait(1.0)
            for incarnation in kept(effects):
                subject.handle(IncarnationKept(incarnation))
            if subject.own().life != lives[-1]:
                lives.append(subject.own().life)
        return len(lives) - began

    assert argue(10) in (3, 4)
    assert argue(600) in range(12, 18)
    # A suspicion is refuted as soon as ever, in the same life.
    suspicion = news("a", [ME, subject.own().incarnation, "suspect"])
    [incarnation] = kept(subject.receive(1, suspicion) + subject.wait(2.0))
    subject.handle(IncarnationKept(incarnation))
    assert (subject.own().incarnation, subject.own().life) == (incarnation, lives[-1])
    for incarnation in kept(subject.hear(60, a=1)):
        subject.handle(IncarnationKept(incarnation))
        lives.append(incarnation)
    subject.hear(400, a=1)
    assert argue(10) in (3, 4), "it was quiet for a while"


def test_k3_who_is_in_our_life_at_another_address_is_another() -> None:
    subject = accused({"gossipEndpoint": MOVED})
    assert subject.own().life > WALL


@pytest.mark.parametrize(
    "said",
    [
        {"gossipEndpoint": f"ws://{ME}.example:3001/ws"},
        {"gossipEndpoint": None},
        {"incarnation": WALL - 5, "gossipEndpoint": MOVED},
    ],
    ids=str,
)
def test_k3_what_we_said_ourselves_is_no_reason(said: dict[str, Any]) -> None:
    ours = linked().config.gossip_endpoint
    if said["gossipEndpoint"] not in (None, MOVED):
        said = {"gossipEndpoint": ours}
    assert accused(said).own().incarnation == WALL


@pytest.mark.parametrize("life", [WALL, WALL - 5], ids=["ours", "an-earlier"])
def test_m1_a_later_incarnation_that_others_hold_of_us_is_gone_beyond(life: int) -> None:
    subject = accused({"incarnation": WALL + 500_000, "life": life, "gossipEndpoint": None})
    assert (subject.own().incarnation, subject.own().life) == (WALL + 500_001, WALL)


@pytest.mark.parametrize(("beyond", "incarnation"), [(0, 1), (1, None)])
def test_m1_what_is_told_of_us_is_gone_beyond_up_to_half_of_the_skew(
    beyond: int, incarnation: int | None
) -> None:
    subject = linked("a")
    most = subject.wall + DAY // 2
    said = record(ME, incarnation=most + beyond, life=WALL, gossipEndpoint=None)
    effects = subject.receive(1, exchange("a", "members", peers=[said]))
    assert kept(effects) == ([] if incarnation is None else [most + incarnation])


def test_k3_a_life_that_nobody_could_go_beyond_is_refused() -> None:
    subject = accused({"incarnation": 2**53 - 1})
    assert subject.own().incarnation == WALL
    assert subject.refused["incarnation"] == 1


def test_m1_a_suspicion_is_refuted_in_the_same_life() -> None:
    subject = accused(also=[news("a", [ME, WALL, "suspect"])])
    assert subject.own().incarnation > WALL
    assert subject.own().life == WALL
    beats = [
        frame["data"] for frame in sent(subject.hear(10, a=1), 1) if "heartbeat" in frame["type"]
    ]
    assert {beat["life"] for beat in beats} == {WALL}


def test_k3_a_plain_peer_hands_us_no_life() -> None:
    subject = Subject()
    subject.plain(1, "p")
    frame = exchange("p", "members", peers=[record(ME, incarnation=WALL + 5, gossipEndpoint=MOVED)])
    assert kept(subject.receive(1, frame) + subject.wait(2.0)) == []
    assert "members" not in kinds(subject.wait(1.0))
