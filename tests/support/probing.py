"""A node whose members are silent: it asks them, and others about them (M4)."""

from typing import Any

from gossip.core.effects import Effect, NoticeKind
from gossip.core.probes import PERIOD_TIMER
from tests.support.core import Subject, sent
from tests.support.frames import exchange, heartbeat

SUSPECTED = NoticeKind.PEER_SUSPECTED
NAMES = "abcde"
"""The members of `helped`, on links 1 to 5."""
OTHERS = {name: link for link, name in enumerate(NAMES, 1) if name != "a"}
"""All of them but the silent one, by name."""


def asking(*names: str, **changes: Any) -> Subject:
    """A node with these peers on links 1, 2, …"""
    subject = Subject(**{"probe_interval": 1.0, "heartbeat_interval": 1e5} | changes)
    for link, name in enumerate(names, 1):
        subject.joined(link, name)
    return subject


def idle(*names: str) -> Subject:
    """The same, but it asks nobody by itself."""
    subject = asking(*names)
    del subject.timers[PERIOD_TIMER]
    # They are named to each other meanwhile.
    subject.wait(0.05)
    return subject


def until(subject: Subject, kind: str, link: int, within: float = 30.0) -> dict[str, Any]:
    """Let time pass until such a frame goes out on a link; return what it says."""
    end = subject.monotonic + within
    while subject.monotonic < end:
        for frame in sent(subject.wait(0.01), link):
            if isinstance(frame["data"], dict) and frame["data"].get("x") == kind:
                data: dict[str, Any] = frame["data"]
                return data
    raise AssertionError(f"no {kind} within {within} s")


def spoken(subject: Subject, seconds: float, **links: int) -> list[Effect]:
    """Let time pass in which these peers say something every tenth of a second."""
    effects: list[Effect] = []
    for _ in range(round(seconds * 10)):
        for peer, link in links.items():
            effects += subject.receive(link, heartbeat(peer, timestamp=subject.wall))
        effects += subject.wait(0.1)
    return effects


def doubt(subject: Subject) -> int:
    return subject.node.overview(subject.now).self_doubt


def unable(subject: Subject, asked: dict[int, int]) -> list[Effect]:
    """These helpers say that they cannot ask the member, by the number of the probe."""
    return [
        effect
        for link, seq in asked.items()
        for effect in subject.receive(link, exchange(NAMES[link - 1], "nack", seq=seq, asked=False))
    ]


def asked_in_vain(subject: Subject, asked: dict[int, int]) -> None:
    """These helpers say that the member did not answer them."""
    for link, seq in asked.items():
        subject.receive(link, exchange(NAMES[link - 1], "nack", seq=seq))


def asked_to_help(effects: list[Effect]) -> dict[int, int]:
    """By link, the number of a probe that others are asked to help with."""
    return {
        link: frame["data"]["seq"]
        for link in OTHERS.values()
        for frame in sent(effects, link)
        if isinstance(frame["data"], dict) and frame["data"].get("x") == "ping-req"
    }


def helped(**changes: Any) -> tuple[Subject, dict[int, int]]:
    """Its probe of `a` waits for helpers: the number of each probe by the link of its helper."""
    subject = asking(*NAMES, **changes)
    for _ in range(400):
        effects = spoken(subject, 0.1, **OTHERS)
        if asked := asked_to_help(effects):
            return subject, asked
    raise AssertionError("nobody was asked to help")
