"""A client that speaks to the real ASGI handler, with a dictionary for a node."""

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeAlias, cast

import httpx
import pytest
from django.conf import settings
from django.test import override_settings

from gossip.api.handler import ApiHandler
from gossip.runtime import serving
from gossip.runtime.ports import Hub
from tests.support.fake_port import FakePort

Configure: TypeAlias = Callable[..., httpx.AsyncClient]


class FakeNode:
    """What serves, without anything behind its port."""

    def __init__(self, port: FakePort) -> None:
        self.port = port
        self.reasons: tuple[str, ...] = ()

    @property
    def hub(self) -> Hub:
        raise NotImplementedError("nobody dials this node")

    def add_reason(self, reason: str) -> None:
        self.reasons += (reason,)


@pytest.fixture
async def node() -> AsyncIterator[FakeNode]:
    """A running node."""
    fake = FakeNode(FakePort())
    serving.register(fake)
    yield fake
    serving.unregister(fake)


@pytest.fixture
def port(node: FakeNode) -> FakePort:
    """Its port."""
    return node.port


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
