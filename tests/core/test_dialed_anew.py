"""Members that no helper could ask are dialed anew before they are suspected (M4)."""

import pytest

from gossip.core.context import CloseCode
from gossip.core.effects import Dial
from gossip.core.events import DialFailed
from tests.support.core import dials, kinds, notices
from tests.support.frames import endpoint, heartbeat, join
from tests.support.probing import (
    OTHERS,
    SUSPECTED,
    asked_in_vain,
    asked_to_help,
    helped,
    spoken,
    unable,
)


def test_m4_a_member_that_no_helper_could_ask_is_dialed_anew() -> None:
    subject, asked = helped()
    # At once, since there is nobody to wait for.
    assert dials(unable(subject, asked)) == [endpoint("a")]
    # It was the old link that was stuck.
    subject.reach(9, endpoint("a"))
    subject.receive(9, join("a"))
    assert notices(spoken(subject, 3.0, **OTHERS)) == []
    assert subject.statuses()["a"] == "active"


@pytest.mark.parametrize("closed", [1, 9])
def test_m4_what_came_on_the_new_link_counts_whichever_link_is_closed_then(closed: int) -> None:
    subject, asked = helped()
    unable(subject, asked)
    subject.reach(9, endpoint("a"))
    subject.wait(0.01)
    subject.receive(9, join("a"))
    effects = subject.lose(closed, CloseCode.DUPLICATE)
    assert notices(effects + spoken(subject, 1.5, **OTHERS)) == []
    assert subject.node.overview(subject.now).reasons == ()


def test_m4_a_member_is_dialed_anew_once_in_ten_seconds() -> None:
    """Its address is its own claim: it must not make us knock at somebody else's door."""
    subject, asked = helped()
    began, dialed, helps = subject.monotonic, dials(unable(subject, asked)), 0
    assert len(dialed) == 1
    while len(dialed) < 2:
        # It answers nobody, and speaks when it is too late for that.
        effects = spoken(subject, 0.1, **OTHERS)
        if asked := asked_to_help(effects):
            helps += 1
            dialed += dials(unable(subject, asked))
            subject.receive(1, heartbeat("a", timestamp=subject.wall))
    assert subject.monotonic - began > 10
    assert helps > 3


@pytest.mark.parametrize(("loopback", "allowed"), [(False, False), (True, True)])
def test_l4_a_new_dial_may_go_where_others_of_this_member_may(
    loopback: bool, allowed: bool
) -> None:
    subject, asked = helped()
    member = subject.node._context.members.get("a")
    assert member is not None
    member.loopback = loopback
    [dial] = [effect for effect in unable(subject, asked) if isinstance(effect, Dial)]
    assert dial.loopback_allowed is allowed


def test_m4_nobody_is_dialed_anew_at_an_address_of_ours() -> None:
    subject, asked = helped()
    subject.node._contacts.plan.own(endpoint("a"), subject.monotonic)
    assert dials(unable(subject, asked)) == []


def test_m4_nobody_is_dialed_anew_who_is_dialed_already() -> None:
    subject, asked = helped(bootstrap=(endpoint("a"),))
    assert subject.node._contacts.plan.get(endpoint("a")) is not None
    assert dials(unable(subject, asked)) == []


def test_m4_a_new_dial_that_fails_accuses_nobody() -> None:
    subject, asked = helped()
    unable(subject, asked)
    subject.receive(1, heartbeat("a", timestamp=subject.wall))
    spoken(subject, 3.0, a=1, **OTHERS)
    subject.lose(1)
    assert dials(subject.wait(0.1)) == [endpoint("a")]
    # The one from before: the redial is still under way.
    assert notices(subject.handle(DialFailed(endpoint("a"), refused=False))) == []
    assert (SUSPECTED, "a") in notices(subject.handle(DialFailed(endpoint("a"), refused=False)))


def test_m4_who_is_dialed_anew_is_asked_once_more_and_has_three_times_as_long() -> None:
    subject, asked = helped()
    effects = unable(subject, asked)
    assert kinds(effects, 1) == ["ping"]
    # Helpers that say it twice change nothing.
    assert unable(subject, asked) == []
    assert notices(spoken(subject, 1.3, **OTHERS)) == []
    assert (SUSPECTED, "a") in notices(spoken(subject, 0.3, **OTHERS))


def test_m4_a_member_whose_new_link_fails_too_is_suspected_and_not_dialed_on() -> None:
    subject, asked = helped()
    unable(subject, asked)
    effects = subject.handle(DialFailed(endpoint("a"), refused=False))
    effects += spoken(subject, 20.0, **OTHERS)
    assert (SUSPECTED, "a") in notices(effects)
    assert dials(effects) == []


def test_m4_a_member_that_a_helper_asked_in_vain_is_not_dialed_anew() -> None:
    subject, asked = helped()
    asked_in_vain(subject, asked)
    assert dials(spoken(subject, 3.0, **OTHERS)) == []
