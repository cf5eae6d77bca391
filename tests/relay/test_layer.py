"""The channel layer of channels-redis on a real Redis, and what its failures look like."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from channels.exceptions import ChannelFull
from channels_redis.pubsub import RedisPubSubChannelLayer
from structlog.testing import capture_logs

from gossip.relay import layer as module
from gossip.relay.layer import PACKET, WEB_PROCESSES, Layer, LayerFailed
from gossip.relay.stream import Packet
from gossip.stores.redis_client import layer_host, open_redis
from tests.support.layer import MemoryLayer
from tests.support.runtime import until
from tests.support.valkey import Valkey


@asynccontextmanager
async def on_redis(server: Valkey) -> AsyncIterator[Layer]:
    layer = Layer(RedisPubSubChannelLayer(hosts=[layer_host(server.url)], prefix="p"))
    yield layer
    await layer.close()


class Heard:
    """What came on a channel, by kind."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    @asynccontextmanager
    async def on(self, layer: Layer, channel: str, kind: str) -> AsyncIterator[None]:
        task = asyncio.create_task(layer.listen(channel, {kind: self.bodies.append}))
        yield
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()


async def test_messages_of_channels_and_groups_arrive_from_another_process(
    server: Valkey,
) -> None:
    async with on_redis(server) as ours, on_redis(server) as theirs:
        channel = await ours.new_channel()
        await ours.join(WEB_PROCESSES, channel)
        heard = Heard()
        async with heard.on(ours, channel, "news"):
            await theirs.send(channel, "news", b"\x00\xff")
            await theirs.send(channel, "of no interest", b"")
            await theirs.tell(WEB_PROCESSES, "news", b"to all")
            await until(lambda: heard.bodies == [b"\x00\xff", b"to all"])


async def test_a_packet_arrives_as_it_was(server: Valkey) -> None:
    async with on_redis(server) as layer:
        channel, heard = await layer.new_channel(), Heard()
        packet = Packet("s", "reply", 1, 2, bytes(range(256)) * 256)
        async with heard.on(layer, channel, PACKET):
            await layer.transmit(channel, packet)
            await until(lambda: heard.bodies)
        assert msgspec.msgpack.decode(heard.bodies[0], type=Packet) == packet


async def test_a_redis_that_is_away_fails_every_call_and_is_heard_again(server: Valkey) -> None:
    async with on_redis(server) as ours, on_redis(server) as theirs:
        channel, heard = await ours.new_channel(), Heard()
        async with heard.on(ours, channel, "news"):
            server.kill()
            try:
                for call in (
                    ours.new_channel(),
                    ours.send(channel, "news", b"lost"),
                    theirs.tell(WEB_PROCESSES, "news", b"lost"),
                ):
                    with pytest.raises(LayerFailed):
                        await call
            finally:
                server.start()

            async def again() -> None:
                while not heard.bodies:
                    await theirs.send(channel, "news", b"again")
                    await asyncio.sleep(0.01)

            await asyncio.wait_for(again(), 10)


async def test_a_full_channel_fails() -> None:
    class Full(MemoryLayer):
        async def send(self, channel: str, message: object) -> None:
            raise ChannelFull

    with pytest.raises(LayerFailed, match="full"):
        await Layer(Full()).send("c", "news", b"")


async def test_who_cannot_read_a_message_reads_on() -> None:
    memory, bodies = MemoryLayer(), []

    def read(body: bytes) -> None:
        bodies.append(body.decode())

    layer = Layer(memory)
    channel = await layer.new_channel()
    listening = asyncio.create_task(layer.listen(channel, {"news": read}))
    with capture_logs() as logs:
        await layer.send(channel, "news", b"\xff")
        await layer.send(channel, "news", b"readable")
        await until(lambda: bodies == ["readable"])
    assert [line["event"] for line in logs] == ["relay_broken"]
    listening.cancel()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"no message",
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode({"type": "news"}),
        msgspec.msgpack.encode({"type": "news", "body": "text"}),
        msgspec.msgpack.encode({"type": 1, "body": b"bytes"}),
    ],
)
async def test_what_others_write_to_our_channels_is_said_and_survived(
    server: Valkey, sent: bytes
) -> None:
    async with on_redis(server) as layer, open_redis(server.url) as other:
        channel, heard = await layer.new_channel(), Heard()
        with capture_logs() as logs:
            async with heard.on(layer, channel, "news"):
                await other.publish(channel, sent)
                await layer.send(channel, "news", b"readable")
                await until(lambda: heard.bodies == [b"readable"])
    assert [line["event"] for line in logs] == ["relay_broken"]


async def test_a_layer_that_cannot_be_listened_to_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)

    class Failing(MemoryLayer):
        failures = 3

        async def receive(self, channel: str) -> dict[str, object]:
            if self.failures:
                self.failures -= 1
                raise ConnectionError("the layer is away")
            return await super().receive(channel)

    memory = Failing()
    layer, heard = Layer(memory), Heard()
    channel = await layer.new_channel()
    with capture_logs() as logs:
        async with heard.on(layer, channel, "news"):
            await until(lambda: memory.failures == 0)
            await layer.send(channel, "news", b"a")
            await until(lambda: heard.bodies == [b"a"])
    # Said once, however often it was tried.
    assert [line["event"] for line in logs] == ["layer_failing", "layer_recovered"]


async def test_what_comes_does_not_end_an_outage_of_what_goes() -> None:
    memory = MemoryLayer()
    layer, heard = Layer(memory), Heard()
    channel = await layer.new_channel()
    with capture_logs() as logs:
        async with heard.on(layer, channel, "news"):
            memory.failing = True
            for came in range(1, 4):
                with pytest.raises(LayerFailed):
                    await layer.send(channel, "news", b"lost")
                memory.arrive(channel, {"type": "news", "body": b"a"})
                await until(lambda: len(heard.bodies) == came)  # noqa: B023
            memory.failing = False
            await layer.send(channel, "news", b"b")
    assert [line["event"] for line in logs] == ["layer_failing", "layer_recovered"]


async def test_a_defect_of_a_handler_ends_the_listening() -> None:
    layer = Layer(MemoryLayer())
    channel = await layer.new_channel()

    def explode(_body: bytes) -> None:
        raise ZeroDivisionError

    listening = asyncio.create_task(layer.listen(channel, {"news": explode}))
    await layer.send(channel, "news", b"")
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(listening, 5)
