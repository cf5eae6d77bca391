"""What clients ask of a web process, over a layer in memory."""

import asyncio
from itertools import count

import pytest

from gossip.core.config import Limits
from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.relay import web_side
from gossip.relay.web_side import WebSide
from gossip.runtime.ports import Unavailable
from tests.support.layer import MemoryLayer
from tests.support.runtime import MemoryWire, until
from tests.support.sides import WRITE, said, web_process, worker


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


async def test_a_web_process_that_stops_waits_for_its_answers(layer: MemoryLayer) -> None:
    async with worker(layer) as node:
        async with web_process(layer) as web:
            await until(lambda: web.has_worker)
            node.port.gate.clear()
            asking = asyncio.create_task(web.ask(WRITE))
            await until(lambda: node.port.waiting)
            asyncio.get_running_loop().call_soon(node.port.gate.set)
        assert (await asking) == node.port._entries["k"]


async def test_a_worker_that_has_been_silent_is_asked_nothing(
    layer: MemoryLayer, web: WebSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with worker(layer):
        await until(lambda: web.has_worker)
        assert [*web.reasons] == []
        monkeypatch.setattr(web_side, "AWAY", -1.0)
        with pytest.raises(Unavailable):
            await web.ask(WRITE)
        (reason,) = web.reasons
        assert reason.startswith("worker: ")


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
