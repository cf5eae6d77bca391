"""What a node fetches from plain peers, and how the test answers (A4)."""

import json
from collections.abc import Iterable
from typing import Any

from gossip.core.effects import Effect, Fetch
from gossip.core.entries import Entry
from gossip.core.events import Fetched
from tests.support.core import Subject
from tests.support.frames import Frame, heartbeat

STATE = "http://p.example:3001/gossip/state"


def fetches(effects: Iterable[Effect]) -> list[str]:
    """The URLs to be fetched."""
    return [effect.url for effect in effects if isinstance(effect, Fetch)]


def state(*entries: Entry, count: int = 0, node_id: object = "p") -> bytes:
    """The answer to `GET /gossip/state`."""
    data = {}
    for entry in entries:
        data[entry.key] = {"version": entry.version, "timestamp": entry.version}
        if entry.value is not None:
            data[entry.key]["value"] = json.loads(entry.value)
    answer = {"nodeId": node_id, "version": count, "dataCount": len(data), "data": data}
    return json.dumps({"success": True, "state": answer}).encode()


def answer(
    subject: Subject, body: bytes | None, *, url: str = STATE, seconds: float = 0.1
) -> list[Effect]:
    """What was fetched arrives."""
    return subject.handle(Fetched(url, body, seconds))


def counting(count: int, sender: str = "p") -> Frame:
    """A heartbeat of a plain peer that has applied so many updates."""
    return heartbeat(sender, ttl=1) | {"version": count}


def keys(number: int, prefix: str = "k") -> list[Entry]:
    return [Entry(f"{prefix}{index}", 1, b"1") for index in range(number)]


def alive(subject: Subject, seconds: int, count: int, link: int = 1) -> list[Effect]:
    """Let time pass in which the plain peer says how many updates it has applied."""
    effects: list[Effect] = []
    for _ in range(0, seconds, 5):
        effects += subject.receive(link, counting(count))
        effects += subject.wait(5.0)
    return effects


def known(count: int = 1, *entries: Entry, **changes: Any) -> Subject:
    """A node that has just fetched the state of the plain peer "p", on link 1: one key at least."""
    subject = Subject(**changes)
    subject.plain(1, "p")
    subject.receive(1, counting(count))
    subject.wait(2.0)
    answer(subject, state(*(entries or keys(1, "known")), count=count))
    return subject
