from collections import deque

from gossip.core.events import (
    Event,
    FrameReceived,
    LinkId,
    RequestId,
    Resumed,
    TimerFired,
    WriteRequested,
)
from gossip.runtime.inbox import Inbox


class Frames:
    """A source of numbered frames."""

    def __init__(self, link: int, count: int) -> None:
        self.enlisted = False
        self.events: deque[Event] = deque(
            FrameReceived(LinkId(link), f"{number}") for number in range(count)
        )

    @property
    def waiting(self) -> bool:
        return bool(self.events)

    def take(self) -> Event:
        return self.events.popleft()


def write(number: int) -> WriteRequested:
    return WriteRequested(RequestId(number), "k", b"1")


def links(events: list[Event]) -> list[int]:
    return [event.link for event in events if isinstance(event, FrameReceived)]


def drain(inbox: Inbox) -> list[Event]:
    events = []
    while (event := inbox.next()) is not None:
        events.append(event)
    return events


def test_links_take_turns() -> None:
    inbox = Inbox()
    for source in (Frames(1, 4), Frames(2, 1), Frames(3, 2)):
        inbox.enlist(source)
    assert links(drain(inbox)) == [1, 2, 3, 1, 3, 1, 1]


def test_urgent_events_go_first() -> None:
    inbox = Inbox()
    inbox.enlist(Frames(1, 2))
    assert links([inbox.next() or Resumed()]) == [1]
    inbox.post(TimerFired("round", 1))
    assert inbox.next() == TimerFired("round", 1)


def test_writes_and_links_alternate() -> None:
    inbox = Inbox()
    inbox.enlist(Frames(1, 3))
    for number in range(3):
        inbox.write(write(number))
    kinds = [type(event).__name__[0] for event in drain(inbox)]
    assert kinds == ["W", "F", "W", "F", "W", "F"]


def test_a_source_is_enlisted_once() -> None:
    inbox = Inbox()
    source = Frames(1, 2)
    inbox.enlist(source)
    inbox.enlist(source)
    assert len(drain(inbox)) == 2
    assert not source.enlisted
    assert not inbox.waiting


def test_paused_links_let_writes_and_urgent_events_through() -> None:
    inbox = Inbox()
    inbox.enlist(Frames(1, 1))
    inbox.pause_links()
    inbox.write(write(1))
    inbox.post(Resumed())
    assert drain(inbox) == [Resumed(), write(1)]
    assert not inbox.waiting
    inbox.resume_links()
    assert links(drain(inbox)) == [1]


def test_a_held_link_waits_while_the_others_go_on() -> None:
    inbox = Inbox()
    inbox.enlist(Frames(1, 3))
    inbox.enlist(Frames(2, 2))
    inbox.next()
    inbox.hold()
    assert links(drain(inbox)) == [2, 2]
    inbox.release()
    assert links(drain(inbox)) == [1, 1]


def test_a_held_link_that_was_empty_is_not_lost() -> None:
    inbox = Inbox()
    source = Frames(1, 1)
    inbox.enlist(source)
    inbox.next()
    inbox.hold()
    source.events.append(FrameReceived(LinkId(1), "later"))
    inbox.enlist(source)
    assert inbox.next() is None
    inbox.release()
    assert links(drain(inbox)) == [1]


def test_nothing_is_held_behind_an_urgent_event() -> None:
    inbox = Inbox()
    inbox.enlist(Frames(1, 2))
    inbox.next()
    inbox.post(Resumed())
    inbox.next()
    inbox.hold()
    assert links(drain(inbox)) == [1]


def test_a_parked_link_waits_and_comes_back() -> None:
    inbox = Inbox()
    source = Frames(1, 2)
    inbox.enlist(source)
    inbox.enlist(Frames(2, 1))
    inbox.next()
    inbox.park(source)
    inbox.park(source)
    inbox.enlist(source)
    inbox.hold()
    assert links(drain(inbox)) == [2]
    inbox.release()
    assert drain(inbox) == []
    inbox.unpark(source)
    assert links(drain(inbox)) == [1]
