"""The message history (R3) and what waits to be pushed (S1, S5)."""

import json
from typing import Any

import pytest

from gossip.core.config import Limits
from gossip.core.entries import Entry
from gossip.core.events import LinkId
from gossip.core.spread import Batch, History, Outbox
from tests.support.core import config

ONE, TWO, THREE = LinkId(1), LinkId(2), LinkId(3)


def entry(key: str, version: int = 1, value: bytes | None = b"1") -> Entry:
    return Entry(key, version, value)


def outbox(**limits: Any) -> Outbox:
    return Outbox(config(limits=Limits(**limits)))


def taken(outbox: Outbox, *links: LinkId) -> list[tuple[tuple[int, ...], int | None, list[str]]]:
    return [(batch.links, batch.hops, keys(batch)) for batch in outbox.take(links)]


def keys(batch: Batch) -> list[str]:
    return [f"{item['key']} {item['version']}" for item in map(json.loads, batch.entries)]


# History


def test_r3_an_id_is_new_once() -> None:
    history = History(2, keep=60.0)
    assert history.add("a", 0.0)
    assert not history.add("a", 1.0)


def test_r3_the_history_has_a_bound() -> None:
    history = History(2, keep=60.0)
    assert all(history.add(name, 0.0) for name in "abc")
    assert len(history) == 2
    assert not history.add("b", 0.0)
    assert history.add("a", 0.0)


def test_r3_ids_age_by_our_clock() -> None:
    history = History(9, keep=60.0)
    history.add("a", 0.0)
    history.add("b", 1.0)
    history.forget_old(59.9)
    assert len(history) == 2
    history.forget_old(60.0)
    assert not history.add("b", 60.0)
    assert history.add("a", 60.0)
    history.forget_old(1_000.0)
    assert len(history) == 0


# Outbox


def test_s1_links_that_lack_the_same_share_a_batch() -> None:
    waiting = outbox()
    waiting.add(entry("a"), 0, [TWO, ONE])
    waiting.add(entry("b"), 0, [ONE, TWO])
    waiting.add(entry("c"), 0, [THREE])
    assert taken(waiting, TWO, THREE, ONE) == [((1, 2), 0, ["a 1", "b 1"]), ((3,), 0, ["c 1"])]
    assert not waiting


def test_s2_a_batch_holds_entries_of_one_hops_value() -> None:
    waiting = outbox()
    for key, hops in (("a", 3), ("b", 2), ("c", 3), ("d", None)):
        waiting.add(entry(key), hops, [ONE])
    assert taken(waiting, ONE) == [
        ((1,), 3, ["a 1", "c 1"]),
        ((1,), 2, ["b 1"]),
        ((1,), None, ["d 1"]),
    ]


def test_s5_a_newer_version_replaces_the_one_that_waits() -> None:
    waiting = outbox()
    for key, version in (("a", 1), ("b", 1), ("a", 2)):
        waiting.add(entry(key, version), 0, [ONE])
    assert taken(waiting, ONE) == [((1,), 0, ["b 1", "a 2"])]


def test_s5_what_waits_for_a_blocked_link_stays() -> None:
    waiting = outbox()
    waiting.add(entry("a"), 0, [ONE, TWO])
    assert taken(waiting, TWO) == [((2,), 0, ["a 1"])]
    assert waiting
    assert taken(waiting, ONE, TWO) == [((1,), 0, ["a 1"])]


def test_what_waited_for_a_lost_link_is_dropped() -> None:
    waiting = outbox()
    waiting.add(entry("a"), 0, [ONE])
    waiting.drop(ONE)
    waiting.drop(TWO)
    assert not waiting
    assert taken(waiting, ONE) == []


def test_s5_the_number_of_entries_has_a_bound() -> None:
    waiting = outbox(outbox_entries=2)
    for key in ("a", "b", "b"):
        waiting.add(entry(key), 0, [ONE])
    assert not waiting.overflows(ONE)
    waiting.add(entry("c"), 0, [ONE])
    assert waiting.overflows(ONE)
    assert not waiting.overflows(TWO)


@pytest.mark.parametrize(("value", "overflows"), [(b"1" * 8, False), (b"1" * 9, True)])
def test_s5_the_bytes_of_entries_have_a_bound(value: bytes, overflows: bool) -> None:
    waiting = outbox(outbox_bytes=10)
    waiting.add(entry("a", 1, b"1" * 100), 0, [ONE])
    waiting.add(entry("a", 2, value), 0, [ONE])
    waiting.add(entry("b", 1, None), 0, [ONE])
    assert waiting.overflows(ONE) == overflows
