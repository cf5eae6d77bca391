"""What peers bring to web processes and what the node sends them, over a layer in memory."""

import asyncio
from itertools import count
from random import Random

from gossip.relay.web_link import WebLink
from gossip.relay.web_side import WebSide
from gossip.runtime.outbound import HIGH_WATER
from gossip.runtime.ports import Wire
from tests.support.hub import Link
from tests.support.layer import MemoryLayer, Message
from tests.support.runtime import MemoryWire, until
from tests.support.sides import WRITE, said, web_process, worker


async def test_what_a_peer_sends_reaches_the_node_in_order(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire(), remote_is_loopback=True)
        assert link.received(said("text"))
        assert link.received(said("bytes").encode())
        link.closed(1001)
        await until(lambda: node.links and node.links[0].codes)
        (there,) = node.links
        assert there.remote_is_loopback
        assert there.frames == [said("text"), said("bytes").encode()]
        assert there.codes == [1001]


async def test_what_the_node_sends_reaches_the_peer_before_the_close(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        wire = MemoryWire()
        web.opened(wire)
        await until(lambda: node.links)
        (there,) = node.links
        for frame in ("a", "b"):
            await there.wire.send(frame)
        await there.wire.close(4409, "duplicate link")
        await until(lambda: wire.closed_with)
        assert wire.sent == ["a", "b"]
        assert wire.closed_with == (4409, "duplicate link")


async def test_links_of_several_web_processes_are_links_of_one_node(layer: MemoryLayer) -> None:
    async with worker(layer) as node, web_process(layer) as one, web_process(layer) as other:
        await until(lambda: one.has_worker and other.has_worker)
        wires = [MemoryWire(), MemoryWire()]
        one.opened(wires[0]).received(said("one"))
        other.opened(wires[1]).received(said("other"))
        await until(lambda: sum(len(link.frames) for link in node.links) == 2)
        assert node.side.web_processes == 2
        for link in node.links:
            await link.wire.send(f"to {link.frames[0]!s}")
        await until(lambda: all(wire.sent for wire in wires))
        assert [wire.sent for wire in wires] == [[f"to {said('one')}"], [f"to {said('other')}"]]


async def test_a_layer_that_loses_and_doubles_messages_does_no_harm(
    layer: MemoryLayer, web: WebSide, resending: None
) -> None:
    rng = Random(1)
    layer.copies = lambda _channel, _message: rng.choice((0, 1, 1, 1, 2))
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        wire = MemoryWire()
        link = web.opened(wire)
        sent = [said(f"frame {number}") for number in range(300)]
        for frame in sent:
            link.received(frame)
            await asyncio.sleep(0)
        await until(lambda: node.links and len(node.links[0].frames) == len(sent))
        assert node.links[0].frames == sent
        for frame in sent:
            await node.links[0].wire.send(frame)
        await until(lambda: len(wire.sent) == len(sent))
        assert wire.sent == sent


async def test_a_frame_larger_than_a_message_of_the_layer_arrives_whole(
    layer: MemoryLayer, web: WebSide
) -> None:
    sizes: list[int] = []

    def note(_channel: str, message: Message) -> int:
        sizes.append(len(message["body"]))
        return 1

    layer.copies = note
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire())
        large = said("large") + " " * 3_000_000
        link.received(large)
        await asyncio.wait_for(link.room(), 5)
        await until(lambda: node.links and node.links[0].frames)
        assert node.links[0].frames == [large]
        assert max(sizes) < 66_000


async def test_without_a_worker_peers_are_not_read_and_nothing_is_lost(
    layer: MemoryLayer, web: WebSide
) -> None:
    link = web.opened(MemoryWire())
    assert not link.received(said("early"))
    reading = asyncio.create_task(link.room())
    await asyncio.sleep(0)
    assert not reading.done()
    async with worker(layer) as node:
        await asyncio.wait_for(reading, 5)
        link.received(said("late"))
        await until(lambda: node.links and len(node.links[0].frames) == 2)
        assert node.links[0].frames == [said("early"), said("late")]


async def test_a_link_that_closes_without_a_worker_lets_its_transport_go(web: WebSide) -> None:
    link = web.opened(MemoryWire())
    assert not link.received(said("early"))
    reading = asyncio.create_task(link.room())
    await asyncio.sleep(0)
    link.closed(1001)
    await asyncio.wait_for(reading, 5)


async def test_a_link_that_closes_is_not_told_of_again_and_brings_nothing_more(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer, epoch=1) as first:
        await until(lambda: web.has_worker)
        closing, other = web.opened(MemoryWire(stuck=True)), web.opened(MemoryWire())
        await until(lambda: len(first.links) == 2)
        await first.links[0].wire.send("a")
        await first.links[0].wire.close(4409, "duplicate link")
        assert isinstance(closing, WebLink)
        await until(lambda: closing.outbound.closing)
        async with worker(layer, epoch=2) as second:
            await until(lambda: second.links)
            assert closing.received(said("late"))
            other.received(said("b"))
            await until(lambda: second.links and second.links[0].frames)
            assert [link.frames for link in second.links] == [[said("b")]]
            closing.closed(4409)


