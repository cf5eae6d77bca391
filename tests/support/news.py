"""News of members: frames that bring it, and what a node under test told."""

from typing import Any

from gossip.core.effects import Effect, KeepIncarnation
from gossip.core.events import DialFailed
from tests.support.core import Subject, sent
from tests.support.frames import WALL, Frame, endpoint, exchange, heartbeat


def news(sender: str, *items: object, **fields: Any) -> Frame:
    """A heartbeat of an extended peer that brings news."""
    return heartbeat(sender, news=items, **fields)


def told(effects: list[Effect], link: int | None = None) -> list[list[object]]:
    """The items of news that were sent."""
    frames = [frame for frame in sent(effects, link) if frame["type"] == "heartbeat"]
    return [item for frame in frames for item in frame["data"].get("news", ())]


def kept(effects: list[Effect]) -> list[int]:
    """The incarnations that the store is to keep."""
    return [effect.incarnation for effect in effects if isinstance(effect, KeepIncarnation)]


def unlinked(**config: Any) -> Subject:
    """Linked to `a`, with a member `b` that it holds no link to."""
    subject = Subject(dial_backoff=1e6, dial_backoff_max=1e6, **config)
    subject.joined(1, "a")
    subject.joined(2, "b")
    subject.lose(2)
    return subject


def out_of_reach(**config: Any) -> Subject:
    """Linked to `a`, which vouches for a member `n` that nobody can dial."""
    subject = Subject(**config)
    subject.joined(1, "a")
    subject.receive(1, named("a", "n"))
    return subject


def named(sender: str, *node_ids: str, incarnation: int = WALL) -> Frame:
    """An extended peer names members that it holds a link to and nobody can dial."""
    peers = [
        {"id": node_id, "capabilities": ["gx1"], "incarnation": incarnation} for node_id in node_ids
    ]
    return exchange(sender, "members", peers=peers)


def without_buried(node_id: str) -> Subject:
    """Linked to `a`; this member was removed."""
    subject = unlinked()
    subject.wait(0.1)
    subject.handle(DialFailed(endpoint(node_id), refused=True))
    subject.hear(70, a=1)
    assert subject.statuses() == {"a": "active"}
    return subject
