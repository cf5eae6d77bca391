"""A worker that is stopped or killed in the middle of a write, at each of its steps."""

import signal
import sys
from itertools import count

import pytest

from tests.support.faults import audited, standing_by, written_to
from tests.support.halting import STEPS, WRITING
from tests.support.scaled import Mixed, Worker
from tests.support.waiting import eventually

_numbers = count(1)


class HaltingWorker(Worker):
    """A worker that stops itself."""

    def __init__(self, like: Worker, step: str, number: signal.Signals) -> None:
        name = f"halting-{next(_numbers)}"
        super().__init__(like.port, like.data_dir.with_name(name), settings=like.settings)
        self.step = step
        self.number = number

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.support.halting", self.step, self.number.name, "20"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda it: it.name)
@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_halts_within_a_write_loses_and_doubles_nothing(
    mixed: Mixed, step: str, number: signal.Signals
) -> None:
    other = mixed.scaled.active
    halting = HaltingWorker(other, step, number)
    with audited(mixed), written_to(mixed) as load, standing_by(mixed, halting):
        assert other.stop() == 0
        mixed.scaled.wait_for_active(other)
        other.start()
        mixed.scaled.wait_for_active(halting)
        load.wait_for_more()
        if number is signal.SIGSTOP:
            halting.resume()
            assert halting.wait_ended() == 1
            load.wait_for_more()


def test_a_worker_that_is_paused_within_a_transaction_is_waited_for(mixed: Mixed) -> None:
    other = mixed.scaled.active
    halting = HaltingWorker(other, WRITING, signal.SIGSTOP)
    with audited(mixed), written_to(mixed) as load, standing_by(mixed, halting):
        assert other.stop() == 0
        mixed.scaled.wait_for_active(other)
        other.start()
        eventually(lambda: "take_over_waits" in other.tail(), within=30)
        halting.resume()
        assert halting.wait_ended() == 1
        mixed.scaled.wait_for_active(halting)
        load.wait_for_more()
