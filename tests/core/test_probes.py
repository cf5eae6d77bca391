"""Asking members whether they are there (M4, M2)."""

from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.context import CloseCode
from gossip.core.decoding import decode
from gossip.core.effects import Dial, Effect, NoticeKind
from gossip.core.events import DialFailed, IncarnationKept, LinkBlocked, LinkId
from gossip.core.probes import ANSWER_TIMER, PERIOD_TIMER
from tests.support.core import Subject, dials, kinds, notices, sent
from tests.support.frames import WALL, endpoint, exchange, heartbeat, join, plain_join
from tests.support.news import news

SUSPECTED = NoticeKind.PEER_SUSPECTED
ENOUGH = CloseCode.ENOUGH


def asking(*names: str, **changes: Any) -> Subject:
    """A node with these peers on links 1, 2, …"""
    subject = Subject(**{"probe_interval": 1.0, "heartbeat_interval": 1e5} | changes)
    for link, name in enumerate(names, 1):
        subject.joined(link, name)
    return subject


def idle(*names: str) -> Subject:
    """The same, but it asks nobody by itself."""
    subject = asking(*names)
    del subject.timers[PERIOD_TIMER]
    # They are named to each other meanwhile.
    subject.wait(0.05)
    return subject


def until(subject: Subject, kind: str, link: int, within: float = 30.0) -> dict[str, Any]:
    """Let time pass until such a frame goes out on a link; return what it says."""
    end = subject.monotonic + within
    while subject.monotonic < end:
        for frame in sent(subject.wait(0.01), link):
            if isinstance(frame["data"], dict) and frame["data"].get("x") == kind:
                data: dict[str, Any] = frame["data"]
                return data
    raise AssertionError(f"no {kind} within {within} s")


def spoken(subject: Subject, seconds: float, **links: int) -> list[Effect]:
    """Let time pass in which these peers say something every tenth of a second."""
    effects: list[Effect] = []
    for _ in range(round(seconds * 10)):
        for peer, link in links.items():
            effects += subject.receive(link, heartbeat(peer, timestamp=subject.wall))
        effects += subject.wait(0.1)
    return effects


def doubt(subject: Subject) -> int:
    return subject.node.overview(subject.now).self_doubt


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


# Helpers


def unable(subject: Subject, asked: dict[int, int]) -> list[Effect]:
    """These helpers say that they cannot ask the member, by the number of the probe."""
    return [
        effect
        for link, seq in asked.items()
        for effect in subject.receive(
            link, exchange("abcde"[link - 1], "nack", seq=seq, asked=False)
        )
    ]


def asking_to_help(effects: list[Effect], others: dict[str, int]) -> dict[int, int]:
    """By link, the number of a probe that others are asked to help with."""
    return {
        link: frame["data"]["seq"]
        for link in others.values()
        for frame in sent(effects, link)
        if isinstance(frame["data"], dict) and frame["data"].get("x") == "ping-req"
    }


def helped(**changes: Any) -> tuple[Subject, int, dict[int, int]]:
    """Its probe of `a` waits for helpers: the number of each probe by the link of its helper."""
    names = "abcde"
    subject = asking(*names, **changes)
    others = {name: link for link, name in enumerate(names, 1) if name != "a"}
    for _ in range(400):
        effects = spoken(subject, 0.1, **others)
        if asked := asking_to_help(effects, others):
            return subject, 1, asked
    raise AssertionError("nobody was asked to help")


def test_m4_three_helpers_are_asked_to_ask() -> None:
    _, _, asked = helped()
    assert len(asked) == 3


def test_m4_an_ack_of_one_helper_is_enough() -> None:
    subject, _, asked = helped()
    link, seq = next(iter(asked.items()))
    subject.receive(link, exchange("abcde"[link - 1], "ack", seq=seq))
    subject.wait(0.6)
    assert subject.statuses()["a"] == "active"


def test_m4_nacks_are_no_answer() -> None:
    subject, _, asked = helped()
    for link, seq in asked.items():
        subject.receive(link, exchange("abcde"[link - 1], "nack", seq=seq))
    effects = subject.wait(0.6)
    assert (SUSPECTED, "a") in notices(effects)
    # All helpers hear us: the fault is not ours.
    assert doubt(subject) == 0


def test_m4_who_hears_nothing_from_its_helpers_either_doubts_itself() -> None:
    subject, _, _ = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    # They may be deaf as well: it takes a period more.
    assert notices(spoken(subject, 0.6, **others)) == []
    effects = spoken(subject, 1.0, **others)
    assert (SUSPECTED, "a") in notices(effects)
    assert doubt(subject) >= 2


def test_m4_an_ack_of_somebody_who_was_not_asked_is_no_answer() -> None:
    subject, _, asked = helped()
    [bystander] = {2, 3, 4, 5} - set(asked)
    seq = next(iter(asked.values()))
    subject.receive(bystander, exchange("abcde"[bystander - 1], "ack", seq=seq))
    assert (SUSPECTED, "a") in notices(subject.wait(2.0))


