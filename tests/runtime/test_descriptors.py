"""In processes of their own: a limit that was raised or lowered stays so."""

import subprocess
import sys

import pytest

from gossip.runtime.descriptors import OTHERS
from gossip.runtime.server_http import CONNECTIONS
from tests.support.serving import ROOT

ASK = """
import resource
from gossip.runtime import logs
from gossip.runtime.descriptors import accepted_sockets
logs.configure("info")
print(accepted_sockets({wanted}), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def ask(limits: str, wanted: int) -> tuple[list[int], str]:
    """The sockets there is room for, the limit afterwards, and the log."""
    shell = f'{limits}; exec "$0" -c "$1"'
    asked = subprocess.run(
        ["/bin/sh", "-c", shell, sys.executable, ASK.format(wanted=wanted)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [int(number) for number in asked.stdout.split()], asked.stderr


@pytest.mark.parametrize(
    ("before", "after"),
    [(100 + OTHERS + 1, 100 + OTHERS + 1), (100 + OTHERS - 1, 100 + OTHERS), (64, 100 + OTHERS)],
)
def test_a_low_limit_is_raised_as_far_as_needed(before: int, after: int) -> None:
    answer, log = ask(f"ulimit -S -n {before}", 100)
    assert answer == [100, after]
    assert log == ""


@pytest.mark.parametrize(
    ("hard", "room"), [(OTHERS * 3, OTHERS * 2), (OTHERS * 3 - 3, OTHERS * 2 - 2), (120, 80)]
)
def test_where_it_cannot_be_raised_there_is_less_room_and_a_warning(hard: int, room: int) -> None:
    answer, log = ask(f"ulimit -S -n 64; ulimit -H -n {hard}", OTHERS * 10)
    assert answer == [room, hard]
    assert f"event=few_descriptors limit={hard} wanted={OTHERS * 11}" in log


def test_two_of_three_descriptors_are_enough_for_every_socket() -> None:
    assert CONNECTIONS <= 2 * OTHERS
