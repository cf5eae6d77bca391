"""Web processes and a worker over a layer in memory: what peers bring and what clients ask."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from random import Random

import msgspec
import pytest
import pytest_asyncio

from gossip.core.config import Limits
from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.relay import connection, items, stream, web_side, worker_side
from gossip.relay.edge import Edge
from gossip.relay.layer import WHO, WORKERS, Layer
from gossip.relay.stream import Packet
from gossip.relay.web_side import WebLink, WebSide
from gossip.relay.worker_side import WorkerSide
from gossip.runtime.outbound import HIGH_WATER
from gossip.runtime.ports import Unavailable, Wire
from tests.support import frames
from tests.support.fake_port import FakePort
from tests.support.hub import Link, Listening
from tests.support.layer import MemoryLayer, Message
from tests.support.runtime import MemoryWire, until

WRITE = items.Write("k", b"1", None, None)


def said(label: str) -> str:
    """A frame with data that a node can read."""
    data = {"key": label, "value": 1, "version": 1}
    return msgspec.json.encode(frames.message("gossip", "peer", data, messageId=label)).decode()


def join_frame(node_id: str) -> str:
    return msgspec.json.encode(frames.join(node_id)).decode()


class Worker:
    """A worker whose node only remembers."""

    def __init__(self, layer: MemoryLayer, epoch: int) -> None:
        self.hub = Listening()
        self.port = FakePort()
        self.side = WorkerSide(Layer(layer), epoch, self.hub, self.port, self.settled)

    async def settled(self) -> None:
        """There is no view."""

    @property
    def links(self) -> list[Link]:
        return self.hub.links


@pytest.fixture
def layer() -> MemoryLayer:
    return MemoryLayer()


@asynccontextmanager
async def worker(layer: MemoryLayer, epoch: int = 1) -> AsyncIterator[Worker]:
    made = Worker(layer, epoch)
    await made.side.open()
    listening = asyncio.create_task(made.side.run())
    yield made
    await asyncio.wait_for(made.side.stop(), 5)
    listening.cancel()


@asynccontextmanager
async def web_process(layer: MemoryLayer) -> AsyncIterator[WebSide]:
    side = WebSide(Layer(layer), Edge(100, 60.0))
    listening = asyncio.create_task(side.run())
    yield side
    await side.stop()
    listening.cancel()


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


async def test_a_worker_that_takes_over_is_told_who_is_there(
    layer: MemoryLayer, web: WebSide
) -> None:
    wire = MemoryWire()
    async with worker(layer, epoch=1) as first:
        await until(lambda: web.has_worker)
        link = web.opened(wire)
        for frame in (
            join_frame("peer"),
            said("data"),
            join_frame("peer"),
            join_frame("other"),
        ):
            link.received(frame)
        await until(lambda: first.links and len(first.links[0].frames) == 4)
        async with worker(layer, epoch=2) as second:
            await until(lambda: second.links and second.links[0].frames)
            (told,) = map(json.loads, second.links[0].frames)
            last = json.loads(first.links[0].frames[2])
            # The worker might know the id, and drop it.
            assert told["messageId"] != last["messageId"]
            assert told["messageId"].startswith(last["messageId"])
            assert told | {"messageId": ""} == last | {"messageId": ""}
            link.received(said("goes on"))
            await second.links[0].wire.send("answer")
            await until(lambda: wire.sent == ["answer"] and len(second.links[0].frames) == 2)
            assert wire.closed_with is None


@pytest.mark.parametrize("name", ["m" * 256, "é" * 128])
async def test_a_join_with_the_longest_id_is_told_again_under_one_that_is_no_longer(
    layer: MemoryLayer, web: WebSide, name: str
) -> None:
    link = web.opened(MemoryWire())
    link.received(msgspec.json.encode(frames.join("peer") | {"messageId": name}).decode())
    async with worker(layer) as node:
        await until(lambda: node.links and node.links[0].frames)
        told = json.loads(node.links[0].frames[0])["messageId"]
        assert told != name
        assert len(told.encode()) <= 256
        assert told[:100] == name[:100]


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


async def test_a_stream_that_ended_does_not_begin_again(layer: MemoryLayer, web: WebSide) -> None:
    sent: list[Message] = []

    def note(_channel: str, message: Message) -> int:
        sent.append(message)
        return 1

    layer.copies = note
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        web.opened(MemoryWire())
        await until(lambda: node.links)
        (session,) = node.side._sessions.values()
        first = next(message for message in sent if message["type"] == "packet")
        node.side.ended(session)
        await until(lambda: len(node.links) == 2)
        (after,) = node.side._sessions
        assert after != session.name
        await layer.send(node.side._channel, first)
        await web.ask(WRITE)
        assert list(node.side._sessions) == [after]
        assert len(node.links) == 2


async def test_a_web_process_has_one_stream_at_a_time(
    layer: MemoryLayer, web: WebSide, quick: None
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        web.opened(MemoryWire())
        await until(lambda: node.links)
        (before,) = node.side._sessions
        # The web process does not understand what comes, and begins anew.
        await Layer(layer).transmit(web._channel, Packet(before, "", 0, 1_000))
        await until(lambda: len(node.links) == 2)
        assert node.links[0].codes == [None]
        assert node.links[1].codes == []
        assert node.side.web_processes == 1


async def test_a_worker_whose_epoch_is_over_is_not_listened_to(
    layer: MemoryLayer, web: WebSide
) -> None:
    wire = MemoryWire()
    async with worker(layer, epoch=2) as active:
        await until(lambda: web.has_worker)
        web.opened(wire)
        await until(lambda: active.links)
        async with worker(layer, epoch=1) as old:
            await active.links[0].wire.send("active")
            await until(lambda: wire.sent)
            assert old.links == []
            assert old.side.web_processes == 0


async def test_a_request_is_answered(layer: MemoryLayer, web: WebSide) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        entry = await web.ask(WRITE)
        assert entry == node.port._entries["k"]
        node.port.refusal = WriteRefused("condition", "it is not so")
        with pytest.raises(WriteRefused, match="it is not so") as refused:
            await web.ask(WRITE)
        assert refused.value.reason == "condition"
        node.port.refusal = WriteUnanswered("the node is stopping")
        with pytest.raises(WriteUnanswered):
            await web.ask(WRITE)


async def test_without_a_worker_a_request_is_refused_at_once(web: WebSide) -> None:
    with pytest.raises(Unavailable):
        await web.ask(WRITE)


async def test_a_request_whose_worker_is_lost_has_no_answer(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer, epoch=1) as first:
        await until(lambda: web.has_worker)
        first.port.gate.clear()
        asking = asyncio.create_task(web.ask(WRITE))
        await until(lambda: first.port.waiting)
        async with worker(layer, epoch=2):
            with pytest.raises(WriteUnanswered):
                await asyncio.wait_for(asking, 5)
        first.port.gate.set()


async def test_a_silent_worker_is_lost(layer: MemoryLayer, web: WebSide, quick: None) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        node.port.gate.clear()
        asking = asyncio.create_task(web.ask(WRITE))
        await until(lambda: node.port.waiting)
        layer.copies = lambda _channel, _message: 0
        with pytest.raises(WriteUnanswered):
            await asyncio.wait_for(asking, 5)
        assert not web.has_worker
        node.port.gate.set()
        layer.copies = lambda _channel, _message: 1
        await until(lambda: web.has_worker)
        await web.ask(WRITE)


async def test_the_links_of_a_silent_web_process_close(
    layer: MemoryLayer, web: WebSide, quick: None
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire())
        link.received(join_frame("peer"))
        await until(lambda: node.links and node.links[0].frames)
        layer.copies = lambda _channel, _message: 0
        await until(lambda: node.links[0].codes)
        assert node.links[0].codes == [None]
        layer.copies = lambda _channel, _message: 1
        await until(lambda: len(node.links) == 2 and node.links[1].frames)
        link.received(said("goes on"))
        await until(lambda: len(node.links[1].frames) == 2)


async def test_a_stream_that_the_worker_has_forgotten_is_opened_anew(
    layer: MemoryLayer, web: WebSide, quick: None
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire())
        await until(lambda: node.links)
        (session,) = node.side._sessions.values()
        node.side.ended(session)
        await until(lambda: len(node.links) == 2)
        link.received(said("goes on"))
        await until(lambda: node.links[1].frames == [said("goes on")])
        assert node.links[0].codes == [None]


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


async def test_a_worker_that_takes_over_gets_data_that_the_one_before_has_seen(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer, epoch=1) as first:
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire())
        link.received(said("data"))
        await until(lambda: first.links and first.links[0].frames)
        async with worker(layer, epoch=2) as second:
            await until(lambda: second.links)
            link.received(said("data"))
            await until(lambda: second.links[0].frames == [said("data")])


async def test_a_web_process_that_stops_waits_for_its_answers(layer: MemoryLayer) -> None:
    async with worker(layer) as node:
        async with web_process(layer) as web:
            await until(lambda: web.has_worker)
            node.port.gate.clear()
            asking = asyncio.create_task(web.ask(WRITE))
            await until(lambda: node.port.waiting)
            asyncio.get_running_loop().call_soon(node.port.gate.set)
        assert (await asking) == node.port._entries["k"]


async def test_the_end_of_another_worker_is_of_no_interest(
    layer: MemoryLayer, web: WebSide
) -> None:
    async with worker(layer, epoch=1) as old:
        await until(lambda: web.has_worker)
        async with worker(layer, epoch=2) as active:
            await until(lambda: active.side.web_processes)
            await old.side.stop()
            await web.ask(WRITE)
            assert web.has_worker
            assert active.side.web_processes == 1


async def test_what_came_without_a_worker_is_told_once_and_a_join_first(
    layer: MemoryLayer, web: WebSide
) -> None:
    joining, other = web.opened(MemoryWire()), web.opened(MemoryWire())
    joining.received(join_frame("peer"))
    other.received(said("early"))
    for epoch in (1, 2):
        async with worker(layer, epoch) as node:
            await until(lambda: node.side.web_processes)
            await web.ask(WRITE)
            one, two = node.links
            assert [json.loads(frame)["type"] for frame in one.frames] == ["join"]
            assert two.frames == ([said("early")] if epoch == 1 else [])


async def test_a_peer_that_does_not_read_holds_up_the_next_worker_too(
    layer: MemoryLayer, web: WebSide
) -> None:
    wire = MemoryWire(stuck=True)
    async with worker(layer, epoch=1) as first:
        await until(lambda: web.has_worker)
        link = web.opened(wire)
        await until(lambda: first.links)
        assert isinstance(link, WebLink)
        while not link.outbound.blocked:
            link.outbound.send("x" * 50_000)
        async with worker(layer, epoch=2) as second:
            await until(lambda: second.links)
            await web.ask(WRITE)
            sending = asyncio.create_task(second.links[0].wire.send("a"))
            await until(lambda: link.outbound._queue[-1] == "a")
            assert not sending.done()
            wire.reads.set()
            await asyncio.wait_for(sending, 5)


async def test_a_link_that_a_lost_worker_did_not_take_is_read_again(
    layer: MemoryLayer, web: WebSide
) -> None:
    class Full(Link):
        def received(self, data: str | bytes) -> bool:
            super().received(data)
            return False

        async def room(self) -> None:
            await asyncio.Event().wait()

    async with worker(layer, epoch=1) as first:
        first.hub.link_type = Full
        await until(lambda: web.has_worker)
        link = web.opened(MemoryWire())
        numbers = count()
        link.received(said("too much"))
        await until(lambda: not link.received(said(f"more {next(numbers)}")))
        reading = asyncio.create_task(link.room())
        async with worker(layer, epoch=2) as second:
            await asyncio.wait_for(reading, 5)
            assert link.received(said("goes on"))
            await until(lambda: second.links and second.links[0].frames == [said("goes on")])


async def test_what_a_former_worker_says_is_not_heard(layer: MemoryLayer, web: WebSide) -> None:
    wire = MemoryWire()
    async with worker(layer, epoch=1) as old:
        await until(lambda: web.has_worker)
        web.opened(wire)
        await until(lambda: old.links)
        async with worker(layer, epoch=2) as active:
            await until(lambda: active.links)
            await old.links[0].wire.send("over")
            await old.links[0].wire.close(4000, "over")
            await until(lambda: not any(s.connection._stream._unsent for s in old.side._each()))
            await active.links[0].wire.send("active")
            await until(lambda: wire.sent)
            assert wire.sent == ["active"]
            assert wire.closed_with is None


async def test_a_worker_that_has_been_silent_is_asked_nothing(
    layer: MemoryLayer, web: WebSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(layer):
        await until(lambda: web.has_worker)
        monkeypatch.setattr(web_side, "AWAY", -1.0)
        with pytest.raises(Unavailable):
            await web.ask(WRITE)


async def test_requests_wait_for_room_and_have_a_bound(
    layer: MemoryLayer, web: WebSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        monkeypatch.setattr(web_side, "_LIMITS", Limits(pending_writes=2))
        layer.failing = True
        link, numbers = web.opened(MemoryWire()), count()
        while web.has_room:
            link.received(said(f"{next(numbers)}") + " " * 100_000)
        assert web._worker is not None
        before = web._worker._stream.waiting
        asking = [asyncio.create_task(web.ask(WRITE)) for _ in range(2)]
        await asyncio.sleep(0)
        assert web._worker._stream.waiting == before
        with pytest.raises(WriteRefused) as refused:
            await web.ask(WRITE)
        assert refused.value.reason == "overloaded"
        layer.failing = False
        await asyncio.wait_for(asyncio.gather(*asking), 5)
        assert node.port._entries
        await web.ask(WRITE)


async def test_who_resigns_closes_no_link_and_sends_nothing_more(
    layer: MemoryLayer, web: WebSide
) -> None:
    wire = MemoryWire()
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        web.opened(wire)
        await until(lambda: node.links)
        node.side.resign()
        await node.links[0].wire.send("over")
        await node.links[0].wire.close(4000, "over")
        # Answers go on, behind whatever was sent.
        await web.ask(WRITE)
        assert wire.sent == []
        assert wire.closed_with is None


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


async def test_a_worker_that_stopped_is_not_found_again(layer: MemoryLayer, web: WebSide) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        await node.side.stop()
        await until(lambda: not web.has_worker)
        await Layer(layer).tell(WORKERS, WHO, b"")
        for _ in range(20):
            await asyncio.sleep(0)
        assert not web.has_worker
