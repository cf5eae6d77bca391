import pytest

from gossip.core.effects import Reply
from gossip.core.entries import Entry
from gossip.core.events import RequestId
from gossip.sim.disk import Disk
from gossip.sim.ledger import InvariantBroken, Ledger

OLD, NEW = Entry("key", 1, b"1"), Entry("key", 2, b"2")


def disk_with(*entries: Entry) -> Disk:
    return Disk(entries={entry.key: entry for entry in entries})


def acknowledge(
    ledger: Ledger,
    entry: Entry = NEW,
    *,
    host: str = "a",
    before: Entry | None = None,
    value: bytes | None = b"2",
    visible: Entry | None = NEW,
    disk: Disk | None = None,
) -> None:
    request = ledger.ask("a", "key", value, before)
    ledger.answer(host, Reply(request, entry), lambda _: visible, disk or disk_with(NEW))


def test_a_kept_promise_is_noted() -> None:
    ledger = Ledger()
    acknowledge(ledger, before=OLD)
    assert ledger.acknowledged == {"key": NEW}
    assert (ledger.answers, ledger.unanswered) == (1, 0)


def test_a_winner_covers_the_write() -> None:
    ledger = Ledger()
    winner = Entry("key", 3, b"3")
    acknowledge(ledger, visible=winner, disk=disk_with(winner))
    assert ledger.missing({"key": winner}.get) == []


def test_a_refusal_promises_nothing() -> None:
    ledger = Ledger()
    request = ledger.ask("a", "key", b"2", None)
    ledger.answer("a", Reply(request, None, refused="journal"), lambda _: None, Disk())
    assert (ledger.acknowledged, ledger.refused["journal"]) == ({}, 1)


def test_an_answer_before_it_is_durable_breaks_the_promise() -> None:
    with pytest.raises(InvariantBroken, match="durable"):
        acknowledge(Ledger(), disk=disk_with(OLD))


def test_an_answer_before_it_is_visible_breaks_the_promise() -> None:
    with pytest.raises(InvariantBroken, match="visible"):
        acknowledge(Ledger(), visible=OLD)


def test_an_answer_that_is_not_newer_breaks_the_promise() -> None:
    with pytest.raises(InvariantBroken, match="below"):
        acknowledge(Ledger(), before=NEW)


def test_an_answer_with_another_value_breaks_the_promise() -> None:
    with pytest.raises(InvariantBroken, match="another write"):
        acknowledge(Ledger(), value=b"3")


def test_an_answer_by_another_host_breaks_the_promise() -> None:
    with pytest.raises(InvariantBroken, match="not asked"):
        acknowledge(Ledger(), host="b")


def test_a_second_answer_breaks_the_promise() -> None:
    ledger = Ledger()
    acknowledge(ledger)
    with pytest.raises(InvariantBroken, match="twice"):
        ledger.answer("a", Reply(RequestId(1), NEW), lambda _: NEW, disk_with(NEW))


def test_an_answer_is_either_an_entry_or_a_refusal() -> None:
    ledger = Ledger()
    request = ledger.ask("a", "key", b"2", None)
    with pytest.raises(InvariantBroken, match="neither"):
        ledger.answer("a", Reply(request, None), lambda _: None, Disk())


def test_what_a_node_lacks_is_missing() -> None:
    ledger = Ledger()
    acknowledge(ledger)
    assert ledger.missing({"key": OLD}.get) == [NEW]


def test_a_restart_shows_what_is_on_the_disk() -> None:
    ledger = Ledger()
    ledger.check_restored("a", disk_with(NEW), {"key": NEW}.get)
    with pytest.raises(InvariantBroken, match="a restarted"):
        ledger.check_restored("a", disk_with(NEW), {"key": OLD}.get)


def test_a_lost_disk_releases_only_what_no_other_disk_holds() -> None:
    ledger = Ledger()
    acknowledge(ledger)
    ledger.release([disk_with(), disk_with(NEW)])
    assert ledger.acknowledged == {"key": NEW}
    ledger.release([disk_with(OLD)])
    assert ledger.acknowledged == {}
