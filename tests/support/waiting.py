"""Waiting for conditions of other processes, which set no event that we could wait for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.02


def eventually(condition: Callable[[], T], *, within: float = 10.0, pause: float = _PAUSE) -> T:
    """Ask again until the condition holds, and return what it returned then.

    A condition is also not met while it fails an assertion. Raises the last such failure, or
    `AssertionError`, `within` seconds later. A generous deadline costs nothing where all is well.
    """
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        try:
            if value := condition():
                return value
        except AssertionError as error:
            failure = error
        if time.monotonic() >= deadline:
            raise failure or AssertionError(f"not so within {within:g} seconds")
        time.sleep(pause)