def test_m4_a_member_that_no_helper_could_ask_is_dialed_anew() -> None:
    subject, _, asked = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    # At once, since there is nobody to wait for.
    assert dials(unable(subject, asked)) == [endpoint("a")]
    # It was the old link that was stuck.
    subject.reach(9, endpoint("a"))
    subject.receive(9, join("a"))
    assert notices(spoken(subject, 3.0, **others)) == []
    assert subject.statuses()["a"] == "active"


@pytest.mark.parametrize("closed", [1, 9])
def test_m4_what_came_on_the_new_link_counts_whichever_link_is_closed_then(closed: int) -> None:
    subject, _, asked = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    unable(subject, asked)
    subject.reach(9, endpoint("a"))
    subject.wait(0.01)
    subject.receive(9, join("a"))
    effects = subject.lose(closed, CloseCode.DUPLICATE)
    assert notices(effects + spoken(subject, 1.5, **others)) == []
    assert subject.node.overview(subject.now).reasons == ()


def test_m4_a_member_is_dialed_anew_once_in_ten_seconds() -> None:
    """Its address is its own claim: it must not make us knock at somebody else's door."""
    subject, _, asked = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    began, dialed, helps = subject.monotonic, dials(unable(subject, asked)), 0
    assert len(dialed) == 1
    while len(dialed) < 2:
        # It answers nobody, and speaks when it is too late for that.
        effects = spoken(subject, 0.1, **others)
        if asked := asking_to_help(effects, others):
            helps += 1
            dialed += dials(unable(subject, asked))
            subject.receive(1, heartbeat("a", timestamp=subject.wall))
    assert subject.monotonic - began > 10
    assert helps > 3


@pytest.mark.parametrize(("loopback", "allowed"), [(False, False), (True, True)])
def test_l4_a_new_dial_may_go_where_others_of_this_member_may(
    loopback: bool, allowed: bool
) -> None:
    subject, _, asked = helped()
    member = subject.node._context.members.get("a")
    assert member is not None
    member.loopback = loopback
    [dial] = [effect for effect in unable(subject, asked) if isinstance(effect, Dial)]
    assert dial.loopback_allowed is allowed


def test_m4_nobody_is_dialed_anew_at_an_address_of_ours() -> None:
    subject, _, asked = helped()
    subject.node._contacts.plan.own(endpoint("a"), subject.monotonic)
    assert dials(unable(subject, asked)) == []


def test_m4_nobody_is_dialed_anew_who_is_dialed_already() -> None:
    subject, _, asked = helped(bootstrap=(endpoint("a"),))
    assert subject.node._contacts.plan.get(endpoint("a")) is not None
    assert dials(unable(subject, asked)) == []


def test_m4_a_new_dial_that_fails_accuses_nobody() -> None:
    subject, _, asked = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    unable(subject, asked)
    subject.receive(1, heartbeat("a", timestamp=subject.wall))
    spoken(subject, 3.0, a=1, **others)
    subject.lose(1)
    assert dials(subject.wait(0.1)) == [endpoint("a")]
    # The one from before: the redial is still under way.
    assert notices(subject.handle(DialFailed(endpoint("a"), refused=False))) == []
    assert (SUSPECTED, "a") in notices(subject.handle(DialFailed(endpoint("a"), refused=False)))


def test_m4_who_is_dialed_anew_is_asked_once_more_and_has_three_times_as_long() -> None:
    subject, _, asked = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    effects = unable(subject, asked)
    assert kinds(effects, 1) == ["ping"]
    # Helpers that say it twice change nothing.
    assert unable(subject, asked) == []
    assert notices(spoken(subject, 1.3, **others)) == []
    assert (SUSPECTED, "a") in notices(spoken(subject, 0.3, **others))


def test_m4_a_member_whose_new_link_fails_too_is_suspected_and_not_dialed_on() -> None:
    subject, _, asked = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    unable(subject, asked)
    effects = subject.handle(DialFailed(endpoint("a"), refused=False))
    effects += spoken(subject, 20.0, **others)
    assert (SUSPECTED, "a") in notices(effects)
    assert dials(effects) == []


def test_m4_a_member_that_a_helper_asked_in_vain_is_not_dialed_anew() -> None:
    subject, _, asked = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    for link, seq in asked.items():
        subject.receive(link, exchange("abcde"[link - 1], "nack", seq=seq))
    assert dials(spoken(subject, 3.0, **others)) == []


def test_m4_an_ack_after_a_nack_counts() -> None:
    subject, _, asked = helped()
    link, seq = next(iter(asked.items()))
    subject.receive(link, exchange("abcde"[link - 1], "nack", seq=seq))
    subject.receive(link, exchange("abcde"[link - 1], "ack", seq=seq))
    assert notices(subject.wait(0.6)) == []


def test_m4_a_link_that_goes_is_no_answer() -> None:
    subject = asking("a")
    subject.node._probes.self_doubt = 2
    until(subject, "ping", 1)
    asked = doubt(subject)
    subject.lose(1, ENOUGH)
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


def test_w7_probes_go_over_the_wire_in_fewer_than_sixty_bytes() -> None:
    subject = asking("a")
    effects = subject.receive(1, exchange("a", "ping", seq=2**53 - 1))
    [frame] = [effect.frame for effect in effects if hasattr(effect, "frame")]
    assert len(frame) < 66
    assert decode(frame, Limits()).ttl == 0


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
