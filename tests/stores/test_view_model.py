"""Whatever a worker does in whatever order, readers find what a dictionary would hold."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gossip.core.entries import Entry
from gossip.stores.redis_client import open_redis
from gossip.stores.view import Numbers, SharedView, ViewLost, ViewReader
from tests.support.valkey import Valkey

VALUES = st.none() | st.sampled_from([b"1", b"null", b'""', '{"ä":["😀"]}'.encode()])
KEYS = st.sampled_from(["a", "aa", "ab", "b", "ba", "ä", "ab\x00", "\ufffd", "😀", "😀a"])


class Fill(NamedTuple):
    """Everything anew, perhaps by the next worker."""

    slices: list[list[Entry]]
    takes_over: bool


class Apply(NamedTuple):
    """What changed."""

    entries: list[Entry]
    forgotten: list[str]


class Lose(NamedTuple):
    """Redis loses everything."""


Step = Fill | Apply | Lose

entries = st.builds(
    Entry,
    KEYS,
    st.integers(1, 2**53 - 1),
    VALUES,
    st.none() | st.integers(1, 2**53 - 1),
    st.integers(0, 2**53 - 1),
    st.none() | st.just("0xa"),
)
several = st.lists(entries, max_size=6)
steps = st.one_of(
    st.builds(Fill, st.lists(several, max_size=3), st.booleans()),
    st.builds(Apply, several, st.lists(KEYS, max_size=3)),
    st.builds(Apply, several, st.lists(KEYS, max_size=3)),
    st.just(Lose()),
)


class Run:
    """A worker, a reader, and what the reader ought to find."""

    def __init__(self, server: Valkey) -> None:
        self.server = server
        self.epoch = 1
        self.expected: dict[str, Entry] | None = None
        self.numbers = Numbers(0, 0, 0, 0)

    async def check(self, steps: Sequence[Step]) -> None:
        """Take the steps and compare after each."""
        self.server.flush()
        async with open_redis(self.server.url) as redis:
            self.reader = ViewReader(redis, "p")
            self.view = SharedView(redis, "p", self.epoch)
            for number, step in enumerate(steps):
                self.numbers = Numbers(number, number, number, number)
                match step:
                    case Fill():
                        if step.takes_over:
                            self.epoch += 1
                            self.view = SharedView(redis, "p", self.epoch)
                        await self.fill(step.slices)
                    case Apply():
                        await self.apply(step)
                    case Lose():
                        await redis.flushall()
                        self.expected = None
                await self.compare()

    async def fill(self, slices: list[list[Entry]]) -> None:
        """All of it."""
        await self.view.fill(slices, self.numbers)
        self.expected = {entry.key: entry for entries in slices for entry in entries}

    async def apply(self, step: Apply) -> None:
        """Where there is a view, and else fill it as a worker would."""
        if self.expected is None:
            with pytest.raises(ViewLost):
                await self.view.apply(step.entries, step.forgotten, self.numbers)
            await self.fill([step.entries])
            return
        await self.view.apply(step.entries, step.forgotten, self.numbers)
        for key in step.forgotten:
            self.expected.pop(key, None)
        self.expected |= {entry.key: entry for entry in step.entries}

    async def compare(self) -> None:
        """Every way of reading."""
        if self.expected is None:
            return
        ordered = [self.expected[key] for key in sorted(self.expected)]
        assert await self.reader.numbers() == self.numbers
        for prefix, after in (("", ""), ("a", ""), ("", "aa"), ("a", "aa"), ("😀", "ä")):
            found = [e async for page in self.reader.entries(prefix, after) for e in page]
            assert [whole(each) for each in found] == [
                whole(e) for e in ordered if e.key.startswith(prefix) and e.key > after
            ]
        for entry in ordered:
            got = await self.reader.get(entry.key)
            assert got is not None
            assert whole(got) == whole(entry)
        assert await self.reader.get("c") is None


def whole(entry: Entry) -> tuple[object, ...]:
    """All fields: entries are equal if they are the same update."""
    fields = (entry.key, entry.version, entry.value, entry.expires_at)
    return (*fields, entry.timestamp, entry.origin, entry.value_hash, entry.hash)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(steps, max_size=8))
def test_the_view_is_what_a_dictionary_would_be(server: Valkey, steps: list[Step]) -> None:
    asyncio.run(Run(server).check(steps))
