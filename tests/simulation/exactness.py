"""The state is exact: an hour of everything that may happen to it, and in the end all is equal.

Twelve nodes, half of all frames lost, partitions, crashes, disks lost, clocks an hour off or set
meanwhile, and thirty writers who set, delete and let expire. One node's clock is off by a year: it
refuses what its clients write, and need not hold what the others hold.
"""

import random
from collections.abc import Iterator

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
    SetClock,
    SetConditions,
    Settle,
    Start,
    Write,
)

SIZE = 12
WRITERS = 30
KEYS = 80
HOUR = 3_600_000
"""Milliseconds."""
YEAR = 365 * 24 * HOUR
OFF_BY_A_YEAR = name_of(SIZE - 1)
HARSH = Conditions(loss=0.5, duplication=0.05, reordering=0.2)
LONGEST_LIFE = 120_000
"""Milliseconds; the longest `ttl` of a writer."""
GRACE = 60
"""Seconds for which others leave a tombstone to the origin (E6)."""


def exactness(seed: int, *, minutes: float = 60.0, writers: int = WRITERS) -> Scenario:
    """So much virtual time from the first write until the network turns calm."""
    rng = random.Random(seed)
    names = [name_of(index) for index in range(SIZE)]
    sound = names[:-1]
    off = rng.sample(sound, 3)
    operations: list[Operation] = [
        *(SetClock(name, rng.choice([-HOUR, HOUR])) for name in off),
        Start(tuple(sound), apart=0.05),
        Settle(within=60),
        SetClock(OFF_BY_A_YEAR, rng.choice([-YEAR, YEAR])),
        Start((OFF_BY_A_YEAR,)),
        Run(25.0),
        # It knows its peers by now, and that it is the one who is wrong.
        *(Write(OFF_BY_A_YEAR, f"key {number}", b"0") for number in range(5)),
        SetConditions(HARSH),
    ]
    events = sorted(_events(rng, sound, 60 * minutes, writers), key=lambda event: event[0])
    now = 0.0
    for time, operation in events:
        operations += [Run(time - now), operation]
        now = time
    operations += [
        Run(60 * minutes - now),
        Heal(),
        SetConditions(Conditions()),
        *(SetClock(name, 0) for name in sound),
        # Until the last expiry is over by the clock that is furthest behind.
        Run(LONGEST_LIFE / 1_000 + GRACE + 5.0),
        Converge(within=60, but=(OFF_BY_A_YEAR,)),
    ]
    return Scenario(
        seed=seed,
        size=SIZE,
        bootstraps=3,
        left_out=(OFF_BY_A_YEAR,),
        operations=tuple(operations),
    )


def _events(
    rng: random.Random, names: list[str], seconds: float, writers: int
) -> Iterator[tuple[float, Operation]]:
    """Everything that happens meanwhile, each with its time."""
    for _ in range(writers):
        yield from _writes(rng, names, seconds)
    for time in _times(rng, seconds, every=300.0):
        side = tuple(sorted(rng.sample(names, rng.randint(2, len(names) // 2))))
        yield time, Partition(side, reset=rng.random() < 0.5)
        yield time + rng.uniform(20, 240), Heal()
    for time in _times(rng, seconds, every=600.0):
        yield time, SetClock(rng.choice(names), rng.choice([-HOUR, 0, HOUR]))
    # One host after the other, so that none is killed twice.
    time = rng.expovariate(1 / 60)
    while time < seconds - 60:
        name, back = rng.choice(names), time + rng.uniform(1, 60)
        yield time, Kill(name, dark=rng.random() < 0.5)
        yield back, Restart(name, keep_disk=rng.random() < 0.8)
        time = back + rng.expovariate(1 / 60)


def _writes(
    rng: random.Random, names: list[str], seconds: float
) -> Iterator[tuple[float, Operation]]:
    for time in _times(rng, seconds, every=10.0):
        key = f"key {rng.randrange(KEYS)}"
        chance = rng.random()
        lifetime = rng.randrange(1_000, LONGEST_LIFE) if chance < 0.2 else None
        value = None if chance > 0.85 else b"%d" % rng.randrange(1_000_000)
        yield time, Write(rng.choice(names), key, value, lifetime)


def _times(rng: random.Random, seconds: float, *, every: float) -> Iterator[float]:
    """Moments at random, so far apart on average."""
    time = rng.expovariate(1 / every)
    while time < seconds:
        yield time
        time += rng.expovariate(1 / every)
