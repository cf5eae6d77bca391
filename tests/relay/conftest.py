from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from gossip.stores.redis_client import open_redis
from tests.support.valkey import Valkey, valkey


@pytest.fixture(scope="package")
def server() -> Iterator[Valkey]:
    """A Redis. Who stops it starts it again."""
    with valkey() as running:
        yield running


@pytest.fixture
async def redis(server: Valkey) -> AsyncIterator[Redis]:
    """A client of that Redis, which is empty."""
    server.flush()
    async with open_redis(server.url) as client:
        yield client
