"""What every process of a scaled node holds: its two ways to the Redis that they share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.asyncio import Redis

from gossip.conf import NodeSettings
from gossip.core.errors import ConfigurationError
from gossip.relay.layer import Layer, LayerFailed
from gossip.stores.redis_client import layer_host, open_redis


@asynccontextmanager
async def connected(settings: NodeSettings) -> AsyncIterator[tuple[Redis, Layer]]:
    """A client for view and lease, and the layer. They connect when they are used.

    Raises `ConfigurationError` where the settings name no Redis.
    """
    url = settings.redis_url
    if url is None:
        raise ConfigurationError(
            "GOSSIP_REDIS_URL is not set: it is what makes a node several processes"
        )
    layer = Layer(RedisPubSubChannelLayer(hosts=[layer_host(url)], prefix=settings.redis_prefix))
    async with open_redis(url) as redis:
        try:
            yield redis, layer
        finally:
            with suppress(LayerFailed):
                await layer.close()
