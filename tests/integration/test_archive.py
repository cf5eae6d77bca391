"""`manage.py gossip` beside real nodes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import ROOT, NodeProcess


def gossip(node: NodeProcess, *arguments: str, given: bytes = b"") -> tuple[int, bytes, str]:
    """Run the command with the environment of this node: exit status, output, what it told."""
    done = subprocess.run(
        [sys.executable, "manage.py", "gossip", *arguments],
        check=False,
        cwd=ROOT,
        env=node.environment(),
        input=given,
        capture_output=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture
def other(node: NodeProcess, tmp_path: Path) -> NodeProcess:
    """One that was never started."""
    return NodeProcess(node.port, tmp_path / "other")


def test_a_state_moves_from_a_running_node_to_one_that_never_ran(
    node: NodeProcess, other: NodeProcess, tmp_path: Path
) -> None:
    node.start()
    node.wait_ready()
    node.client.set("a", {"n": 1})
    node.client.set("b", 2)
    node.client.delete("b")
    file = tmp_path / "state.jsonl"
    assert gossip(node, "export", str(file)) == (0, b"", "exported 2 entries\n")
    state = node.client.state()
    node.stop()
    told = "imported 2 entries: 2 were newer than what was here\n"
    assert gossip(other, "import", str(file)) == (0, b"", told)
    other.start()
    other.wait_ready()
    assert other.client.state() == state
    other.stop()
    assert gossip(other, "export", "-") == (0, file.read_bytes(), "exported 2 entries\n")


def test_nothing_is_imported_beside_a_running_node(node: NodeProcess) -> None:
    node.start()
    node.wait_ready()
    status, _, told = gossip(node, "import", "-")
    assert status == 1
    assert f"process {node.pid} runs this node" in told
    assert "Traceback" not in told


def test_what_cannot_be_read_or_written_is_told_in_a_line(
    other: NodeProcess, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    for arguments, reason in (
        (("import", str(missing)), f"{missing}: No such file or directory"),
        (("import", "-"), "-: it does not begin as `gossip export` writes it"),
        (("export", str(missing / "file")), f"{missing / 'file'}: No such file or directory"),
    ):
        status, _, told = gossip(other, *arguments)
        assert status == 1
        assert reason in told
        assert told.count("\n") == 1


def test_a_failed_export_leaves_the_file_before_as_it_was(
    other: NodeProcess, tmp_path: Path
) -> None:
    file = tmp_path / "state.jsonl"
    file.write_text("before")
    status, _, told = gossip(other, "export", str(file))
    assert status == 1
    assert "there is none" in told
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [file.name]
