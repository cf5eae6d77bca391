import asyncio

from gossip.runtime.server_flow import HIGH_BYTES, HIGH_MESSAGES, InputQueue, Message, WriteGate
from tests.support.runtime import until


class Socket:
    """Counts how often its reading was stopped and restarted."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.queue = InputQueue(lambda: self.calls.append("pause"), self._resume)

    def _resume(self) -> None:
        self.calls.append("resume")


def frame(text: str) -> Message:
    return {"type": "websocket.receive", "text": text}


async def test_events_come_out_in_order() -> None:
    queue = Socket().queue
    queue.put_nowait({"type": "websocket.connect"})
    queue.put_nowait(frame("a"))
    assert [(await queue.get())["type"] for _ in range(2)] == [
        "websocket.connect",
        "websocket.receive",
    ]


async def test_a_waiting_application_gets_the_next_event() -> None:
    queue = Socket().queue
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(frame("a"))
    queue.put_nowait(frame("b"))
    assert await waiting == frame("a")
    assert await queue.get() == frame("b")


async def test_a_cancelled_wait_loses_nothing() -> None:
    queue = Socket().queue
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    queue.put_nowait(frame("a"))
    assert await queue.get() == frame("a")


async def test_the_socket_is_paused_one_message_past_the_bound() -> None:
    socket = Socket()
    for _ in range(HIGH_MESSAGES):
        socket.queue.put_nowait(frame("x"))
    assert socket.calls == []
    socket.queue.put_nowait(frame("x"))
    socket.queue.put_nowait(frame("x"))
    assert socket.calls == ["pause"]


async def test_the_socket_is_paused_one_byte_past_the_bound() -> None:
    socket = Socket()
    socket.queue.put_nowait({"type": "websocket.receive", "bytes": bytes(HIGH_BYTES)})
    assert socket.calls == []
    socket.queue.put_nowait(frame("x"))
    assert socket.calls == ["pause"]


async def test_the_socket_is_read_again_when_half_is_gone() -> None:
    socket = Socket()
    for _ in range(HIGH_MESSAGES + 1):
        socket.queue.put_nowait(frame("x"))
    for _ in range(HIGH_MESSAGES // 2):
        await socket.queue.get()
    assert socket.calls == ["pause"]
    await socket.queue.get()
    assert socket.calls == ["pause", "resume"]
    for _ in range(HIGH_MESSAGES):
        socket.queue.put_nowait(frame("x"))
    assert socket.calls == ["pause", "resume", "pause"]


async def test_an_open_gate_does_not_wait() -> None:
    await WriteGate().wait(lambda: None)


async def test_a_closed_gate_waits_for_the_buffer_or_the_end() -> None:
    for reopen in (WriteGate.resumeProducing, WriteGate.stopProducing):
        gate = WriteGate()
        gate.pauseProducing()
        waiting = asyncio.create_task(gate.wait(lambda: None))
        await asyncio.sleep(0)
        assert not waiting.done()
        reopen(gate)
        await waiting


async def test_a_stalled_peer_is_given_up() -> None:
    gave_up: list[bool] = []
    gate = WriteGate(stalled=0.01)
    gate.pauseProducing()
    await gate.wait(lambda: gave_up.append(True))
    await until(lambda: gave_up == [True])
