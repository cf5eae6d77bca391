from gossip.core.entries import Entry
from gossip.core.members import PeerRecord
from gossip.stores.backlog import Backlog, Renewal


def entry(key: str, version: int = 1) -> Entry:
    return Entry(key, version, b"0")


def test_the_newest_of_a_key_waits_whatever_the_order() -> None:
    backlog = Backlog()
    for version in (2, 3, 1):
        backlog.add_entry(entry("k", version))
    assert len(backlog) == 1
    assert backlog.take(10).entries == {"k": entry("k", 3)}


def test_the_last_word_about_a_member_waits() -> None:
    backlog = Backlog()
    backlog.add_peer("a", PeerRecord(node_id="a"))
    backlog.add_peer("a", None)
    assert backlog.take(10).peers == {"a": None}


def test_at_most_the_limit_is_taken_members_first_then_the_oldest() -> None:
    backlog = Backlog()
    for key in ("x", "y", "z"):
        backlog.add_entry(entry(key))
    backlog.add_peer("a", None)
    taken = backlog.take(3)
    assert (list(taken.peers), list(taken.entries)) == (["a"], ["x", "y"])
    assert len(backlog) == 1


def test_what_is_put_back_does_not_overwrite_what_came_meanwhile() -> None:
    backlog = Backlog()
    backlog.add_entry(entry("newer", 1))
    backlog.add_entry(entry("older", 5))
    backlog.add_peer("gone", PeerRecord(node_id="gone"))
    taken = backlog.take(10)
    backlog.add_entry(entry("newer", 2))
    backlog.add_entry(entry("older", 4))
    backlog.add_peer("gone", None)
    backlog.put_back(taken)
    assert backlog.take(10).entries == {"newer": entry("newer", 2), "older": entry("older", 5)}
    assert len(backlog) == 0


def test_a_tombstone_is_removed_behind_what_was_queued_before() -> None:
    backlog = Backlog()
    for key in ("x", "y"):
        backlog.add_entry(entry(key))
    backlog.forget_entry(Entry("x", 1, None))
    first = backlog.take(1)
    assert (list(first.entries), list(first.dropped)) == (["x"], [])
    second = backlog.take(2)
    assert (list(second.entries), list(second.dropped)) == (["y"], ["x"])


def test_putting_back_a_removal_keeps_the_later_one() -> None:
    backlog = Backlog()
    backlog.forget_entry(Entry("x", 1, None))
    taken = backlog.take(9)
    backlog.forget_entry(Entry("x", 5, None))
    backlog.put_back(taken)
    assert backlog.take(9).dropped == {"x": Entry("x", 5, None)}


def test_putting_back_keeps_the_last_word_about_a_member() -> None:
    backlog = Backlog()
    backlog.add_peer("a", PeerRecord(node_id="a"))
    taken = backlog.take(10)
    backlog.add_peer("a", None)
    backlog.put_back(taken)
    assert backlog.take(10).peers == {"a": None}


def test_of_our_own_incarnations_the_greatest_waits_and_is_taken_first() -> None:
    backlog = Backlog()
    renewals = {number: Renewal(number, lambda: None) for number in (5, 7, 6)}
    for renewal in renewals.values():
        backlog.add_renewal(renewal)
    backlog.add_peer("a", None)
    assert len(backlog) == 2
    taken = backlog.take(1)
    assert taken.renewal is renewals[7]
    backlog.put_back(taken)
    backlog.add_renewal(renewals[6])
    assert backlog.take(1).renewal is renewals[7]
    assert len(backlog) == 0
