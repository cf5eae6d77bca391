"""Two runs of the suite, or two of its processes, must not be given one port."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.ports import BLOCK, LOWEST, Block, ephemeral_from, free_ports
from tests.support.process import ROOT


@pytest.fixture
def block() -> Iterator[Block]:
    block = Block()
    yield block
    block.release()


def test_no_outgoing_connection_gets_one() -> None:
    assert all(LOWEST < port < ephemeral_from() for port in free_ports(50))


def test_processes_do_not_share_ports(block: Block) -> None:
    # They live side by side: the one that has told its ports still holds them.
    program = "from tests.support.ports import free_ports; print(*free_ports(3)); input()"
    others = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    told = [set(other.stdout.readline().split()) for other in others if other.stdout]
    for other in others:
        other.communicate("\n")
    ours = {str(port) for port in block.ports}
    assert all(len(ports) == 3 for ports in told)
    assert not told[0] & told[1]
    assert not ours & (told[0] | told[1])


def test_a_port_comes_again_after_all_others(block: Block) -> None:
    given = [block.row(1).start for _ in range(BLOCK - 1)]
    assert len(set(given)) > BLOCK * 0.9, "but for what other programs listen at"
    assert block.row(1).start == given[0]


def test_one_that_is_taken_is_passed_over(block: Block) -> None:
    before = block.row(1).start
    with socket.create_server(("127.0.0.1", before + 2)):
        assert block.row(1).start == before + 1
        assert block.row(1).start == before + 3


def test_a_row_has_no_gap(block: Block) -> None:
    before = block.row(1).start
    with socket.create_server(("127.0.0.1", before + 3)):
        assert block.row(4) == range(before + 4, before + 8)


def test_a_row_does_not_leave_the_block(block: Block) -> None:
    rows = [block.row(400) for _ in range(3)]
    assert all(row.start in block.ports and row[-1] in block.ports for row in rows)


def test_it_says_when_there_are_none(block: Block) -> None:
    with pytest.raises(RuntimeError, match="all blocks of ports"):
        Block(LOWEST)
    with pytest.raises(RuntimeError, match="no 1000 free ports in a row"):
        block.row(BLOCK)
