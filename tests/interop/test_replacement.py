"""A plain cluster under writes is replaced node by node (docs/migration.md), and one back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.interop.double.double import Double
from tests.interop.mixed import SETTINGS, active, agree, data, listed, plain, running, soon
from tests.support.client import Client
from tests.support.ports import free_ports
from tests.support.process import NodeProcess

IDS = [f"node-{number}" for number in range(5)]
SCOUT = "scout"
"""The node of ours that is started beside the plain ones before the first of them goes."""


class Rolling:
    """A cluster in the midst of its replacement."""

    def __init__(self, directory: Path) -> None:
        *ports, scout = free_ports(len(IDS) + 1)
        self._directory = directory
        self._ports = dict(zip(IDS, ports, strict=True))
        self.nodes: dict[str, Double | Client] = {}
        self.processes = {SCOUT: self._process(SCOUT, scout)}
        self.written: dict[str, int] = {}

    def _process(self, node_id: str, port: int) -> NodeProcess:
        peers = ",".join(f"ws://127.0.0.1:{known}/ws" for known in self._ports.values())
        settings = {**SETTINGS, "GOSSIP_BOOTSTRAP_PEERS": peers, **self._identity(node_id)}
        return NodeProcess(port, self._directory / node_id, settings=settings)

    def _identity(self, node_id: str) -> dict[str, str]:
        """The id in either of the two ways that the plain nodes know."""
        if node_id != IDS[0]:
            return {"NODE_ID": node_id}
        file = self._directory / f"{node_id}.json"
        file.write_text(json.dumps({"nodeId": node_id, "publicKey": "0xpub"}))
        return {"NODE_STATE_FILE": str(file)}

    def double(self, node_id: str) -> Double:
        """A plain node of this id that knows where the others are."""
        others = [
            f"ws://127.0.0.1:{port}/ws" for id_, port in self._ports.items() if id_ != node_id
        ]
        return plain(node_id, port=self._ports[node_id], bootstrap=others)

    def replacement(self, node_id: str) -> NodeProcess:
        """A node of ours with the id and the port of a plain one."""
        process = self.processes[node_id] = self._process(node_id, self._ports[node_id])
        return process

    async def write(self) -> None:
        """Write a key at a plain node, the next to go, and one at the newest of ours."""
        nodes = list(self.nodes.values())
        for double in [node for node in nodes if isinstance(node, Double)][:1]:
            double.set(*self.next_key())
        for client in [node for node in nodes if isinstance(node, Client)][-1:]:
            await asyncio.to_thread(client.set, *self.next_key())

    def next_key(self) -> tuple[str, int]:
        """A key that nobody has, with its value."""
        number = len(self.written)
        self.written[f"key/{number:02}"] = number
        return f"key/{number:02}", number

    async def wait_for_scout(self, node_id: str) -> None:
        """What a plain node holds is elsewhere too, so that it may go."""
        node, scout = self.nodes[node_id], self.nodes[SCOUT]
        await soon(lambda: data(node).items() <= data(scout).items(), within=60)

    def is_whole(self) -> bool:
        """Whether each lists all others as active, and nobody more."""
        for node_id, node in self.nodes.items():
            assert active(node) == listed(node) == self.nodes.keys() - {node_id}, node_id
        return True

    def has_everything(self) -> bool:
        """Whether all hold what was ever written, and nothing else."""
        return agree(self.nodes.values()) == self.written


@pytest.fixture
async def rolling(tmp_path: Path) -> AsyncIterator[Rolling]:
    """Five plain nodes that know each other, and some keys that each of them knows alone."""
    rolling = Rolling(tmp_path)
    async with AsyncExitStack() as stack:
        for node_id in IDS:
            rolling.nodes[node_id] = await stack.enter_async_context(rolling.double(node_id))
        await soon(rolling.is_whole)
        for node in rolling.nodes.values():
            assert isinstance(node, Double)
            node.set(*rolling.next_key())
        yield rolling
        for process in rolling.processes.values():
            process.kill()


async def test_a_plain_cluster_is_replaced_node_by_node_and_one_back(rolling: Rolling) -> None:
    async with AsyncExitStack() as stack:
        scout = rolling.processes[SCOUT]
        await stack.enter_async_context(running(scout))
        rolling.nodes[SCOUT] = scout.client
        await soon(rolling.is_whole)
        for node_id in IDS:
            await rolling.wait_for_scout(node_id)
            double = rolling.nodes.pop(node_id)
            assert isinstance(double, Double)
            await double.end()
            await rolling.write()
            process = rolling.replacement(node_id)
            await stack.enter_async_context(running(process))
            rolling.nodes[node_id] = process.client
            await rolling.write()
            await soon(rolling.is_whole)
        await soon(rolling.has_everything)

        last = IDS[-1]
        rolling.nodes.pop(last)
        assert await asyncio.to_thread(rolling.processes[last].stop) == 0
        await rolling.write()
        rolling.nodes[last] = await stack.enter_async_context(rolling.double(last))
        await rolling.write()
        await soon(rolling.is_whole)
        await soon(rolling.has_everything, within=60)
