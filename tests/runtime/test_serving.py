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
