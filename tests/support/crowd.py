"""A node in a cluster too large for everybody to link to everybody (L1)."""

from typing import Any

from gossip.core.context import CloseCode
from tests.support.core import Subject
from tests.support.frames import WALL, endpoint, exchange

ENOUGH = CloseCode.ENOUGH


def record(name: str, **changes: Any) -> dict[str, Any]:
    """A member as an extended peer names it."""
    fields = {
        "id": name,
        "gossipEndpoint": endpoint(name),
        "capabilities": ["gx1"],
        "incarnation": WALL,
    }
    return fields | changes


def listing(subject: Subject, link: int, peer: str, *names: str, **changes: Any) -> list[Any]:
    """A peer names these members."""
    peers = [record(name, **changes) for name in names]
    return subject.receive(link, exchange(peer, "members", peers=peers))


def linked(*peers: str, **changes: Any) -> Subject:
    """A node that these dialed, on links 1, 2 and so on."""
    subject = Subject(**changes)
    for link, peer in enumerate(peers, 1):
        subject.joined(link, peer)
    return subject


def crowd(count: int = 30, **changes: Any) -> Subject:
    """A node linked to `a` and `b`, which named so many more."""
    subject = linked("a", "b", **changes)
    listing(subject, 1, "a", *(f"m{number}" for number in range(count)))
    return subject


def filled(count: int, **changes: Any) -> Subject:
    """The same, with `count` links accepted besides."""
    subject = crowd(**changes)
    for number in range(count):
        subject.joined(10 + number, f"m{number}")
    return subject
