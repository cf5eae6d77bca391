"""Workers that stop, fall silent and take over, and what becomes of links and streams."""

import asyncio
import json
from itertools import count

import msgspec
import pytest

from gossip.core.errors import WriteUnanswered
from gossip.relay import web_side, worker_side
from gossip.relay.layer import WHO, WORKERS, Layer
from gossip.relay.stream import Packet
from gossip.relay.web_link import WebLink
from gossip.relay.web_side import WebSide
from tests.support import frames
from tests.support.hub import Link
from tests.support.layer import MemoryLayer, Message
from tests.support.runtime import MemoryWire, until
from tests.support.sides import WRITE, join_frame, said, worker


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


async def test_a_lower_epoch_is_believed_after_a_silence(
    layer: MemoryLayer, web: WebSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(layer, epoch=4):
        await until(lambda: web.has_worker)
    await until(lambda: not web.has_worker)
    monkeypatch.setattr(worker_side, "ANNOUNCE", 0.01)
    async with worker(layer, epoch=2) as restored:
        before = layer.sent
        await until(lambda: layer.sent > before + 5)
        assert not web.has_worker
        monkeypatch.setattr(web_side, "LOWER_AFTER", 0.0)
        await until(lambda: web.has_worker)
        await until(lambda: restored.side.web_processes == 1)


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


async def test_a_worker_that_stopped_is_not_found_again(layer: MemoryLayer, web: WebSide) -> None:
    async with worker(layer) as node:
        await until(lambda: web.has_worker)
        await node.side.stop()
        await until(lambda: not web.has_worker)
        await Layer(layer).tell(WORKERS, WHO, b"")
        for _ in range(20):
            await asyncio.sleep(0)
        assert not web.has_worker
