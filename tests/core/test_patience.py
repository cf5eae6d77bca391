"""How long an answer may take (M4)."""

from random import Random

import pytest

from gossip.core import patience
from gossip.core.patience import ASKED, LATE, MOST, Patience
from tests.support.core import config

LEAST = 0.5


@pytest.fixture
def learned() -> Patience:
    return Patience(config(probe_interval=1.0))


def answer(learned: Patience, taken: float, member: str, number: int = 1) -> None:
    learned.asked(number, member, 100.0)
    learned.answered(number, member, 100.0 + taken)


def test_m4_answers_have_half_a_period_at_least(learned: Patience) -> None:
    for number in range(100):
        answer(learned, 0.01, f"m{number}")
    assert learned.seconds == learned.least == LEAST


def test_m4_so_many_answers_are_late_as_may_be(learned: Patience) -> None:
    rng, late, count = Random(1), 0, 20_000
    for number in range(count):
        taken = rng.expovariate(5.0)
        late += learned.seconds < taken
        answer(learned, taken, f"m{number}")
    # Those that took longer than the most are late as well, and are not counted.
    assert LATE <= late / count < LATE + 0.01
    # 0.03 of these take longer than 0.7 s.
    assert LEAST < learned.seconds < MOST * LEAST


def test_m4_answers_have_a_whole_period_at_most(learned: Patience) -> None:
    for number in range(100):
        answer(learned, 0.99, f"m{number}")
    assert 0.98 < learned.seconds / (MOST * LEAST) <= 1.0


def test_m4_one_slow_member_is_slow_by_itself(learned: Patience) -> None:
    for number in range(100):
        answer(learned, 0.1, f"m{number}")
        answer(learned, 0.9, "slow")
    assert learned.seconds == LEAST


def test_m4_a_member_that_stood_still_says_nothing_of_the_network(learned: Patience) -> None:
    for number in range(100):
        answer(learned, MOST * LEAST + 0.1, f"m{number}")
    assert learned.seconds == LEAST


def test_m4_only_the_member_that_was_asked_can_answer_and_once(learned: Patience) -> None:
    learned.asked(1, "a", 100.0)
    learned.answered(2, "a", 100.9)
    learned.answered(1, "b", 100.9)
    assert learned.seconds == LEAST
    learned.answered(1, "a", 100.9)
    raised = learned.seconds
    assert raised > LEAST
    learned.asked(2, "b", 101.0)
    learned.answered(1, "a", 102.0)
    assert learned.seconds == raised


def test_m4_what_was_asked_before_we_were_away_is_forgotten(learned: Patience) -> None:
    learned.asked(1, "a", 100.0)
    learned.forget()
    learned.answered(1, "a", 100.9)
    assert learned.seconds == LEAST


def test_r2_questions_that_nobody_answers_are_bounded(learned: Patience) -> None:
    for number in range(1, ASKED + 2):
        learned.asked(number, f"m{number}", 100.0)
    # The oldest made room.
    learned.answered(1, "m1", 100.9)
    assert learned.seconds == LEAST
    learned.answered(2, "m2", 100.9)
    assert learned.seconds > LEAST


def test_m4_the_least_is_half_a_period() -> None:
    assert patience.least_of(config(probe_interval=3.0)) == 1.5
