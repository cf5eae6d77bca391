"""Asking members whether they are there (M4, M2)."""

import json

import pytest

from gossip.core.config import Limits
from gossip.core.context import CloseCode
from gossip.core.decoding import decode
from gossip.core.effects import NoticeKind
from gossip.core.events import IncarnationKept, LinkBlocked, LinkId
from gossip.core.probes import ANSWER_TIMER, PERIOD_TIMER
from tests.support.core import Subject, kinds, notices, sent
from tests.support.frames import WALL, exchange, heartbeat, plain_join
from tests.support.news import news
from tests.support.probing import (
    NAMES,
    OTHERS,
    SUSPECTED,
    asked_in_vain,
    asking,
    doubt,
    helped,
    idle,
    spoken,
    until,
)

# Asking


def test_m4_a_silent_member_is_asked_and_any_frame_of_its_own_is_an_answer() -> None:
    subject = asking("a")
    until(subject, "ping", 1)
    subject.receive(1, heartbeat("a"))
    subject.wait(0.6)
    assert subject.statuses() == {"a": "active"}
    until(subject, "ping", 1)


def test_m4_who_does_not_answer_is_suspected_within_three_seconds() -> None:
    subject = asking("a")
    subject.wait(3.0)
    assert subject.statuses() == {"a": "suspected"}
    assert subject.node.stats.probes_failed == 1


def test_m4_those_heard_from_last_are_asked_to_help() -> None:
    """Who fell silent together with a member could neither help nor say so."""
    subject = asking("a", "b", "c", "d", "e", "f")
    effects = spoken(subject, 4, d=4, e=5, f=6)
    helped = {
        link
        for link in range(1, 7)
        for frame in sent(effects, link)
        if isinstance(frame["data"], dict) and frame["data"].get("x") == "ping-req"
    }
    assert helped == {4, 5, 6}


def test_m4_who_was_heard_within_the_period_is_not_asked() -> None:
    subject = asking("a", "b")
    effects = spoken(subject, 5, a=1, b=2)
    assert "ping" not in kinds(effects)


def test_m4_every_silent_member_has_its_turn() -> None:
    subject = asking("a", "b", "c", "d")
    asked = set[int]()
    for _ in range(5):
        effects = subject.wait(1.0)
        asked |= {link for link in (1, 2, 3, 4) if "ping" in kinds(effects, link)}
        for link, name in enumerate("abcd", 1):
            if link in asked:
                subject.receive(link, heartbeat(name, timestamp=subject.wall))
    assert asked == {1, 2, 3, 4}


def test_m4_a_plain_peer_is_not_asked_on_its_link() -> None:
    subject = asking()
    subject.accept(1)
    subject.receive(1, plain_join("plain"))
    assert "ping" not in kinds(subject.wait(5.0))
    assert subject.statuses() == {"plain": "active"}


def test_an_idle_node_wakes_once_a_period() -> None:
    subject = asking("a")
    for _ in range(10):
        asked = until(subject, "ping", 1)
        subject.receive(1, exchange("a", "ack", seq=asked["seq"]))
        moments = [subject.timers[name].at for name in ("tick", PERIOD_TIMER, ANSWER_TIMER)]
        assert moments == pytest.approx([moments[0]] * 3, abs=1e-6)


def test_m4_a_stall_is_one_reason_to_doubt_ourselves() -> None:
    subject = asking("a")
    asked = until(subject, "ping", 1)
    subject.receive(1, exchange("a", "ack", seq=asked["seq"]))
    subject.receive(1, heartbeat("a"))
    subject.monotonic = subject.timers[PERIOD_TIMER].at + 0.4
    subject.wait(0.0)
    assert subject.node.overview(subject.now).self_doubt == 1


def test_m4_a_suspected_member_that_answers_is_active_again() -> None:
    subject = asking("a")
    subject.wait(3.0)
    assert subject.statuses() == {"a": "suspected"}
    asked = until(subject, "ping", 1)
    effects = subject.receive(1, exchange("a", "ack", seq=asked["seq"]))
    assert (NoticeKind.PEER_REFUTED, "a") in notices(effects)
    assert subject.statuses() == {"a": "active"}


def test_m4_who_does_not_read_is_not_asked_and_not_judged() -> None:
    subject = asking("a")
    subject.handle(LinkBlocked(LinkId(1)))
    assert "ping" not in kinds(subject.wait(10.0))
    assert subject.statuses() == {"a": "active"}


def test_m4_helpers_may_know_of_who_does_not_read() -> None:
    subject = asking("a", "b")
    subject.handle(LinkBlocked(LinkId(1)))
    for _ in range(40):
        effects = spoken(subject, 0.1, b=2)
        for frame in sent(effects, 2):
            if frame["data"].get("x") == "ping-req":
                subject.receive(2, exchange("b", "nack", seq=frame["data"]["seq"]))
    assert subject.statuses()["a"] == "suspected"


