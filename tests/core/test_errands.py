"""Answering peers, and asking members for them (M4)."""

import pytest

from gossip.core.context import CloseCode
from gossip.core.events import LinkBlocked, LinkId
from tests.support.core import kinds, sent
from tests.support.frames import WALL, exchange, heartbeat, plain_join
from tests.support.news import news
from tests.support.probing import idle

ENOUGH = CloseCode.ENOUGH


def test_m4_a_ping_is_answered_with_its_number() -> None:
    subject = idle("a")
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


def test_m4_an_answer_that_comes_late_is_passed_on_all_the_same() -> None:
    subject = idle("a", "b")
    [ping] = sent(subject.receive(1, exchange("a", "ping-req", seq=7, target="b")), 2)
    [nack] = sent(subject.wait(1.9), 1)
    assert nack["data"]["x"] == "nack"
    [ack] = sent(subject.receive(2, exchange("b", "ack", seq=ping["data"]["seq"])), 1)
    assert ack["data"] == {"x": "ack", "seq": 7}
    assert sent(subject.wait(1.0), 1) == []


def test_m4_an_answer_that_nobody_waits_for_any_more_is_not() -> None:
    subject = idle("a", "b")
    [ping] = sent(subject.receive(1, exchange("a", "ping-req", seq=7, target="b")), 2)
    subject.wait(2.1)
    assert sent(subject.receive(2, exchange("b", "ack", seq=ping["data"]["seq"])), 1) == []


def test_m4_an_answer_on_the_link_of_somebody_else_is_none() -> None:
    subject = idle("a", "b", "c")
    [ping] = sent(subject.receive(1, exchange("a", "ping-req", seq=7, target="b")), 2)
    assert sent(subject.receive(3, exchange("c", "ack", seq=ping["data"]["seq"])), 1) == []


def test_m4_a_helper_that_was_away_says_nothing() -> None:
    """Answers may lie unread: who asked doubts itself, and not the member."""
    subject = idle("a", "b")
    subject.receive(1, exchange("a", "ping-req", seq=7, target="b"))
    subject.monotonic += 5.0
    assert "nack" not in kinds(subject.wait(3.0), 1)


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
    subject.wait(2.1)
    assert sent(subject.receive(1, exchange("a", "ping-req", seq=101, target="b")), 1) == []


def test_r2_who_does_not_read_is_not_answered() -> None:
    subject = idle("a")
    subject.handle(LinkBlocked(LinkId(1)))
    assert sent(subject.receive(1, exchange("a", "ping", seq=7))) == []
    assert subject.refused["probe-blocked"] == 1
