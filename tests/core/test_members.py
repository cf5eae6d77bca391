"""The table of members and the graveyard (M1–M3, M5)."""

from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.members import Member, Members, PeerRecord, Status
from gossip.core.roots import Root
from tests.support.core import config

ME = PeerRecord(node_id="0xme", incarnation=1)


def record(node_id: str = "a", **fields: Any) -> PeerRecord:
    return PeerRecord(node_id=node_id, life=fields.get("incarnation", 0), **fields)


def member(members: Members, node_id: str = "a") -> Member:
    found = members.get(node_id)
    assert found is not None
    return found


def joined(members: Members, of: PeerRecord, now: float = 0.0) -> Member:
    """A `join` at this monotonic second."""
    return members.joined(of, now, round(now * 1_000), loopback=False)


def table(*node_ids: str, **limits: int) -> Members:
    members = Members(config(limits=Limits(**limits)))
    for node_id in node_ids:
        joined(members, record(node_id))
    return members


def test_m2_who_joins_is_active() -> None:
    members = table()
    newcomer = joined(members, record(incarnation=5), 1.5)
    assert newcomer is member(members)
    assert (newcomer.status, newcomer.silent_since) == (Status.ACTIVE, 1.5)
    assert newcomer.seen_wall == 1_500
    assert "a" in members
    assert [each.record.node_id for each in members.active()] == ["a"]


@pytest.mark.parametrize("status", list(Status))
def test_m2_who_joins_again_is_active_whatever_it_was_before(status: Status) -> None:
    members = table("a")
    members.mark(member(members), status)
    assert joined(members, record(), 1.0) is member(members)
    assert member(members).status is Status.ACTIVE


def test_m1_an_earlier_incarnation_is_evidence_and_nothing_more() -> None:
    members = table()
    joined(members, record(incarnation=5, region="new"), 1.0)
    joined(members, record(incarnation=4, region="old"), 2.0)
    assert member(members).record.region == "new"
    assert member(members).silent_since == 2.0
    joined(members, record(incarnation=5, region="newest"), 3.0)
    assert member(members).record.region == "newest"


def test_members_have_a_bound_that_those_listed_do_not_meet() -> None:
    members = table("a", "b", members=2)
    with pytest.raises(OverflowError):
        joined(members, record("c"))
    assert joined(members, record("a")).status is Status.ACTIVE
    assert len(members) == 2


def test_m3_a_mention_of_the_buried_earns_a_dial_now_and_then() -> None:
    members = table("a")
    again = config().mention_again
    assert members.graves.earns_dial("never heard of", 0.0)
    assert members.graves.earns_dial("a", 0.0)
    for burial in (0.0, 5.0):
        members.bury(member(members))
        assert "a" not in members
        assert members.graves.earns_dial("a", burial)
        assert not members.graves.earns_dial("a", burial + again - 1)
        assert members.graves.earns_dial("a", burial + again)
        joined(members, record())
        assert members.graves.earns_dial("a", burial + again)


def test_m3_the_graveyard_has_a_bound() -> None:
    members = table("a", "b", "c", graveyard=2)
    for node_id in ("a", "b", "c"):
        members.bury(member(members, node_id))
        members.graves.earns_dial(node_id, 0.0)
    assert [members.graves.earns_dial(node_id, 1.0) for node_id in "abc"] == [True, False, False]


def test_m5_the_root_is_of_active_members_and_ourselves() -> None:
    members = table()
    alone = members.root(ME)
    assert alone == Root(1, ME.hash)
    joined(members, record(incarnation=1))
    assert members.root(ME) == Root(2, ME.hash + record(incarnation=1).hash)
    members.mark(member(members), Status.SUSPECTED)
    assert members.root(ME) == alone
    members.revive(member(members), 1.0, 1)
    assert members.root(ME).n == 2
    joined(members, record(incarnation=2))
    assert members.root(ME) == Root(2, ME.hash + record(incarnation=2).hash)
    members.bury(member(members))
    assert members.root(ME) == alone


def test_m5_two_members_compute_the_same_root() -> None:
    ours, theirs = table(), table()
    joined(ours, record("a", incarnation=3, region="x"))
    joined(theirs, ME)
    assert ours.root(ME) == theirs.root(record("a", incarnation=3))


def test_w3_extended_peers_say_so() -> None:
    assert record(capabilities=("x", "gx1")).extended
    assert not record(capabilities=("gx10",)).extended


def test_l4_who_named_the_endpoint_is_remembered_with_it() -> None:
    members = table("a")
    assert not member(members).loopback
    members.joined(record(incarnation=2), 0.0, 0, loopback=True)
    assert member(members).loopback
    joined(members, record(incarnation=1))
    assert member(members).loopback


def test_members_are_counted_and_found_by_their_address() -> None:
    members = table("a", "b")
    joined(members, record("c", gossip_endpoint="ws://c/ws"))
    joined(members, record("d", gossip_endpoint="ws://c/ws"))
    assert members.active_count == len(members.active()) == 4
    assert members.at("ws://c/ws") == [member(members, "c"), member(members, "d")]
    members.mark(member(members, "a"), Status.SUSPECTED)
    members.mark(member(members, "d"), Status.INACTIVE)
    assert members.active_count == len(members.active()) == 2
