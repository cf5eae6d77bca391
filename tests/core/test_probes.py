"""Asking members whether they are there (M4, M2)."""

from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.context import CloseCode
from gossip.core.decoding import decode
from gossip.core.effects import Effect, NoticeKind
from gossip.core.events import IncarnationKept, LinkBlocked, LinkId
from gossip.core.probes import ANSWER_TIMER, PERIOD_TIMER
from tests.support.core import Subject, kinds, notices, sent
from tests.support.frames import WALL, exchange, heartbeat, plain_join
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


def helped(**changes: Any) -> tuple[Subject, int, dict[int, int]]:
    """Its probe of `a` waits for helpers: the number of each probe by the link of its helper."""
    names = "abcde"
    subject = asking(*names, **changes)
    others = {name: link for link, name in enumerate(names, 1) if name != "a"}
    for _ in range(400):
        effects = spoken(subject, 0.1, **others)
        asked = {
            link: frame["data"]["seq"]
            for link in others.values()
            for frame in sent(effects, link)
            if isinstance(frame["data"], dict) and frame["data"].get("x") == "ping-req"
        }
        if asked:
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


def test_m4_helpers_that_cannot_ask_confirm_nothing() -> None:
    subject, _, asked = helped()
    others = {name: link for link, name in enumerate("abcde", 1) if name != "a"}
    for link, seq in asked.items():
        subject.receive(link, exchange("abcde"[link - 1], "nack", seq=seq, asked=False))
    assert notices(spoken(subject, 0.6, **others)) == []
    assert (SUSPECTED, "a") in notices(spoken(subject, 1.0, **others))


# Helping


def test_m4_a_ping_is_answered_with_its_number() -> None:
    subject = asking("a")
    [answer] = sent(subject.receive(1, exchange("a", "ping", seq=7)), 1)
    assert answer["data"] == {"x": "ack", "seq": 7}


def test_m4_a_helper_asks_and_tells_the_answer() -> None:
    subject = idle("a", "b")
    [ping] = sent(subject.receive(1, exchange("a", "ping-req", seq=7, target="b")), 2)
    assert ping["data"]["x"] == "ping"
    [ack] = sent(subject.receive(2, exchange("b", "ack", seq=ping["data"]["seq"])), 1)
    assert ack["data"] == {"x": "ack", "seq": 7}
    assert sent(subject.wait(1.0), 1) == []


def test_m4_a_helper_that_hears_nothing_says_so_before_the_asker_gives_up() -> None:
    subject = idle("a", "b")
    subject.receive(1, exchange("a", "ping-req", seq=7, target="b"))
    [nack] = sent(subject.wait(0.45), 1)
    assert nack["data"] == {"x": "nack", "seq": 7}
    # It is the asker who judges.
    assert subject.statuses()["b"] == "active"


def test_m4_any_frame_of_the_member_is_its_answer_to_a_helper() -> None:
    subject = idle("a", "b")
    subject.receive(1, exchange("a", "ping-req", seq=7, target="b"))
    subject.wait(0.1)
    subject.receive(2, heartbeat("b"))
    [ack] = sent(subject.wait(0.45), 1)
    assert ack["data"] == {"x": "ack", "seq": 7}


def test_m4_a_helper_that_loses_its_link_says_that_it_could_not_ask() -> None:
    subject = idle("a", "b")
    subject.receive(1, exchange("a", "ping-req", seq=7, target="b"))
    [nack] = sent(subject.lose(2, ENOUGH) + subject.wait(0.45), 1)
    assert nack["data"] == {"x": "nack", "seq": 7, "asked": False}


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


@pytest.mark.parametrize("target", ["nobody", "a", "0xme"])
def test_m4_a_helper_that_cannot_help_says_so_at_once(target: str) -> None:
    subject = idle("a")
    [nack] = sent(subject.receive(1, exchange("a", "ping-req", seq=7, target=target)), 1)
    assert nack["data"] == {"x": "nack", "seq": 7, "asked": False}


def test_m4_plain_peers_are_never_asked_for_others() -> None:
    subject = idle("a")
    subject.accept(2)
    subject.receive(2, plain_join("plain"))
    effects = subject.receive(1, exchange("a", "ping-req", seq=7, target="plain"))
    assert sent(effects, 2) == []
    assert sent(effects, 1)[0]["data"]["asked"] is False
    assert sent(subject.receive(1, news("a", ["plain", WALL, "suspect"])), 2) == []


def test_r2_errands_are_bounded() -> None:
    subject = idle("a", "b")
    answers = []
    for seq in range(1, 101):
        effects = subject.receive(1, exchange("a", "ping-req", seq=seq, target="b"))
        answers += sent(effects, 1)
    assert [answer["data"]["seq"] for answer in answers] == list(range(9, 101))


def test_r2_who_does_not_read_is_not_answered() -> None:
    subject = idle("a")
    subject.handle(LinkBlocked(LinkId(1)))
    assert sent(subject.receive(1, exchange("a", "ping", seq=7))) == []
    assert subject.refused["probe-blocked"] == 1


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
