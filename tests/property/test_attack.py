"""A little of what `make prove-hostile` does for long, and whether it would notice."""

from random import Random

import pytest

from tests.property.attack import BOUND, Attack
from tests.property.mutating import Mutator
from tests.property.prove_hostile import SURVIVED, prove


@pytest.mark.parametrize("seed", range(101, 105))
def test_r2_a_node_survives_thousands_of_mutated_frames(seed: int) -> None:
    attack = Attack(seed)
    attack.run(2_000)
    assert attack.frames > 1_500
    # They reach what lies behind the parser, and are not all refused.
    stats = attack.node.stats
    assert stats.messages_received > 300
    assert stats.entries_applied > 20
    assert len(stats.refused) > 15


def test_the_same_seed_makes_the_same_frames() -> None:
    first, second = (Mutator(Random(1)) for _ in range(2))
    for mutator in (first, second):
        mutator.learn(b'{"type":"sync","data":{"x":"new"}}')
    assert [first.next("a") for _ in range(500)] == [second.next("a") for _ in range(500)]


def test_a_table_without_bound_is_noticed() -> None:
    attack = Attack(1)
    attack.node._control_seen._seen = dict.fromkeys(map(str, range(BOUND + 1)), 0.0)
    with pytest.raises(AssertionError, match=f"{BOUND + 1} items"):
        attack.look()


def test_an_outcome_is_what_was_raised() -> None:
    run = prove(1, "abc", steps=300)
    assert (run.outcome, run.revision, run.seed) == (SURVIVED, "abc", 1)
    assert 200 < run.frames <= 300
