"""What cannot work stops the start: one line that names the variable, and an exit code."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gossip.kinds import Unfit
from gossip.variables import VARIABLES
from tests.support.ports import free_port
from tests.support.process import Launch, NodeProcess

UNFIT = "\x07"
"""Unfit for every kind of value but one."""
OURS = [Launch.RUNGOSSIP, Launch.DAPHNE]
"""Launches whose whole standard error is ours; uvicorn adds lines of its own."""


def _checked() -> Iterator[str]:
    """The variables that have wrong values, so that a new one is tried without anybody's help."""
    for variable in VARIABLES:
        with suppress(Unfit):
            variable.kind.read(UNFIT)
            continue
        yield variable.name


def _node(tmp_path: Path, launch: Launch, **settings: str) -> NodeProcess:
    """A node whose log is silent unless something fails."""
    quiet = {"GOSSIP_LOG_LEVEL": "error"}
    return NodeProcess(free_port(), tmp_path / "node", launch=launch, settings=quiet | settings)


def _only_line(node: NodeProcess) -> str:
    code, errors = node.fail_to_start()
    assert code == 1
    assert errors.startswith("gossipnode: ")
    assert errors.count("\n") == 1, errors
    return errors.removeprefix("gossipnode: ")


@pytest.mark.parametrize("name", list(_checked()))
def test_a_wrong_value_of_any_variable(tmp_path: Path, name: str) -> None:
    assert _only_line(_node(tmp_path, Launch.RUNGOSSIP, **{name: UNFIT})).startswith(name)


def test_only_a_variable_without_effect_takes_anything() -> None:
    assert {variable.name for variable in VARIABLES} - set(_checked()) == {"P2P_PORT"}


@pytest.mark.parametrize("launch", Launch)
def test_a_wrong_value_under_each_launch(tmp_path: Path, launch: Launch) -> None:
    line = _only_line(_node(tmp_path, launch, GOSSIP_FANOUT="0"))
    assert line == "GOSSIP_FANOUT='0' must be an integer from 1 to 64\n"


@pytest.mark.parametrize("launch", OURS)
def test_a_taken_port(tmp_path: Path, launch: Launch) -> None:
    node = _node(tmp_path, launch)
    with socket.create_server(("127.0.0.1", node.port)):
        line = _only_line(node)
    assert line.startswith(f"PORT={node.port}: ")
    assert "in use" in line


@pytest.mark.parametrize("launch", OURS)
def test_a_data_directory_that_cannot_be_made(tmp_path: Path, launch: Launch) -> None:
    # Below a file: permissions would not stop a test that runs as root.
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "data"
    line = _only_line(_node(tmp_path, launch, GOSSIP_DATA_DIR=str(directory)))
    assert line.startswith(f"GOSSIP_DATA_DIR={directory} ")


@pytest.mark.parametrize("launch", OURS)
def test_a_database_that_is_none(tmp_path: Path, launch: Launch) -> None:
    node = _node(tmp_path, launch)
    node.data_dir.mkdir()
    (node.data_dir / "gossip.sqlite3").write_text("no database, and long enough to be read" * 100)
    assert str(node.data_dir / "gossip.sqlite3") in _only_line(node)


@pytest.mark.parametrize("launch", OURS)
def test_a_second_engine_on_the_same_directory(
    tmp_path: Path, node: NodeProcess, launch: Launch
) -> None:
    node.start()
    node.wait_ready()
    second = _node(tmp_path, launch)
    assert second.data_dir == node.data_dir
    line = _only_line(second)
    assert line.startswith(f"GOSSIP_DATA_DIR={node.data_dir} is in use: ")
    assert f"process {node.pid} " in line
    assert f"http://localhost:{node.port}" in line
    assert node.client.is_ready()


@pytest.mark.parametrize("problem", ["taken port", "second engine"])
def test_uvicorn_ends_as_well(tmp_path: Path, node: NodeProcess, problem: str) -> None:
    node.start()
    node.wait_ready()
    other = _node(tmp_path, Launch.UVICORN)
    if problem == "taken port":
        other.port = node.port
        other.settings["GOSSIP_DATA_DIR"] = str(tmp_path / "other")
    code, errors = other.fail_to_start()
    assert code != 0
    assert (str(node.port) if problem == "taken port" else "GOSSIP_DATA_DIR=") in errors
    assert "Traceback" not in errors
