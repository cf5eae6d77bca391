"""Several nodes that know of each other."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.client import Client
from tests.support.ports import free_ports
from tests.support.process import Launch, NodeProcess
from tests.support.waiting import eventually

MESH = 16
"""Other nodes up to which everybody links to all (L1)."""


class Cluster:
    """Nodes on free ports, each with a directory of its own and the others as bootstrap peers.

    As a context manager it starts them, waits until all are linked, and kills them in the end.
    """

    def __init__(
        self,
        directory: Path,
        size: int,
        *,
        launch: Launch = Launch.RUNGOSSIP,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        ports = free_ports(size)
        # The same list for everybody, as operators do: a node leaves itself out.
        peers = {"GOSSIP_BOOTSTRAP_PEERS": ",".join(f"ws://localhost:{port}/ws" for port in ports)}
        self.nodes = [
            NodeProcess(
                port,
                directory / f"node-{port}",
                launch=launch,
                settings={**peers, **(settings or {})},
            )
            for port in ports
        ]

    @classmethod
    def of(cls, nodes: Iterable[NodeProcess]) -> Self:
        """Nodes that were made, and told of each other, by the caller."""
        cluster = cls.__new__(cls)
        cluster.nodes = list(nodes)
        return cluster

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            self.wait_whole()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def __iter__(self) -> Iterator[NodeProcess]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def clients(self) -> list[Client]:
        """One for each node."""
        return [node.client for node in self.nodes]

    def kill(self) -> None:
        """End all processes."""
        for node in self.nodes:
            node.kill()

    def revive(self) -> None:
        """Start what does not run, and wait until all are linked again."""
        for node in self.nodes:
            if not node.is_running:
                node.start()
        self.wait_whole()

    def wait_whole(self, within: float = 30.0) -> None:
        """Return once every node lists every other as active.

        In a mesh it has exactly one link to each as well.
        """
        for node in self.nodes:
            node.wait_ready(within)
        for client in self.clients:
            eventually(partial(self._sees_all, client), within=within)

    def wait_equal(self, within: float = 10.0) -> dict[str, Any]:
        """Return the state once it is the same on all nodes, in versions and values."""

        def equal() -> dict[str, Any]:
            first, *rest = (comparable(client.state()) for client in self.clients)
            for other in rest:
                assert other == first
            return first

        return eventually(equal, within=within)

    def _sees_all(self, client: Client) -> bool:
        stats = client.stats()
        others = len(self.nodes) - 1
        seen = (stats["totalPeers"], stats["activePeers"])
        assert seen == (others, others), f"port {client.port}: {stats}"
        assert others > MESH or stats["links"] == others, f"port {client.port}: {stats}"
        return True


def comparable(state: dict[str, Any]) -> dict[str, Any]:
    """A state without time stamps, which are information."""
    return {
        key: {name: value for name, value in entry.items() if name != "timestamp"}
        for key, entry in state.items()
    }
