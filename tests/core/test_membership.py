"""Who joins, and what it is answered (W3, W4, M1, M7, R1)."""

from typing import Any

import msgspec
import pytest

from gossip.core.config import Limits
from gossip.core.effects import NoticeKind
from gossip.core.entries import Entry
from gossip.core.events import Committed, DialFailed, FrameReceived, LinkId, Resumed
from tests.support.core import (
    BOOTSTRAP,
    Subject,
    bootstrapped,
    closed,
    dials,
    kinds,
    notices,
    pushed,
    remembered,
    sent,
)
from tests.support.frames import (
    WALL,
    endpoint,
    heartbeat,
    join,
    message,
    names,
    plain_join,
    sync,
)

# Joining


def test_w3_who_dials_speaks_first() -> None:
    subject = bootstrapped()
    [frame] = sent(subject.reach(1, BOOTSTRAP), 1)
    assert (frame["type"], frame["ttl"], frame["data"]["nodeId"]) == ("join", 0, "0xme")
    assert frame["data"]["capabilities"] == ["gx1"]
    assert frame["data"]["incarnation"] == WALL
    assert frame["data"]["root"] == {"n": 0, "sum": "0"}
    assert sent(subject.accept(2)) == []


def test_w4_who_accepted_answers_an_extended_peer_once_with_a_join_alone() -> None:
    subject = Subject()
    subject.hold(Entry("k", 1, b"1"))
    assert kinds(subject.joined(1, "a"), 1) == ["join"]
    assert kinds(subject.receive(1, join("a", region="moved")), 1) == []
    assert subject.node.members()[0].record.region == "moved"


def test_w4_who_dialed_never_answers() -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    assert kinds(subject.receive(1, join("a")), 1) == []
    assert subject.statuses() == {"a": "active"}


def test_w4_a_plain_peer_gets_join_state_and_names() -> None:
    subject = Subject()
    subject.hold(Entry("k", 1, b"1"))
    subject.joined(1, "a")
    effects = subject.plain(2, "p")
    assert kinds(effects, 2)[0] == "join"
    assert sorted(kinds(effects, 2)) == ["join", "peer_discovery", "sync"]
    [discovery] = [frame for frame in sent(effects, 2) if "peers" in frame["data"]]
    assert [peer["id"] for peer in discovery["data"]["peers"]] == ["a"]
    assert pushed(effects, 2) == ["k"]


def test_w4_a_plain_peer_gets_the_whole_state_at_most_twice_a_minute() -> None:
    subject = Subject()
    subject.hold(Entry("k", 1, b"1"))
    wholes = []
    for link in range(1, 9):
        wholes.append(pushed(subject.plain(link, "p"), link))
        subject.monotonic += 10.0
    assert wholes == [["k"], [], [], ["k"], [], [], ["k"], []]


def test_w4_data_for_a_plain_peer_goes_to_its_newest_socket() -> None:
    subject = Subject()
    effects = subject.plain(1, "p") + subject.plain(2, "p")
    assert closed(effects) == {}
    effects = subject.write("k", b"1") + subject.wait(0.1)
    assert (pushed(effects, 1), pushed(effects, 2)) == ([], ["k"])
    subject.lose(2)
    subject.wait(0.1)
    assert pushed(subject.write("l", b"1"), 1) == ["l"]


def test_w3_nothing_goes_before_our_join() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.hold(*(Entry(f"{number}", 1, b"1") for number in range(10_000)))
    written, _ = subject.begin("k", b"1")
    subject.accept(2)
    # Our join tells our root, which takes several slices to compute; meanwhile others write.
    effects = subject.step(FrameReceived(LinkId(2), msgspec.json.encode(join("b"))))
    effects += subject.step(Committed((written,)))
    assert pushed(effects, 1) == ["k"]
    assert sent(effects, 2) == []
    assert kinds(subject.handle(Resumed()), 2)[0] == "join"


