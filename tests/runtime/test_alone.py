"""A lifecycle without a server, in a process of its own: signals and exit codes."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PROGRAM = """
import asyncio, sys
from gossip.core.errors import ConfigurationError
from gossip.runtime import alone

class Lifecycle:
    async def prepare(self):
        self.say("prepare")
        if how == "refused":
            raise ConfigurationError("set something else")
        if how == "preparing":
            self.say("waits")
            await asyncio.Event().wait()

    async def begin(self):
        self.say("begin")

    async def wait_failed(self):
        if how == "failed":
            return
        if how == "defect":
            raise ZeroDivisionError
        self.say("waits")
        await asyncio.Event().wait()

    async def finish(self):
        self.say("finish")
        if how == "hangs":
            try:
                await asyncio.Event().wait()
            finally:
                self.say("broken off")
        if how == "stuck":
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

    def say(self, word):
        print(word, flush=True)

how = sys.argv[1]
alone.FINISH_WITHIN = 1.0 if how == "hangs" else 60
sys.exit(alone.run(Lifecycle()))
"""


@contextmanager
def program(how: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise AssertionError(word)


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str], list[str]]:
    out, error = process.communicate(timeout=20)
    return process.returncode, out.split("\n")[:-1], error.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda it: it.name)
@pytest.mark.parametrize("how", ["preparing", "running"])
def test_a_signal_ends_it_in_order(how: str, number: signal.Signals) -> None:
    with program(how) as process:
        wait_for(process, "waits")
        process.send_signal(number)
        assert ended(process) == (0, ["finish"], [])


def test_a_refused_start_is_said_in_one_line() -> None:
    with program("refused") as process:
        assert ended(process) == (1, ["prepare", "finish"], ["gossipnode: set something else"])


def test_a_node_that_fails_ends_it_with_an_error() -> None:
    with program("failed") as process:
        code, words, (line,) = ended(process)
        assert (code, words) == (1, ["prepare", "begin", "finish"])
        assert line == "gossipnode: the node failed and is stopped; the log says why"


def test_a_defect_finishes_too_and_is_shown() -> None:
    with program("defect") as process:
        code, words, lines = ended(process)
        assert (code, words) == (1, ["prepare", "begin", "finish"])
        assert lines[-1] == "ZeroDivisionError"


def test_a_finish_that_takes_too_long_is_broken_off() -> None:
    with program("hangs") as process:
        wait_for(process, "waits")
        process.terminate()
        code, words, (line,) = ended(process)
        assert (code, words) == (1, ["finish", "broken off"])
        assert line == "gossipnode: the node did not stop within 1 seconds"


def test_sigterm_may_come_twice() -> None:
    with program("hangs") as process:
        wait_for(process, "waits")
        process.terminate()
        wait_for(process, "finish")
        process.terminate()
        code, words, (line,) = ended(process)
        assert (code, words) == (1, ["broken off"])
        assert line == "gossipnode: the node did not stop within 1 seconds"


def test_sigint_after_a_signal_kills() -> None:
    with program("stuck") as process:
        wait_for(process, "waits")
        process.terminate()
        wait_for(process, "finish")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
