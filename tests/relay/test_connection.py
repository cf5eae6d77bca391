"""Two ends of a stream, driven by the event loop."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gossip.relay import connection as module
from gossip.relay import stream
from gossip.relay.connection import Connection
from gossip.relay.stream import SEGMENT, WINDOW, Packet, StreamBroken
from tests.support.runtime import until


class End:
    """A connection, what it took, and how often it was told of room."""

    def __init__(self) -> None:
        self.other: End | None = None
        self.taken: list[bytes] = []
        self.ended = 0
        self.roomy = 0
        self.failing: Exception | None = None
        self.sent = 0
        self.connection = Connection(
            "s", "reply", self._transmit, self.taken.append, self._end, self._room
        )

    async def _transmit(self, packet: Packet) -> None:
        await asyncio.sleep(0)
        if self.failing is not None:
            raise self.failing
        self.sent += 1
        if self.other is not None:
            self.other.connection.received(packet)

    def _end(self) -> None:
        self.ended += 1

    def _room(self) -> None:
        self.roomy += 1


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends notice each other's silence in a fraction of a second."""
    monkeypatch.setattr(stream, "KEEPALIVE", 0.02)
    monkeypatch.setattr(stream, "RESEND", 0.02)
    monkeypatch.setattr(module, "SILENCE", 0.2)
    monkeypatch.setattr(module, "PAUSE", 0.01)


def fill(end: End) -> None:
    while not end.connection.full:
        end.connection.write(b"x" * SEGMENT)


def connect(ours: End, theirs: End) -> None:
    ours.other, theirs.other = theirs, ours


async def test_what_is_written_arrives_and_a_flush_says_when() -> None:
    ours, theirs = End(), End()
    connect(ours, theirs)
    for item in (b"a", b"b"):
        ours.connection.write(item)
    await asyncio.wait_for(ours.connection.flush(), 5)
    assert theirs.taken == [b"a", b"b"]
    for end in (ours, theirs):
        end.connection.close()


async def test_a_full_one_has_room_again_once_the_other_took_it() -> None:
    ours, theirs = End(), End()
    fill(ours)
    waiting = [asyncio.create_task(ours.connection.room()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    connect(ours, theirs)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert not ours.connection.full
    assert ours.roomy == 1
    assert sum(map(len, theirs.taken)) >= WINDOW // 4
    for end in (ours, theirs):
        end.connection.close()


async def test_silence_ends_it_once_and_lets_who_waits_go(quick: None) -> None:
    ours = End()
    fill(ours)
    waiting = asyncio.gather(ours.connection.room(), ours.connection.flush())
    await asyncio.wait_for(waiting, 5)
    await until(lambda: ours.ended)
    assert not ours.connection.open
    sent = ours.sent
    ours.connection.write(b"late")
    await asyncio.wait_for(ours.connection.flush(), 5)
    assert (ours.ended, ours.sent) == (1, sent)


async def test_ends_that_have_nothing_to_say_stay_connected(quick: None) -> None:
    ours, theirs = End(), End()
    connect(ours, theirs)
    begun = ours.connection.heard
    await until(lambda: ours.connection.heard > begun + 0.5)
    assert (ours.ended, theirs.ended) == (0, 0)
    for end in (ours, theirs):
        end.connection.close()


async def test_who_closes_is_not_told_and_sends_nothing_more() -> None:
    ours = End()
    ours.connection.write(b"a")
    waiting = asyncio.create_task(ours.connection.flush())
    await until(lambda: ours.sent)
    ours.connection.close()
    await asyncio.wait_for(waiting, 5)
    sent = ours.sent
    ours.connection.write(b"b")
    for _ in range(10):
        await asyncio.sleep(0)
    assert (ours.sent, ours.ended) == (sent, 0)


async def test_a_layer_that_fails_is_tried_again_and_counted(quick: None) -> None:
    ours, theirs = End(), End()
    connect(ours, theirs)
    ours.failing = ConnectionError("the layer is away")
    ours.connection.write(b"a")
    await until(lambda: ours.connection.counts.failures >= 3)
    ours.failing = None
    await asyncio.wait_for(ours.connection.flush(), 5)
    assert theirs.taken == [b"a"]
    for end in (ours, theirs):
        end.connection.close()


async def test_a_defect_ends_it_and_is_shown() -> None:
    ours = End()
    ours.failing = ZeroDivisionError()
    with capture_logs() as logs:
        ours.connection.write(b"a")
        await until(lambda: ours.ended)
    assert [line["event"] for line in logs] == ["task_failed"]
    assert not ours.connection.open


async def test_what_cannot_be_of_this_stream_is_told_to_who_brought_it() -> None:
    ours = End()
    with pytest.raises(StreamBroken):
        ours.connection.received(Packet("s", "reply", 0, 5))
    ours.connection.close()
