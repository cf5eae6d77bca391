"""What travels between web processes and the worker, there and back."""

import msgspec
import pytest

from gossip.core.conditions import Absent, All, AtVersion, Condition, OneOf, Present
from gossip.core.entries import Entry
from gossip.relay import items
from gossip.relay.items import Frame
from gossip.runtime.watch import Change, ChangeKind

ENTRY = Entry("k", 7, b'{"a":1}', 99, 5, "0xme")
TOMBSTONE = Entry("k", 8, None)


def fields(entry: Entry) -> tuple[object, ...]:
    """All of them: two entries are equal where only those that count are."""
    hashes = (entry.value_hash, entry.hash)
    return (entry.expires_at, entry.timestamp, entry.origin, *hashes)


@pytest.mark.parametrize("message", ["", "text", "é€\U0001f600", "\ud800", b"", b"\x00\xff"])
def test_a_message_of_a_websocket_is_what_it_was(message: str | bytes) -> None:
    sent = items.encode(items.Received(3, Frame.of(message)))
    received = items.decode_for_worker(sent)
    assert isinstance(received, items.Received)
    assert received.frame.message == message
    assert type(received.frame.message) is type(message)


@pytest.mark.parametrize(
    "condition",
    [
        None,
        AtVersion(2**53 - 1),
        OneOf(frozenset({"a", "b"})),
        Present(),
        Absent(),
        All((Present(), AtVersion(1))),
    ],
)
def test_a_write_keeps_its_condition(condition: Condition | None) -> None:
    asked = items.Asked(1, items.Write("k", b"1", condition, 10))
    assert items.decode_for_worker(items.encode(asked)) == asked


@pytest.mark.parametrize("what", [items.DropAside("k"), items.Forget("0xpeer")])
def test_other_requests_are_told_apart(what: items.Request) -> None:
    asked = items.Asked(1, what)
    assert items.decode_for_worker(items.encode(asked)) == asked


@pytest.mark.parametrize("entry", [ENTRY, TOMBSTONE])
def test_what_was_written_comes_back_whole(entry: Entry) -> None:
    answer = items.decode_for_web(items.encode(items.written(1, entry)))
    assert isinstance(answer, items.Answered)
    found = items.entry_of(answer)
    assert found == entry
    assert found is not None
    assert fields(found) == fields(entry)


def test_an_answer_to_another_request_brings_no_entry() -> None:
    assert items.entry_of(items.Answered(1)) is None


def test_changes_come_back_whole_and_in_order() -> None:
    changes = [
        Change("e-1", ChangeKind.DATA_SET, "k", ENTRY),
        Change("e-2", ChangeKind.DATA_DELETED, "k", TOMBSTONE),
        Change("e-3", ChangeKind.PEER_JOINED, "0xpeer", detail="ws://peer/ws"),
    ]
    told = items.decode_for_web(items.encode(items.tell(changes)))
    assert isinstance(told, items.Changes)
    assert list(items.told(told)) == changes


@pytest.mark.parametrize("item", [items.Send(1, "a"), items.Close(1, 4000, ""), items.Answered(1)])
def test_a_worker_takes_nothing_that_only_a_web_process_does(item: items.Item) -> None:
    with pytest.raises(msgspec.ValidationError):
        items.decode_for_worker(items.encode(item))


@pytest.mark.parametrize("item", [items.Opened(1, True), items.Watching(True)])
def test_a_web_process_takes_nothing_that_only_a_worker_does(item: items.Item) -> None:
    with pytest.raises(msgspec.ValidationError):
        items.decode_for_web(items.encode(item))