def test_a_newcomer_is_announced_in_each_peers_own_way() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.plain(2, "p")
    subject.wait(0.1)
    effects = subject.joined(3, "b") + subject.wait(0.1)
    assert kinds(effects, 1) == ["members"]
    assert kinds(effects, 2) == ["peer_announcement"]
    [announcement] = sent(effects, 2)
    assert (announcement["ttl"], announcement["data"]["peer"]["id"]) == (0, "b")
    assert kinds(subject.receive(3, join("b"))) == []


def test_w9_a_member_without_endpoint_is_announced_to_no_plain_peer() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.plain(2, "p")
    subject.wait(0.1)
    effects = subject.joined(3, "b", gossipEndpoint=None) + subject.wait(0.1)
    assert (kinds(effects, 1), kinds(effects, 2)) == (["members"], [])


def test_joining_is_noticed_and_remembered() -> None:
    effects = Subject().joined(1, "a")
    assert notices(effects) == [(NoticeKind.PEER_JOINED, "a")]
    assert remembered(effects) == ["a"]


def test_members_have_a_bound() -> None:
    subject = Subject(limits=Limits(members=2))
    for number in (1, 2, 3):
        subject.joined(number, f"n{number}")
    assert subject.statuses().keys() == {"n1", "n2"}
    assert subject.refused["members-full"] == 1


# Incarnations


def test_m1_an_incarnation_from_the_future_is_refused() -> None:
    subject = Subject(max_clock_skew=300.0)
    subject.joined(1, "a", incarnation=WALL + 300_001)
    assert subject.statuses() == {}
    assert subject.refused["incarnation"] == 1
    subject.joined(2, "b", incarnation=WALL + 300_000)
    assert subject.statuses() == {"b": "active"}


# Our own id


def test_m7_who_accepts_a_join_with_its_own_id_closes() -> None:
    subject = Subject()
    effects = subject.joined(1, "0xme")
    assert closed(effects) == {1: 4410}
    assert subject.statuses() == {}


def test_m7_only_who_dialed_remembers_the_url_as_its_own() -> None:
    subject = bootstrapped()
    subject.accept(1)
    subject.lose(1, 4410)
    (ours,) = sent(subject.reach(2, BOOTSTRAP), 2)
    subject.accept(3)
    assert closed(subject.receive(3, ours)) == {3: 4410}
    assert notices(subject.lose(3, 4410)) == []
    assert notices(subject.lose(2, 4410)) == [(NoticeKind.OWN_URL, BOOTSTRAP)]
    assert dials(subject.wait(29.0)) == []
    assert dials(subject.wait(31.0)) == [BOOTSTRAP]


def test_m7_who_says_own_id_without_being_ourselves_uses_our_id() -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    assert notices(subject.lose(1, 4410)) == [(NoticeKind.ID_TAKEN, BOOTSTRAP)]
    alone = f"bootstrap: nobody to join at {BOOTSTRAP}"
    taken = "identity: another node uses this node's id"
    assert subject.node.overview(subject.now).reasons == (alone, taken)
    assert BOOTSTRAP in dials(subject.wait(6.0))
    subject.wait(300.0)
    assert subject.node.overview(subject.now).reasons == (alone,)


def test_a_bootstrap_peer_that_does_not_answer_is_told_once_and_named_while_we_are_alone() -> None:
    subject = bootstrapped()
    failed = DialFailed(BOOTSTRAP, refused=True)
    assert notices(subject.handle(failed)) == [(NoticeKind.BOOTSTRAP_SILENT, BOOTSTRAP)]
    subject.wait(6.0)
    assert notices(subject.handle(failed)) == []
    reasons = subject.node.overview(subject.now).reasons
    assert reasons == (f"bootstrap: nobody to join at {BOOTSTRAP}",)
    subject.joined(1, "a")
    assert subject.node.overview(subject.now).reasons == ()


