from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gossip.relay import connection, stream, worker_side
from gossip.relay.web_side import WebSide
from tests.support.layer import MemoryLayer
from tests.support.sides import web_process


@pytest.fixture
def layer() -> MemoryLayer:
    return MemoryLayer()


@pytest_asyncio.fixture
async def web(layer: MemoryLayer) -> AsyncIterator[WebSide]:
    async with web_process(layer) as side:
        yield side


@pytest.fixture
def resending(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was lost is sent again soon."""
    monkeypatch.setattr(stream, "RESEND", 0.02)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, resending: None) -> None:
    """Ends notice each other's silence in a fraction of a second."""
    monkeypatch.setattr(stream, "KEEPALIVE", 0.02)
    monkeypatch.setattr(connection, "SILENCE", 0.2)
    monkeypatch.setattr(worker_side, "ANNOUNCE", 0.05)
