"""Nothing that a peer sends raises out of the core, or makes it send what is invalid (R1, R2).

`Subject` checks every frame that the node sends: its size, its JSON, and that the link is open.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from gossip.core.config import Limits
from gossip.core.events import LinkBlocked, LinkId, LinkWritable
from tests.property.strategies import received
from tests.support.core import Subject

_LINKS = (1, 2, 3, 4, 5)
"""Accepted and extended, accepted and plain, dialed, accepted and silent, another extended."""

_step = st.one_of(
    st.tuples(st.sampled_from(_LINKS), received),
    st.tuples(st.sampled_from(_LINKS), st.sampled_from(["block", "unblock", "lose"])),
    st.tuples(st.just(0), st.floats(0.001, 40.0)),
)


def subject() -> Subject:
    subject = Subject(
        bootstrap=("ws://boot.example/ws",),
        limits=Limits(faults=8, members=4, aside=2, links=8, slice_entries=2),
    )
    subject.joined(1, "a")
    subject.plain(2, "p")
    subject.reach(3, "ws://boot.example/ws")
    subject.accept(4)
    subject.joined(5, "b")
    return subject


def play(subject: Subject, link: int, what: str | bytes | float) -> None:
    match what:
        case float():
            subject.wait(what)
        case "block":
            subject.handle(LinkBlocked(LinkId(link)))
        case "unblock":
            subject.handle(LinkWritable(LinkId(link)))
        case "lose":
            subject.lose(link)
        case _:
            subject.receive(link, what)


@settings(max_examples=300)
@given(st.lists(_step, max_size=25))
def test_r2_a_node_survives_whatever_peers_do(
    steps: list[tuple[int, str | bytes | float]],
) -> None:
    node = subject()
    for link, what in steps:
        play(node, link, what)
    node.wait(20.0)
    assert len(node.node.members()) <= 4
    assert len(node.node.set_aside()) <= 2
    assert set(node.statuses().values()) <= {"active", "suspected", "inactive"}


@given(st.lists(st.tuples(st.sampled_from(_LINKS), received), max_size=25))
def test_the_same_seed_and_events_give_the_same_effects(
    frames: list[tuple[int, str | bytes]],
) -> None:
    first, second = subject(), subject()
    for link, frame in frames:
        assert first.receive(link, frame) == second.receive(link, frame)
    assert first.wait(20.0) == second.wait(20.0)
