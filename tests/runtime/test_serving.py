"""Where what runs the node in a process is found."""

import pytest

from gossip.runtime import serving
from tests.api.conftest import FakeNode
from tests.support.fake_port import FakePort


async def test_one_thing_serves_at_a_time() -> None:
    first, second = FakeNode(FakePort()), FakeNode(FakePort())
    assert serving.running() is None
    serving.register(first)
    with pytest.raises(RuntimeError, match="runs a node already"):
        serving.register(second)
    serving.unregister(second)
    assert serving.running() is first
    serving.unregister(first)
    assert serving.running() is None


async def test_what_drains_is_said_to_until_something_else_serves() -> None:
    first, second = FakeNode(FakePort()), FakeNode(FakePort())
    serving.register(first)
    assert not serving.draining()
    await serving.drain(0)
    assert serving.draining()
    serving.unregister(first)
    serving.register(second)
    assert not serving.draining()
    serving.unregister(second)