def test_m4_a_link_that_goes_is_no_answer() -> None:
    subject = asking("a")
    subject.node._probes.self_doubt = 2
    until(subject, "ping", 1)
    asked = doubt(subject)
    subject.lose(1, CloseCode.ENOUGH)
    del subject.timers[PERIOD_TIMER]
    subject.wait(5.0)
    assert doubt(subject) == asked
    assert subject.node.stats.probes_failed == 0


@pytest.mark.parametrize("seq", [None, 0, -1, 1.5, "1", True, 2**60])
@pytest.mark.parametrize("x", ["ping", "ack", "nack", "ping-req"])
def test_r5_numbers_of_probes_are_checked(x: str, seq: object) -> None:
    subject = asking("a")
    subject.receive(1, exchange("a", x, seq=seq, target="b"))
    assert subject.refused["data"] == 1


def test_w2_probes_go_over_the_wire_without_an_envelope() -> None:
    subject = asking("a")
    effects = subject.receive(1, exchange("a", "ping", seq=2**53 - 1))
    [frame] = [effect.frame for effect in effects if hasattr(effect, "frame")]
    assert json.loads(frame).keys() == {"type", "data", "ttl"}
    assert decode(frame, Limits()).ttl == 0


# Helpers


def test_m4_three_helpers_are_asked_to_ask() -> None:
    _, asked = helped()
    assert len(asked) == 3


def test_m4_an_ack_of_one_helper_is_enough() -> None:
    subject, asked = helped()
    link, seq = next(iter(asked.items()))
    subject.receive(link, exchange(NAMES[link - 1], "ack", seq=seq))
    subject.wait(0.6)
    assert subject.statuses()["a"] == "active"


def test_m4_nacks_are_no_answer() -> None:
    subject, asked = helped()
    asked_in_vain(subject, asked)
    effects = subject.wait(0.6)
    assert (SUSPECTED, "a") in notices(effects)
    # All helpers hear us: the fault is not ours.
    assert doubt(subject) == 0


def test_m4_who_hears_nothing_from_its_helpers_either_doubts_itself() -> None:
    subject, _ = helped()
    # They may be deaf as well: it takes a period more.
    assert notices(spoken(subject, 0.6, **OTHERS)) == []
    effects = spoken(subject, 1.0, **OTHERS)
    assert (SUSPECTED, "a") in notices(effects)
    assert doubt(subject) >= 2


def test_m4_an_ack_of_somebody_who_was_not_asked_is_no_answer() -> None:
    subject, asked = helped()
    [bystander] = {2, 3, 4, 5} - set(asked)
    seq = next(iter(asked.values()))
    subject.receive(bystander, exchange(NAMES[bystander - 1], "ack", seq=seq))
    assert (SUSPECTED, "a") in notices(subject.wait(2.0))


def test_m4_an_ack_after_a_nack_counts() -> None:
    subject, asked = helped()
    link, seq = next(iter(asked.items()))
    subject.receive(link, exchange(NAMES[link - 1], "nack", seq=seq))
    subject.receive(link, exchange(NAMES[link - 1], "ack", seq=seq))
    assert notices(subject.wait(0.6)) == []


# Hearsay


def test_m2_who_hears_that_a_linked_member_is_suspected_asks_it_itself() -> None:
    subject = idle("a", "b")
    effects = subject.receive(1, news("a", ["b", WALL, "suspect"]))
    assert "ping" in kinds(effects, 2)
    assert subject.statuses()["b"] == "active"
    effects = subject.wait(1.1)
    assert (SUSPECTED, "b") in notices(effects)


def test_m2_a_member_that_answers_is_not_suspected_on_hearsay() -> None:
    subject = idle("a", "b")
    effects = subject.receive(1, news("a", ["b", WALL, "suspect"]))
    [ping] = [f for f in sent(effects, 2) if f["data"].get("x") == "ping"]
    subject.wait(0.1)
    subject.receive(2, exchange("b", "ack", seq=ping["data"]["seq"]))
    subject.wait(1.0)
    assert subject.statuses()["b"] == "active"


def test_m2_a_liar_makes_us_ask_once_at_a_time() -> None:
    subject = idle("a", "b")
    effects = [
        effect
        for _ in range(50)
        for effect in subject.receive(1, news("a", ["b", WALL, "suspect"]))
    ]
    assert kinds(effects, 2).count("ping") == 1


# How long answers take


def answer_after(subject: Subject, seconds: float) -> None:
    """Let whoever is asked next answer after so long."""
    names = {1: "a", 2: "b"}
    for _ in range(300):
        effects = subject.wait(0.01)
        for link, name in names.items():
            for frame in sent(effects, link):
                if isinstance(frame["data"], dict) and frame["data"].get("x") == "ping":
                    subject.wait(seconds)
                    subject.receive(link, exchange(name, "ack", seq=frame["data"]["seq"]))
                    return
    raise AssertionError("nobody was asked")


