"""The bad network: it must do what it says."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.ports import free_port
from tests.support.proxy import Network, Trouble
from tests.support.waiting import eventually


class Wire:
    """Both ends of one connection through a proxy."""

    def __init__(self, dialer: socket.socket, server: socket.socket) -> None:
        self.dialer = dialer
        self.server = server

    def carries(self, text: bytes) -> bool:
        self.dialer.sendall(text)
        return self.server.recv(100) == text


@pytest.fixture
def wired() -> Iterator[tuple[Network, Wire]]:
    public = free_port()
    with ExitStack() as stack:
        target = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        network = stack.enter_context(Network([(public, target.getsockname()[1])]))
        dialer = stack.enter_context(socket.create_connection(("127.0.0.1", public)))
        server = stack.enter_context(target.accept()[0])
        for end in (dialer, server):
            end.settimeout(10)
        yield network, Wire(dialer, server)


def test_it_passes_on_what_comes(wired: tuple[Network, Wire]) -> None:
    network, wire = wired
    assert wire.carries(b"hello")
    assert network.open_links == 1
    wire.server.close()
    assert wire.dialer.recv(100) == b""
    wire.dialer.close()
    eventually(lambda: network.open_links == 0)


def test_a_cut_is_a_reset(wired: tuple[Network, Wire]) -> None:
    network, wire = wired
    network.disturb_node(Trouble.CUT, 0, 0.0)
    for end in (wire.dialer, wire.server):
        with pytest.raises(ConnectionResetError):
            end.recv(100)


def test_nobody_hears_through_a_half_open_connection(wired: tuple[Network, Wire]) -> None:
    network, wire = wired
    trouble = network.disturb_links(Trouble.HALF_OPEN, list, 0.0)
    wire.dialer.sendall(b"lost")
    wire.dialer.close()
    wire.server.settimeout(0.2)
    with pytest.raises(TimeoutError):
        wire.server.recv(100)
    trouble.end()
    with pytest.raises(ConnectionResetError):
        wire.server.recv(100)


def test_a_stalled_connection_loses_nothing(wired: tuple[Network, Wire]) -> None:
    network, wire = wired
    trouble = network.disturb_links(Trouble.STALL, list, 0.0)
    wire.dialer.sendall(b"late")
    wire.server.settimeout(0.2)
    with pytest.raises(TimeoutError):
        wire.server.recv(100)
    trouble.end()
    wire.server.settimeout(10)
    assert wire.server.recv(100) == b"late"


def test_a_delay_keeps_the_order(wired: tuple[Network, Wire]) -> None:
    network, wire = wired
    network.disturb_links(Trouble.DELAY, list, 0.01)
    assert wire.carries(b"one")
    assert wire.carries(b"two")


class Node:
    """A node that listens, and dials others from this process."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._server.settimeout(0.2)
        self.port: int = self._server.getsockname()[1]
        self.public = free_port()
        self._dialed: list[socket.socket] = []

    def open_files(self) -> list[str]:
        return [f"socket:[{os.fstat(each.fileno()).st_ino}]" for each in self._dialed]

    def dial(self, other: "Node") -> socket.socket:
        end = self._stack.enter_context(socket.create_connection(("127.0.0.1", other.public)))
        end.settimeout(0.2)
        self._dialed.append(end)
        return end

    def accept(self) -> socket.socket:
        end = self._stack.enter_context(self._server.accept()[0])
        end.settimeout(0.2)
        return end


class TestSplit:
    """Three nodes, of which the last is cut off from the two others."""

    @pytest.fixture
    def nodes(self) -> Iterator[tuple[Node, Node, Node]]:
        with ExitStack() as stack:
            yield Node(stack), Node(stack), Node(stack)

    @pytest.fixture
    def network(self, nodes: tuple[Node, Node, Node]) -> Iterator[Network]:
        with Network([(node.public, node.port) for node in nodes]) as network:
            yield network

    def test_open_connections_between_sides_fall_silent(
        self, network: Network, nodes: tuple[Node, Node, Node]
    ) -> None:
        near, other, far = nodes
        within = Wire(near.dial(other), other.accept())
        there = Wire(near.dial(far), far.accept())
        back = Wire(far.dial(near), near.accept())
        split = network.split([near, other], [far])
        assert within.carries(b"hello")
        for wire in (there, back):
            wire.dialer.sendall(b"lost")
            with pytest.raises(TimeoutError):
                wire.server.recv(100)
        split.end()
        assert within.carries(b"hello")
        for end in (there.dialer, there.server, back.dialer, back.server):
            with pytest.raises(ConnectionResetError):
                end.recv(100)

    def test_dials_between_sides_lead_nowhere(
        self, network: Network, nodes: tuple[Node, Node, Node]
    ) -> None:
        near, other, far = nodes
        split = network.split([near, other], [far])
        assert Wire(near.dial(other), other.accept()).carries(b"hello")
        lost = near.dial(far)
        lost.sendall(b"lost")
        with pytest.raises(TimeoutError):
            far.accept()
        with pytest.raises(TimeoutError):
            lost.recv(100)
        split.end()
        with pytest.raises(ConnectionResetError):
            lost.recv(100)
        assert Wire(near.dial(far), far.accept()).carries(b"hello")

    def test_a_dial_that_is_given_up_is_forgotten(
        self, network: Network, nodes: tuple[Node, Node, Node]
    ) -> None:
        near, _, far = nodes
        network.split([near], [far])
        dial = near.dial(far)
        eventually(lambda: network.open_links == 1)
        dial.close()
        eventually(lambda: network.open_links == 0)
