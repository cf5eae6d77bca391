"""A client that speaks to the real ASGI handler, with a dictionary for a node."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeAlias, cast

import httpx
import pytest
from django.conf import settings
from django.test import override_settings

from gossip.api.handler import ApiHandler
from gossip.runtime import engine
from tests.support.fake_port import FakePort

Configure: TypeAlias = Callable[..., httpx.AsyncClient]


class FakeEngine:
    """As much of an engine as services look at."""

    def __init__(self, port: FakePort) -> None:
        self.port = port


@pytest.fixture
async def port() -> AsyncIterator[FakePort]:
    """A running node."""
    fake = FakePort()
    running = cast("engine.Engine", FakeEngine(fake))
    engine._register(running)
    yield fake
    engine._unregister(running)


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Makes a client of a node with these settings, from this client address."""
    overrides: list[override_settings] = []

    def make(*, address: str = "127.0.0.1", **changes: Any) -> httpx.AsyncClient:
        node = dataclasses.replace(settings.GOSSIP, **changes)
        override = override_settings(GOSSIP=node)
        override.enable()
        overrides.append(override)
        # The handler reads the settings of its middleware once, here.
        transport = httpx.ASGITransport(
            cast("Any", ApiHandler()), client=(address, 50_000), raise_app_exceptions=False
        )
        return httpx.AsyncClient(transport=transport, base_url="http://localhost:3001")

    yield make
    for override in reversed(overrides):
        override.disable()


@pytest.fixture
def client(configure: Configure, port: FakePort) -> httpx.AsyncClient:
    """A client on this machine, of a node with default settings."""
    return configure()
