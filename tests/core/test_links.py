"""Connections, rates, and which of several to one peer survives (L2, R2, W4)."""

from gossip.core.config import Limits
from gossip.core.events import Instant, LinkId
from gossip.core.links import Link, Links
from tests.support.core import config

NOW = Instant(10.0, 0)


def joined(
    links: Links,
    number: int,
    peer: str = "b",
    *,
    dialed: bool = False,
    extended: bool = True,
    incarnation: int = 1,
    own: int = 1,
    join_id: str = "",
) -> Link:
    link = links.open(LinkId(number), "ws://b/ws" if dialed else None, False, NOW)
    links.identify(link, peer)
    link.introduced = link.joined = True
    link.extended, link.join_id = extended, join_id
    link.incarnation, link.own_incarnation = incarnation, own
    return link


def survivor(links: Links, me: str = "a") -> int | None:
    chosen = links.settle_duplicates("b", me)
    return None if chosen is None else chosen.id


def best(links: Links) -> list[int]:
    return [link.id for link in links.best()]


def test_a_link_is_found_until_it_closes() -> None:
    links = Links(config())
    link = links.open(LinkId(1), None, False, NOW)
    assert links.get(LinkId(1)) is link
    link.closing = True
    assert links.get(LinkId(1)) is None
    assert links.close(LinkId(1)) is link
    assert links.close(LinkId(1)) is None
    assert len(links) == 0


def test_a_peer_is_linked_while_one_of_its_links_is_open() -> None:
    links = Links(config())
    joined(links, 1)
    second = joined(links, 2)
    assert [link.id for link in links.to("b")] == [1, 2]
    second.closing = True
    links.close(LinkId(1))
    assert not links.linked("b")
    links.close(LinkId(2))
    assert links.to("b") == []


def test_l2_one_link_alone_needs_no_decision() -> None:
    links = Links(config())
    joined(links, 1)
    assert survivor(links) is None
    joined(links, 2, extended=False)
    assert survivor(links) is None
    assert survivor(Links(config())) is None


def test_l2_the_higher_incarnation_wins() -> None:
    links = Links(config())
    joined(links, 1, incarnation=2)
    joined(links, 2, dialed=True, incarnation=1)
    assert survivor(links, me="a") == 1


def test_l2_the_lives_of_both_ends_count_alike() -> None:
    """An end that refuted in between said so on one of the links: both know on which."""
    ours, theirs = Links(config()), Links(config())
    for number, own in enumerate((1, 2)):
        joined(ours, number, "b", dialed=number == 0, own=own)
        joined(theirs, number, "a", dialed=number == 1, incarnation=own)
    kept, also = ours.settle_duplicates("b", "a"), theirs.settle_duplicates("a", "b")
    assert kept is not None
    assert also is not None
    assert kept.id == also.id == 1


def test_l2_a_link_on_which_we_did_not_introduce_ourselves_waits() -> None:
    links = Links(config())
    joined(links, 1)
    joined(links, 2, incarnation=2).introduced = False
    assert survivor(links) is None


def test_l2_then_the_link_that_the_smaller_id_dialed() -> None:
    links = Links(config())
    joined(links, 1, dialed=True)
    joined(links, 2)
    assert survivor(links, me="a") == 1
    assert survivor(links, me="c") == 2


def test_l2_then_both_ends_go_by_the_join_of_the_end_that_dialed() -> None:
    dialer, accepter = Links(config()), Links(config())
    for number, join_id in enumerate(("x", "y")):
        joined(dialer, number, "b", dialed=True, join_id=join_id)
    for number, join_id in enumerate(("y", "x")):
        joined(accepter, number, "a", join_id=join_id)
    ours, theirs = dialer.settle_duplicates("b", "a"), accepter.settle_duplicates("a", "b")
    assert ours is not None
    assert theirs is not None
    assert ours.join_id == theirs.join_id == "y"


def test_l2_the_loser_is_replaced_by_the_survivor() -> None:
    links = Links(config())
    winner, loser = joined(links, 1, dialed=True), joined(links, 2)
    links.settle_duplicates("b", "a")
    assert not loser.usable
    assert best(links) == [1]
    assert links.replaced_by(winner) == [loser]
    assert links.replaced_by(loser) == []
    loser.closing = True
    assert links.replaced_by(winner) == []


def test_l2_a_later_and_stronger_link_replaces_the_survivor() -> None:
    links = Links(config())
    first = joined(links, 1, incarnation=1)
    second = joined(links, 2, incarnation=2)
    assert survivor(links) == 2
    third = joined(links, 3, incarnation=3)
    assert survivor(links) == 3
    assert links.replaced_by(third) == [first, second]


def test_who_has_not_joined_is_sent_nothing() -> None:
    links = Links(config())
    link = links.open(LinkId(1), None, False, NOW)
    links.identify(link, "b")
    assert best(links) == []
    assert links.replaced_by(links.open(LinkId(2), None, False, NOW)) == []


def test_w3_nothing_goes_before_our_own_join() -> None:
    links = Links(config())
    link = joined(links, 1)
    link.introduced = False
    assert best(links) == []
    link.introduced = True
    links.changed()
    assert best(links) == [1]


def test_w4_a_plain_peer_is_sent_to_on_the_newest_link() -> None:
    links = Links(config())
    joined(links, 2, extended=False)
    joined(links, 3, "c")
    newest = joined(links, 4, extended=False)
    assert best(links) == [3, 4]
    newest.closing = True
    links.changed()
    assert best(links) == [2, 3]


def rated(**limits: int) -> tuple[Link, list[float | None]]:
    """A link, and what it says to a frame of ten bytes in each of these moments."""
    configuration = config(limits=Limits(**limits))
    link = Links(configuration).open(LinkId(1), None, False, NOW)
    moments = (10.0, 10.1, 10.2, 11.0, 11.5, 12.0)
    return link, [link.count(10, moment, configuration) for moment in moments]


def test_r2_frames_per_second_have_a_bound() -> None:
    link, pauses = rated(frames_per_second=2)
    assert pauses == [None, None, 11.0, None, None, None]
    assert link.over_rate_since is None


def test_r2_bytes_per_second_have_a_bound() -> None:
    _, pauses = rated(bytes_per_second=20)
    assert pauses == [None, None, 11.0, None, None, None]


def test_r2_who_goes_on_is_over_rate_since_the_first_time() -> None:
    link, pauses = rated(frames_per_second=1)
    assert pauses == [None, 11.0, 11.0, None, 12.0, None]
    assert link.over_rate_since == 10.1