async def test_a_layer_that_fails_for_a_while_delays_and_loses_nothing(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire())
        layer.failing = True
        link.received(said("a"))
        for _ in range(100):
            await asyncio.sleep(0)
        assert node.links == []
        layer.failing = False
        await until(lambda: node.links and node.links[0].frames == [said("a")])


async def test_a_link_that_the_node_does_not_take_is_not_read_on_and_others_are(
    layer: MemoryLayer, web: WebSide
) -> None:
    class Full(Link):
        room_made = asyncio.Event()

        def received(self, data: str | bytes) -> bool:
            super().received(data)
            return data != said("too much")

        async def room(self) -> None:
            await self.room_made.wait()

    async with worker(layer) as node:
        node.hub.link_type = Full
        await until(lambda: web.has_worker)
        numbers = count()
        flooding, other = web.opened(MemoryWire()), web.opened(MemoryWire())
        flooding.received(said("too much"))
        await until(lambda: node.links and node.links[0].frames)
        await until(lambda: not flooding.received(said(f"more {next(numbers)}")))
        assert other.received(said("a"))
        await until(lambda: node.links[1].frames == [said("a")])
        Full.room_made.set()
        await asyncio.wait_for(flooding.room(), 5)


async def test_a_peer_that_does_not_read_holds_up_its_own_link_only(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        slow, quick = MemoryWire(stuck=True), MemoryWire()
        web.opened(slow)
        web.opened(quick)
        await until(lambda: len(node.links) == 2)
        frame, sent = "x" * 50_000, 0

        async def flood() -> None:
            nonlocal sent
            while sent < 100:
                await node.links[0].wire.send(frame)
                sent += 1

        flooding = asyncio.create_task(flood())
        await until(lambda: sent * len(frame) > HIGH_WATER)
        await node.links[1].wire.send("meanwhile")
        await until(lambda: quick.sent == ["meanwhile"])
        before = -1
        while sent != before:
            before = sent
            for _ in range(200):
                await asyncio.sleep(0)
        assert sent < 100
        slow.reads.set()
        await asyncio.wait_for(flooding, 5)
        await until(lambda: len(slow.sent) == 100)


async def test_a_web_process_that_stops_says_that_its_links_close(layer: MemoryLayer) -> None:
    async with worker(layer) as node:
        async with web_process(layer) as web:
            await until(lambda: web.has_worker)
            web.opened(MemoryWire())
            await until(lambda: node.links)
        assert node.links[0].codes == [None]


async def test_nonsense_on_the_layer_is_survived(layer: MemoryLayer, web: WebSide) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        web.opened(MemoryWire())
        await until(lambda: node.links)
        for channel in ("channel.1", "channel.2"):
            for kind in ("packet", "here", "unknown", "news"):
                await layer.send(channel, {"type": kind, "body": b"\xff nonsense"})
        web.opened(MemoryWire())
        await until(lambda: len(node.links) >= 2)


async def test_frames_that_nobody_could_read_are_stopped_and_counted(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire())
        assert link.received("no JSON")
        assert link.received(said("data"))
        await until(lambda: node.links and node.links[0].frames)
        assert node.links[0].frames == [said("data")]
        assert node.links[0].stopped_for == ["json"]


async def test_data_that_came_before_is_stopped_on_whichever_link_it_comes(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        links = [web.opened(MemoryWire()) for _ in range(2)]
        for label in ("data", "more"):
            for link in links:
                link.received(said(label))
        await until(lambda: len(node.links) == 2 and len(node.links[1].stopped_for) == 2)
        assert [link.frames for link in node.links] == [[said("data"), said("more")], []]
        assert [link.stopped_for for link in node.links] == [[], [None, None]]


async def test_who_sends_to_a_link_that_closes_does_not_wait_for_ever(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire(stuck=True))
        await until(lambda: node.links)
        assert isinstance(link, WebLink)
        while not link.outbound.blocked:
            link.outbound.send("x" * 50_000)
        await web.ask(WRITE)
        sending = asyncio.create_task(node.links[0].wire.send("a"))
        await web.ask(WRITE)
        assert not sending.done()
        link.closed(1006)
        await asyncio.wait_for(sending, 5)


async def test_a_link_is_held_as_often_as_the_node_does_not_take_it(
    layer: MemoryLayer, web: WebSide
) -> None:
    class Full(Link):
        def __init__(self, wire: Wire, dialed: str | None, remote_is_loopback: bool) -> None:
            super().__init__(wire, dialed, remote_is_loopback)
            self.taken = asyncio.Event()

        def received(self, data: str | bytes) -> bool:
            super().received(data)
            return "small" in str(data)

        async def room(self) -> None:
            await self.taken.wait()
            self.taken.clear()

    async with worker(layer) as node:
        node.hub.link_type = Full
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire())
        numbers = count()
        for number in range(3):
            link.received(said(f"large {number}"))
            await until(lambda: not link.received(said(f"small {next(numbers)}")))
            (there,) = node.links
            assert isinstance(there, Full)
            there.taken.set()
            await asyncio.wait_for(link.room(), 5)
