"""The entries of a node, in steps that are short however many there are."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import chain
from typing import NamedTuple

from gossip.core.entries import Entry
from gossip.runtime.ports import NodePort
from gossip.runtime.timers import instant
from gossip.services.asking import read, serving_port, wait


class Listing(NamedTuple):
    """Which entries are wanted."""

    prefix: str
    after: str
    limit: int | None
    tombstones: bool = False


def aslices(
    *, prefix: str = "", after: str = "", limit: int | None = None, tombstones: bool = False
) -> AsyncIterator[list[Entry]]:
    """Like `aentries`, in steps of up to some hundred entries, with `tombstones` or without.

    Others have their turn between two steps. In the event loop of a node in this process the keys
    are those of this call, so that they fit what was read just before.
    """
    port, wanted = serving_port(), Listing(prefix, after, limit, tombstones)
    if asyncio.get_running_loop() is port.loop:
        return _steps(port, wanted)
    return _brought(port, wanted)


def slices(
    *, prefix: str = "", after: str = "", limit: int | None = None, tombstones: bool = False
) -> Iterator[list[Entry]]:
    """`aslices` for threads."""
    return _waited("aslices", Listing(prefix, after, limit, tombstones))


def aentries(
    *, prefix: str = "", after: str = "", limit: int | None = None
) -> AsyncIterator[Entry]:
    """Entries with a value, ordered by key: those with this prefix, behind `after`.

    Each is as it was at some time after this call. In whichever event loop. Raises `Unavailable`
    at any step.
    """
    return _each(aslices(prefix=prefix, after=after, limit=limit))


def entries(*, prefix: str = "", after: str = "", limit: int | None = None) -> Iterator[Entry]:
    """`aentries` for threads."""
    return chain.from_iterable(_waited("aentries", Listing(prefix, after, limit)))


async def _each(steps: AsyncIterator[list[Entry]]) -> AsyncIterator[Entry]:
    async for step in steps:
        for entry in step:
            yield entry


def _steps(port: NodePort, wanted: Listing) -> AsyncIterator[list[Entry]]:
    """In the node's own event loop."""
    return _chosen(port.entries(wanted.prefix, wanted.after), wanted, instant().wall)


async def _chosen(
    steps: AsyncIterator[list[Entry]], wanted: Listing, now: int
) -> AsyncIterator[list[Entry]]:
    left = wanted.limit
    async for step in steps:
        found = step if wanted.tombstones else [entry for entry in step if entry.lasts(now)]
        if left is not None:
            found = found[:left]
            left -= len(found)
        if found:
            yield found
        if left == 0:
            return


async def _brought(port: NodePort, wanted: Listing) -> AsyncIterator[list[Entry]]:
    """From the node's event loop into the one that runs."""
    steps = await read(port, _begun(port, wanted))
    while step := await read(port, _next(steps)):
        yield step


def _waited(instead: str, wanted: Listing) -> Iterator[list[Entry]]:
    """From the node's event loop into a thread."""
    steps = wait(instead, lambda: _begun(serving_port(), wanted))
    return iter(lambda: wait(instead, lambda: _next(steps)), [])


async def _begun(port: NodePort, wanted: Listing) -> AsyncIterator[list[Entry]]:
    return _steps(port, wanted)


async def _next(steps: AsyncIterator[list[Entry]]) -> list[Entry]:
    """Nothing behind the last."""
    return await anext(steps, [])