def timeout(subject: Subject) -> float:
    return subject.node.overview(subject.now).answer_timeout


def test_m4_answers_have_longer_in_a_crowd_where_they_take_longer() -> None:
    subject = asking("a", "b", mesh=1)
    assert timeout(subject) == 0.5
    for _ in range(4):
        answer_after(subject, 0.7)
    assert timeout(subject) > 0.7
    for _ in range(40):
        answer_after(subject, 0.1)
    assert timeout(subject) == 0.5


def test_m4_answers_have_no_longer_where_all_link_to_all() -> None:
    subject = asking("a", "b")
    for _ in range(4):
        answer_after(subject, 0.7)
    assert timeout(subject) == 0.5


def test_m4_answers_that_lay_unread_here_took_no_longer() -> None:
    subject = asking("a", "b", mesh=1)
    for _ in range(4):
        asked = until(subject, "ping", 1)
        # We stood still, and the answer is read before the timers that came late.
        subject.monotonic += 0.9
        subject.receive(1, exchange("a", "ack", seq=asked["seq"]))
        spoken(subject, 1.0, a=1, b=2)
    assert timeout(subject) == 0.5 * (doubt(subject) + 1)


def test_m4_answers_of_the_accused_teach_nothing() -> None:
    subject = asking("a", "b", mesh=1)
    for number in range(6):
        name, link = "ab"[number % 2], number % 2 + 1
        spoken(subject, 2.0, a=1, b=2)
        effects = subject.receive(3 - link, news("ba"[number % 2], [name, WALL, "suspect"]))
        [ping] = [f for f in sent(effects, link) if f["data"].get("x") == "ping"]
        spoken(subject, 0.8, a=1, b=2)
        subject.receive(link, exchange(name, "ack", seq=ping["data"]["seq"]))
    assert (timeout(subject), doubt(subject)) == (0.5, 0)


def test_m4_late_answers_count_though_another_frame_came_before_them() -> None:
    subject = asking("a", "b", mesh=1)
    for name, link in (("a", 1), ("b", 2)):
        asked = until(subject, "ping", link)
        subject.wait(0.3)
        subject.receive(link, heartbeat(name, timestamp=subject.wall))
        subject.wait(0.49)
        subject.receive(link, exchange(name, "ack", seq=asked["seq"]))
    assert timeout(subject) > 0.7


# Our own health


def test_m4_who_was_stopped_asks_again_before_it_accuses() -> None:
    subject = asking("a", "b")
    until(subject, "ping", 1)
    subject.monotonic += 20.0
    effects = subject.wait(0.0)
    assert notices(effects) == []
    for name, link in (("a", 1), ("b", 2)):
        subject.receive(link, heartbeat(name, timestamp=subject.wall))
    assert (SUSPECTED, "a") not in notices(subject.wait(0.4))
    assert doubt(subject) >= 1


def test_m4_late_timers_slow_the_asking_down() -> None:
    subject = asking("a")
    for _ in range(3):
        subject.monotonic += 5.0
        subject.receive(1, heartbeat("a", timestamp=subject.wall))
        subject.wait(0.0)
    assert doubt(subject) > 1
    subject.receive(1, heartbeat("a", timestamp=subject.wall))
    assert "ping" not in kinds(subject.wait(1.5))


def test_m4_a_suspicion_of_ourselves_makes_us_doubt() -> None:
    subject = asking("a")
    subject.receive(1, news("a", ["0xme", WALL, "suspect"]))
    subject.handle(IncarnationKept(WALL + 1))
    assert doubt(subject) == 1


def test_m4_a_liar_cannot_make_us_doubt_much() -> None:
    subject = asking("a")
    for number in range(20):
        accused = WALL + 2 * number
        subject.receive(1, news("a", ["0xme", accused, "suspect"]))
        subject.handle(IncarnationKept(accused + 1))
    assert doubt(subject) == 2


def test_m4_answers_of_the_accused_say_nothing_of_ourselves() -> None:
    subject = idle("a", "b")
    subject.receive(1, news("a", ["0xme", WALL, "suspect"]))
    subject.handle(IncarnationKept(WALL + 1))
    subject.receive(1, news("a", ["b", WALL, "suspect"]))
    subject.wait(0.1)
    subject.receive(2, heartbeat("b"))
    subject.wait(3.0)
    assert doubt(subject) == 1


def test_m4_answers_and_quiet_periods_restore_the_trust_in_ourselves() -> None:
    subject = asking("a")
    subject.receive(1, news("a", ["0xme", WALL, "suspect"]))
    subject.handle(IncarnationKept(WALL + 1))
    spoken(subject, 5, a=1)
    assert doubt(subject) == 0


def test_m4_the_doubt_in_ourselves_is_bounded() -> None:
    subject = asking("a")
    for _ in range(30):
        subject.monotonic += 30.0
        subject.receive(1, heartbeat("a", timestamp=subject.wall))
        subject.wait(0.0)
    assert doubt(subject) == 8
