import asyncio
import gc
import json
import os
import signal

import pytest

from gossip.asgi import Message, Receive, Scope, Send
from gossip.core.errors import ConfigurationError
from gossip.runtime.application import NodeApplication
from gossip.runtime.ports import EpochOver
from tests.support.runtime import until


class Life:
    """A lifecycle that remembers its calls."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.error = error
        self.failure = asyncio.Event()
        self.taken_over: Exception | None = None
        self.stuck = False

    async def prepare(self) -> None:
        self.calls.append("prepare")
        if self.error is not None:
            raise self.error

    async def begin(self) -> None:
        self.calls.append("begin")

    async def wait_failed(self) -> None:
        await self.failure.wait()
        if self.taken_over is not None:
            raise self.taken_over

    async def finish(self) -> None:
        self.calls.append("finish")
        if self.stuck:
            await asyncio.Event().wait()


class Host:
    """A server with one connection or lifespan."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.application = NodeApplication(
            self._handle, self._handle, life, on_lifespan=lambda: life.calls.append("lifespan")
        )

    async def _handle(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": scope["type"]})

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def serve(self, kind: str) -> None:
        await self.application({"type": kind}, self.events.get, self.send)

    def say(self, kind: str) -> None:
        self.events.put_nowait({"type": kind})

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


async def test_the_node_lives_as_long_as_the_server() -> None:
    host = Host(Life())
    host.say("lifespan.startup")
    living = asyncio.create_task(host.serve("lifespan"))
    await until(lambda: host.types == ["lifespan.startup.complete"])
    assert host.life.calls == ["lifespan", "prepare", "begin"]
    await host.serve("http")
    host.say("lifespan.shutdown")
    await living
    assert host.types == ["lifespan.startup.complete", "http", "lifespan.shutdown.complete"]
    assert host.life.calls[3:] == ["finish"]


async def test_what_the_start_left_is_kept_out_of_collections() -> None:
    host = Host(Life())
    gc.unfreeze()
    host.say("lifespan.startup")
    host.say("lifespan.shutdown")
    await host.serve("lifespan")
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert frozen > 10_000


async def test_a_wrong_configuration_is_one_line() -> None:
    host = Host(Life(ConfigurationError("PORT is odd")))
    host.say("lifespan.startup")
    await host.serve("lifespan")
    assert host.sent == [{"type": "lifespan.startup.failed", "message": "gossipnode: PORT is odd"}]
    assert host.life.calls == ["lifespan", "prepare", "finish"]


async def test_a_defect_at_the_start_is_told_to_the_server_and_raised() -> None:
    host = Host(Life(ZeroDivisionError("ours")))
    host.say("lifespan.startup")
    with pytest.raises(ZeroDivisionError):
        await host.serve("lifespan")
    assert host.types == ["lifespan.startup.failed"]
    assert host.life.calls[-1] == "finish"


async def test_a_signal_reaches_the_server_after_the_node_finished() -> None:
    """The server's own handler sees what the node did before."""
    host = Host(Life())
    seen: list[list[str]] = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(list(host.life.calls)))
    try:
        host.say("lifespan.startup")
        living = asyncio.create_task(host.serve("lifespan"))
        await until(lambda: host.sent)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: seen)
        assert [calls[-1] for calls in seen] == ["finish"], "though it came twice"
        host.say("lifespan.shutdown")
        await living
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_sigint_after_a_signal_is_for_the_server_alone() -> None:
    """It stops without waiting for the node, and what the node does then changes no handler."""
    host = Host(Life())
    host.life.stuck = True
    seen: list[int] = []
    numbers = signal.SIGTERM, signal.SIGINT

    def handle(number: int, _frame: object) -> None:
        seen.append(number)

    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        host.say("lifespan.startup")
        living = asyncio.create_task(host.serve("lifespan"))
        await until(lambda: host.sent)
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: host.life.calls[-1] == "finish")
        assert seen == []
        os.kill(os.getpid(), signal.SIGINT)
        await until(lambda: seen)
        host.life.stuck = False
        host.say("lifespan.shutdown")
        await living
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        [finishing] = asyncio.all_tasks() - {asyncio.current_task()}
        finishing.cancel()
        await asyncio.wait([finishing])
        assert [signal.getsignal(number) for number in numbers] == [signal.SIG_IGN] * 2
        assert seen == [signal.SIGINT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("taken_over", [None, EpochOver(1, 2)])
async def test_a_failed_node_ends_the_server(
    taken_over: Exception | None, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Host(Life())
    host.life.taken_over = taken_over
    ended: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
    try:
        host.say("lifespan.startup")
        living = asyncio.create_task(host.serve("lifespan"))
        await until(lambda: host.sent)
        host.life.failure.set()
        await until(lambda: ended)
        host.say("lifespan.shutdown")
        await living
    finally:
        signal.signal(signal.SIGTERM, before)
    line = "" if taken_over is None else f"gossipnode: {taken_over}\n"
    assert capsys.readouterr().err == line


async def test_without_a_lifespan_requests_hear_what_to_use() -> None:
    host = Host(Life())
    await host.serve("http")
    assert host.sent[0]["status"] == 503
    answer = json.loads(host.sent[1]["body"])
    assert answer["success"] is False
    assert "rungossip" in answer["message"]
    assert host.life.calls == []


async def test_a_server_that_hosts_the_node_itself_is_served() -> None:
    host = Host(Life())
    host.application.hosted = True
    await host.serve("http")
    await host.serve("websocket")
    assert host.types == ["http", "websocket"]
