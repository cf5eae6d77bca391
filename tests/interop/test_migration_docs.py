"""The commands of docs/migration.md, run in their order on a cluster as the manual has it."""

import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gossip.variables import VARIABLES
from tests.interop.double.double import Double
from tests.interop.mixed import SETTINGS, data, plain, running, soon
from tests.support.manual import ROOT, Command, commands
from tests.support.ports import free_ports
from tests.support.process import NodeProcess

MANUAL = "docs/migration.md"
TEXT = (ROOT / MANUAL).read_text()
PLAIN = ("node1", "node2", "node3")
NODES = (*PLAIN, "node4")


class Stage:
    """The manual's hosts as ports of this machine."""

    def __init__(self, directory: Path, stack: AsyncExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._ports = dict(zip(NODES, free_ports(len(NODES)), strict=True))
        self.plain: dict[str, Double] = {}

    async def open(self) -> None:
        """Start the plain nodes, each with a key that no other knows."""
        for number, name in enumerate(PLAIN, 1):
            others = [f"ws://localhost:{self._ports[other]}/ws" for other in PLAIN if other != name]
            double = plain(f"node-{number}", port=self._ports[name], bootstrap=others)
            self.plain[name] = await self._stack.enter_async_context(double)
            double.set(f"written/{name}", number)

    def _local(self, text: str) -> str:
        return re.sub(
            r"(node\d)\.example:3001", lambda match: f"localhost:{self._ports[match[1]]}", text
        )

    async def perform(self, command: Command) -> None:
        """Do it, until what appears is what the manual shows."""
        if command.starts_a_node:
            await self._start(command.variables)
            return

        def shows() -> bool:
            shown = _run(self._local(command.text))
            assert command.shows(shown), f"{command.text}\n{shown}"
            return True

        await soon(shows, within=60)

    async def _start(self, given: dict[str, str]) -> None:
        """Start the node that the variables describe, where they say, instead of a plain one."""
        match = re.search(r"//(node\d)\.", given["PUBLIC_URL"])
        assert match is not None
        name = match[1]
        if name in self.plain:
            await self.plain.pop(name).end()
        # Exposed is what the manual's hosts are; here nobody else must reach it.
        assert given.pop("HOST") == "0.0.0.0"
        settings = SETTINGS | {key: self._local(value) for key, value in given.items()}
        node = NodeProcess(self._ports[name], self._directory / name, settings=settings)
        await self._stack.enter_async_context(running(node))


def _run(text: str) -> str:
    done = subprocess.run(
        ["bash", "-c", text], check=False, capture_output=True, text=True, timeout=20
    )
    return done.stdout.strip()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        stage = Stage(tmp_path, stack)
        await stage.open()
        yield stage


async def test_every_command_does_what_the_manual_shows(stage: Stage) -> None:
    performed = commands(MANUAL)
    assert sum(command.starts_a_node for command in performed) == 2
    for command in performed:
        await stage.perform(command)
    survivor = stage.plain["node3"]
    everything = {f"written/{name}": number for number, name in enumerate(PLAIN, 1)}
    await soon(lambda: data(survivor) == everything | {"moved": 1})


def test_every_variable_that_the_manual_names_exists() -> None:
    named = set(re.findall(r"\b(?:GOSSIP|P2P|NODE)_[A-Z0-9_]+\b", TEXT))
    assert named - {variable.name for variable in VARIABLES} == set()


def test_the_variables_that_stay_are_those_of_the_plain_nodes() -> None:
    [line] = re.findall(r"^Same names, units and defaults: (.*?)\. ", TEXT, re.MULTILINE)
    kept = {variable.name for variable in VARIABLES if variable.source == "as the existing nodes"}
    assert set(re.findall(r"`(\w+)`", line)) == kept
