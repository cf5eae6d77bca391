"""The scenario that we measure by: many nodes, a bad network, a partition, crashes."""

import random

from gossip.sim.cluster import name_of
from gossip.sim.conditions import Conditions
from gossip.sim.scenario import (
    Converge,
    Heal,
    Kill,
    Operation,
    Partition,
    Restart,
    Run,
    Scenario,
    SetConditions,
    Settle,
    Start,
    Write,
)

HARSH = Conditions(loss=0.2, duplication=0.05, reordering=0.2)

KEYS = 40
"""Fewer than the writes, so that most keys are written again, often on both sides."""

DELETED = 0.1
"""Share of the writes that delete."""


def acceptance(seed: int, size: int = 100, minutes: float = 0.5) -> Scenario:
    """Start, write, cut the network in two for `minutes`, crash, heal; all the while write.

    One frame in five is lost from the first write until all nodes hold the same entries. Then the
    network turns calm, and everybody must come to list everybody: a `join` that was lost is made
    up for by a redial, which takes its time.
    """
    rng = random.Random(seed)
    names = [name_of(index) for index in range(size)]
    side = tuple(sorted(rng.sample(names, rng.randint(size // 4, size // 2))))
    victims = rng.sample(names, max(1, size // 20))
    operations = [
        Start(apart=0.05),
        Settle(within=60),
        SetConditions(HARSH),
        *_written(rng, names, seconds=10),
        Partition(side, reset=rng.random() < 0.5),
        *_written(rng, names, seconds=20 * minutes),
        *(Kill(name, dark=rng.random() < 0.5) for name in victims),
        *_written(rng, names, seconds=20 * minutes),
        *map(Restart, victims),
        *_written(rng, names, seconds=20 * minutes),
        Heal(),
        *_written(rng, names, seconds=10),
        Converge(within=60),
        SetConditions(Conditions()),
        Settle(within=60),
    ]
    return Scenario(seed=seed, size=size, bootstraps=3, operations=tuple(operations))


def _written(rng: random.Random, names: list[str], *, seconds: float) -> list[Operation]:
    """Writers at random nodes for so long: two or three writes a second."""
    operations: list[Operation] = []
    passed = 0.0
    while passed < seconds:
        pause = min(rng.expovariate(2.5), seconds - passed)
        value = None if rng.random() < DELETED else b"%d" % rng.randrange(1_000_000)
        operations += [
            Run(pause),
            Write(rng.choice(names), f"key {rng.randrange(KEYS)}", value),
        ]
        passed += pause
    return operations
