"""The commands of the manuals, typed in their order; `tests/interop` has those of migration.md."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gossip.variables import VARIABLES
from tests.support.manual import ROOT, Command, commands
from tests.support.ports import free_ports
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

MANUALS = ("README.md", "docs/operations.md", "docs/state.md", "docs/simulator.md")
ELSEWHERE = re.compile(
    r"""
      \.venv/bin/(daphne|uvicorn)    # tests/runtime/test_launches.py: other launches
    | HOST=(0\.0\.0\.0|127\.0\.0\.1) # not opened to others here
    | make\ (test|check|bench|soak)  # they would run this, or for long
    | make\ cluster                  # test_cluster_demo.py
  | make\ cluster                  # test_cluster_demo.py
    """,
    re.VERBOSE,
)


class Stage:
    """The ports and directories of a manual as those of this machine."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._ports = dict(zip(("3001", "3002", "3003"), free_ports(3), strict=True))
        (directory / "lib").mkdir()
        (directory / "backups").mkdir()

    def local(self, text: str) -> str:
        text = re.sub(r"\b300[123]\b", lambda match: str(self._ports[match[0]]), text)
        text = text.replace("/var/lib/gossip", str(self._directory / "lib"))
        text = text.replace("/var/backups", str(self._directory / "backups"))
        return text.replace(".venv/bin/python", sys.executable)

    def perform(self, command: Command) -> None:
        """Do it, until what appears is what the manual shows."""
        if command.starts_a_node:
            self._start({name: self.local(value) for name, value in command.variables.items()})
            return

        def shows() -> bool:
            done = subprocess.run(
                ["bash", "-c", self.local(command.text)],
                check=False,
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=20,
            )
            assert done.returncode == 0, f"{command.text}\n{done.stderr}"
            assert not command.shown or command.shows(done.stdout), f"{command}\n{done.stdout}"
            return True

        eventually(shows)

    def _start(self, given: dict[str, str]) -> None:
        port = int(given.pop("PORT", self._ports["3001"]))
        data_dir = Path(given.pop("GOSSIP_DATA_DIR", self._directory / f"{port}"))
        node = NodeProcess(port, data_dir, settings=given)
        self._stack.callback(node.kill)
        node.start()
        node.wait_ready()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path, stack)


@pytest.mark.parametrize("manual", MANUALS)
def test_every_command_does_what_the_manual_shows(manual: str, stage: Stage) -> None:
    for command in commands(manual):
        if not ELSEWHERE.search(command.text):
            stage.perform(command)


@pytest.mark.parametrize("manual", [*MANUALS, "docs/deployment.md"])
def test_every_variable_that_a_manual_names_exists(manual: str) -> None:
    named = set(re.findall(r"`((?:GOSSIP|P2P|NODE)_[A-Z0-9_]+)\b", (ROOT / manual).read_text()))
    assert named - {variable.name for variable in VARIABLES} == set()


@pytest.mark.parametrize("manual", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_every_link_leads_to_a_file(manual: str) -> None:
    text = (ROOT / "docs" / manual).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / "docs" / target).exists(), target
