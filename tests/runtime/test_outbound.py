import asyncio

from structlog.testing import capture_logs

from gossip.runtime.outbound import HARD_BOUND, HIGH_WATER, Outbound
from tests.support.runtime import MemoryWire, until


def outbound(wire: MemoryWire) -> tuple[Outbound, list[bool]]:
    pressure: list[bool] = []
    return Outbound(wire, pressure.append), pressure


async def test_frames_go_out_in_order_and_the_close_behind_them() -> None:
    wire = MemoryWire()
    queue, _ = outbound(wire)
    for frame in ("a", "b", "c"):
        queue.send(frame)
    queue.close(4409, "duplicate")
    queue.send("too late")
    await asyncio.wait_for(queue.task, 5)
    assert wire.sent == ["a", "b", "c"]
    assert wire.closed_with == (4409, "duplicate")


async def test_only_the_first_close_counts() -> None:
    wire = MemoryWire()
    queue, _ = outbound(wire)
    queue.close(4400, "faults")
    queue.close(1000, "stopping")
    await asyncio.wait_for(queue.task, 5)
    assert wire.closed_with == (4400, "faults")


async def test_pressure_is_told_once_each_way() -> None:
    wire = MemoryWire(stuck=True)
    queue, pressure = outbound(wire)
    queue.send("x" * HIGH_WATER)
    assert pressure == []
    queue.send("x")
    queue.send("x")
    assert pressure == [True]
    wire.reads.set()
    await until(lambda: len(wire.sent) == 3)
    assert pressure == [True, False]
    queue.abandon()


async def test_one_past_the_hard_bound_closes_as_a_slow_reader() -> None:
    wire = MemoryWire(stuck=True)
    queue, _ = outbound(wire)
    queue.send("x" * HARD_BOUND)
    closing_at_the_bound = queue.closing
    queue.send("x")
    assert (closing_at_the_bound, queue.closing) == (False, True)
    await until(queue.task.done)
    assert wire.closed_with == (4413, "slow reader")


async def test_a_close_does_not_wait_for_ever() -> None:
    wire = MemoryWire(stuck=True)
    queue, _ = outbound(wire)
    queue.send("never read")
    queue.close(1000, "stopping")
    await until(queue.task.done)
    assert wire.sent == []
    assert wire.closed_with == (1000, "stopping")


async def test_a_wire_that_raises_is_told_and_closed() -> None:
    class Broken(MemoryWire):
        async def send(self, frame: str) -> None:
            raise ValueError(frame)

    wire = Broken()
    with capture_logs() as logs:
        queue, _ = outbound(wire)
        queue.send("a")
        await until(queue.task.done)
        await until(lambda: logs)
    assert wire.closed_with is not None
    assert [line["event"] for line in logs] == ["task_failed"]
