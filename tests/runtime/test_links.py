import asyncio

import pytest
import pytest_asyncio

from gossip.core.events import Event, FrameReceived, LinkClosed, LinkId, LinkOpened
from gossip.runtime.inbox import Inbox
from gossip.runtime.links import WAITING_FRAMES, WAITING_SIZE, Link
from tests.support.runtime import MemoryWire, until

ID = LinkId(7)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest_asyncio.fixture
async def link(inbox: Inbox) -> Link:
    return Link(LinkOpened(ID), MemoryWire(), inbox)


def drain(inbox: Inbox) -> list[Event]:
    events = []
    while (event := inbox.next()) is not None:
        events.append(event)
    return events


async def test_events_keep_the_order_in_which_they_happened(inbox: Inbox, link: Link) -> None:
    link.received("a")
    link.received(b"b")
    link.closed(1001)
    assert drain(inbox) == [
        LinkOpened(ID),
        FrameReceived(ID, "a"),
        FrameReceived(ID, b"b"),
        LinkClosed(ID, 1001),
    ]


async def test_nothing_follows_the_close(inbox: Inbox, link: Link) -> None:
    link.closed(None)
    link.closed(1000)
    link.received("late")
    assert drain(inbox) == [LinkOpened(ID), LinkClosed(ID, None)]


async def test_the_socket_waits_one_past_the_bound_of_frames(inbox: Inbox, link: Link) -> None:
    inbox.next()
    for _ in range(WAITING_FRAMES):
        assert link.received("x")
    assert not link.received("x")
    over = asyncio.create_task(link.room())
    await asyncio.sleep(0)
    assert not over.done()
    drain(inbox)
    await asyncio.wait_for(over, 5)


async def test_the_socket_waits_one_past_the_bound_of_size(inbox: Inbox, link: Link) -> None:
    assert link.received("x" * WAITING_SIZE)
    assert not link.received("x")
    over = asyncio.create_task(link.room())
    await asyncio.sleep(0)
    assert not over.done()
    drain(inbox)
    await asyncio.wait_for(over, 5)


async def test_a_waiting_socket_is_let_go_when_its_link_closes(inbox: Inbox, link: Link) -> None:
    assert not link.received("x" * (WAITING_SIZE + 1))
    over = asyncio.create_task(link.room())
    await asyncio.sleep(0)
    link.close(4409, "duplicate")
    await asyncio.wait_for(over, 5)
    assert link.received("after")
    assert len(drain(inbox)) == 2


async def test_a_link_with_room_makes_nobody_wait(link: Link) -> None:
    link.received("x")
    await asyncio.wait_for(link.room(), 5)


async def test_an_abandoned_link_sends_nothing_more(inbox: Inbox) -> None:
    wire = MemoryWire(stuck=True)
    link = Link(LinkOpened(ID), wire, inbox)
    link.send("a")
    await asyncio.sleep(0)
    link.closed(None)
    await until(link.outbound.done)
    wire.reads.set()
    assert wire.sent == []
    assert wire.closed_with is None
