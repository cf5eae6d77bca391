"""Plain peers in the test's event loop beside nodes of ours in processes of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tests.interop.double.double import Double
from tests.interop.double.javascript import UNDEFINED
from tests.interop.double.settings import Settings, Timers
from tests.support.client import Client
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

T = TypeVar("T")

TIMERS = Timers().scaled(1 / 25)
"""25 times faster on both sides; our constants (`docs/configuration.md`) stay as they are."""
TEN_MINUTES = 120
"""Rounds."""


def _millis(seconds: float) -> str:
    return str(round(seconds * 1_000))


SETTINGS = {
    "GOSSIP_INTERVAL": _millis(TIMERS.interval),
    "GOSSIP_HEARTBEAT_INTERVAL": _millis(TIMERS.heartbeat),
    "GOSSIP_SUSPICION_TIMEOUT": _millis(TIMERS.suspicion),
    "GOSSIP_CLEANUP_TIMEOUT": _millis(TIMERS.cleanup),
}


def plain(node_id: str, *, port: int = 0, bootstrap: Iterable[str] = ()) -> Double:
    """A plain peer with these timers; it begins with `async with`."""
    return Double(Settings(node_id, port=port, bootstrap=tuple(bootstrap), timers=TIMERS))


async def soon(condition: Callable[[], T], *, within: float = 20.0) -> T:
    """Wait for a condition that may block, such as one that asks a process, as `eventually`.

    It is asked in a thread, so that the plain peers go on meanwhile.
    """
    return await asyncio.to_thread(eventually, condition, within=within)


@asynccontextmanager
async def running(*nodes: NodeProcess) -> AsyncIterator[None]:
    """Start nodes of ours and wait until they serve; kill them in the end."""
    try:
        for node in nodes:
            node.start()
        for node in nodes:
            await asyncio.to_thread(node.wait_ready)
        yield
    finally:
        for node in nodes:
            node.kill()


# What everybody says


def listed(node: Double | Client) -> set[str]:
    """The ids that a node lists, itself left out; those of ours in whatever status."""
    if isinstance(node, Client):
        return set(node.statuses())
    return {peer.node_id for peer in node.node.peers}


def active(node: Double | Client) -> set[str]:
    """The ids of the active peers that a node lists, itself left out."""
    if isinstance(node, Client):
        return {node_id for node_id, status in node.statuses().items() if status == "active"}
    return {peer.node_id for peer in node.node.peers.active()}


def data(node: Double | Client) -> dict[str, Any]:
    """All keys with their values."""
    if isinstance(node, Client):
        return node.data()
    entries = list(node.node.state.entries.values())
    return {entry.key: entry.value for entry in entries if entry.value is not UNDEFINED}


def versions(node: Double | Client) -> dict[str, Any]:
    """All keys with their versions, deleted ones included."""
    if isinstance(node, Client):
        return {key: entry["version"] for key, entry in node.state().items()}
    return {entry.key: entry.version for entry in list(node.node.state.entries.values())}


def agree(nodes: Iterable[Double | Client]) -> dict[str, Any]:
    """The keys with their values, asserted to be the same on all in values and versions."""
    first, *others = nodes
    agreed, at = data(first), versions(first)
    for other in others:
        assert data(other) == agreed
        assert versions(other) == at
    return agreed
