"""What is to go wrong, and when: the same for the same seed.

What real processes make of it is not the same twice: they run on a clock of their own.
"""

from collections.abc import Iterator
from enum import Enum
from random import Random
from typing import NamedTuple

from tests.support.proxy import Trouble

SPARED = (0, 1)
"""Nodes that are never ended, so that their memory is watched from the beginning to the end."""
LONGEST = 40.0
"""Seconds of the longest fault: over the suspicion time-out of 30, under the removal after 60."""


class Wrong(Enum):
    """What is done to a process."""

    KILL = "kill"
    """SIGKILL, and started again with its disk."""
    WIPE = "wipe"
    """SIGKILL, and started again without; only once others have on disk what was acknowledged."""
    STOP = "stop"
    """SIGTERM, and started again."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT."""
    FULL = "full disk"


class Mishap(NamedTuple):
    """Something that happens to one process."""

    at: float
    """Seconds from the beginning."""
    wrong: Wrong
    seconds: float
    """How long it is away, or its disk full."""


class Disorder(NamedTuple):
    """Something that happens to connections."""

    at: float
    trouble: Trouble
    seconds: float
    delay: float
    """Seconds by which each chunk is late; for `Trouble.DELAY`."""
    node: int | None
    """Everything that is dialed at this node; None for some connections, wherever they are."""
    share: float
    """Of all open connections, unless a node is named."""
    seed: int
    """Chooses the connections."""


_MISHAPS = {Wrong.KILL: 5, Wrong.WIPE: 1, Wrong.STOP: 2, Wrong.FREEZE: 4, Wrong.FULL: 2}
_SPARED_MISHAPS = {Wrong.FREEZE: 2, Wrong.FULL: 1}
_BETWEEN_MISHAPS = 35.0
"""Seconds in the mean from the end of one to the next, of one node: of eight, one or two suffer."""
_BETWEEN_DISORDERS = 5.0


def mishaps(seed: int, node: int, seconds: float) -> list[Mishap]:
    """What happens to this node, one after the other."""
    rng = Random(f"mishaps {seed} {node}")
    weights = _SPARED_MISHAPS if node in SPARED else _MISHAPS
    return list(_mishaps(rng, weights, seconds))


def _mishaps(rng: Random, weights: dict[Wrong, int], end: float) -> Iterator[Mishap]:
    at = _BETWEEN_MISHAPS * rng.uniform(0.2, 1.8)
    while at < end:
        [wrong] = rng.choices(list(weights), list(weights.values()))
        lasts = min(_duration(rng), end - at)
        yield Mishap(at, wrong, lasts)
        at += lasts + _BETWEEN_MISHAPS * rng.uniform(0.2, 1.8)


def disorders(seed: int, nodes: int, seconds: float) -> Iterator[Disorder]:
    """What happens to the connections. Several may overlap."""
    rng = Random(f"disorders {seed}")
    at = _BETWEEN_DISORDERS * rng.uniform(0.2, 1.8)
    while at < seconds:
        yield Disorder(
            at,
            trouble=rng.choice(list(Trouble)),
            seconds=min(_duration(rng), seconds - at),
            delay=rng.uniform(0.01, 0.3),
            node=rng.randrange(nodes) if rng.random() < 0.3 else None,
            share=rng.choice([0.0, 0.1, 0.3, 1.0]),
            seed=rng.getrandbits(32),
        )
        at += _BETWEEN_DISORDERS * rng.uniform(0.2, 1.8)


def _duration(rng: Random) -> float:
    """Mostly seconds, sometimes as long as it takes to be suspected."""
    return rng.uniform(0.2, 10.0) if rng.random() < 0.85 else rng.uniform(10.0, LONGEST)