def test_l2_a_duplicate_of_a_link_that_we_do_not_hold_uses_our_id() -> None:
    subject = Subject()
    subject.joined(1, "a")
    assert (NoticeKind.ID_TAKEN, "a") in notices(subject.lose(1, 4409))


def test_l2_a_duplicate_that_we_closed_says_nothing_of_our_id() -> None:
    subject = Subject()
    subject.joined(1, "a")
    subject.joined(2, "a", incarnation=WALL + 1)
    assert closed(subject.receive(2, heartbeat("a", incarnation=WALL + 1))) == {1: 4409}
    subject.lose(2)
    assert NoticeKind.ID_TAKEN not in [kind for kind, _ in notices(subject.lose(1, 4409))]


def test_m7_links_that_break_soon_are_redialed_ever_later() -> None:
    subject = Subject()
    waits = []
    for link in range(1, 13):
        subject.joined(link, "a")
        subject.lose(link)
        waits.append(min(subject.timers["dial"].at, subject.monotonic + 99) - subject.monotonic)
    assert max(waits[:5]) <= 0.05
    assert max(waits[8:]) > 1.0


def test_m7_nothing_is_learned_from_an_inbound_claim() -> None:
    subject = bootstrapped()
    subject.handle(DialFailed(BOOTSTRAP, refused=True))
    subject.lose(1, 4410)
    subject.joined(2, "0xme", gossipEndpoint=BOOTSTRAP)
    assert BOOTSTRAP in dials(subject.wait(6.0))


# Plain links


@pytest.mark.parametrize(
    "frame",
    [sync("p"), names("p", []), heartbeat("p", ttl=1)],
    ids=["sync", "discovery", "heartbeat"],
)
def test_r1_a_plain_peer_that_we_dialed_shows_who_it_is(frame: dict[str, Any]) -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    subject.receive(1, frame)
    assert subject.statuses() == {"p": "active"}
    assert subject.node.members()[0].record.gossip_endpoint == BOOTSTRAP


@pytest.mark.parametrize(
    "frame",
    [
        heartbeat("x", ttl=0),
        plain_join("x"),
        message("gossip", "x", {"key": "k", "version": 1}, 5),
        message("leave", "x", {"reason": "x"}),
        sync("0xme"),
    ],
    ids=["relayed heartbeat", "relayed join", "gossip", "leave", "own id"],
)
def test_r1_what_was_relayed_does_not_show_who_it_is(frame: dict[str, Any]) -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    assert closed(subject.receive(1, frame)) == {}
    assert subject.statuses() == {}


def test_r1_who_does_not_join_on_a_link_that_we_dialed_is_dialed_again() -> None:
    subject = bootstrapped()
    subject.reach(1, BOOTSTRAP)
    assert closed(subject.wait(9.0)) == {}
    assert closed(subject.wait(2.0)) == {1: 4408}
    subject.lose(1, 4408)
    assert dials(subject.wait(1.0)) == [BOOTSTRAP]


def test_r2_a_join_in_the_name_of_another_is_refused() -> None:
    subject = Subject()
    subject.accept(1)
    subject.receive(1, join("a") | {"from": "b"})
    assert subject.statuses() == {}
    assert subject.refused["join-sender"] == 1


@pytest.mark.parametrize("ttl", [0, 3])
def test_m2_the_join_of_another_is_a_name_to_dial(ttl: int) -> None:
    subject = Subject()
    subject.plain(1, "p")
    effects = subject.receive(1, join("x", ttl=ttl)) + subject.wait(2.0)
    assert subject.statuses() == {"p": "active"}
    assert dials(effects) == [endpoint("x")]


def test_r4_the_join_of_another_is_forwarded() -> None:
    subject = Subject()
    subject.plain(1, "p")
    subject.plain(2, "q")
    [copy] = sent(subject.receive(1, join("x", ttl=3)))
    assert (copy["type"], copy["from"], copy["ttl"]) == ("join", "x", 2)
