"""What programs may ask of the node that runs in this process.

The API, the commands and host applications all come in here, and nothing passes them by. Reads are
plain calls, safe from any thread and cheap enough for the event loop. Writes come in two forms:
`set` and `delete` for threads, `aset` and `adelete` for coroutines.

    GossipError
    ├── NoEngine        no node runs in this process
    ├── UnknownKey      nothing to delete under this key; also a KeyError
    ├── EntryFault      the key or the value breaks the rules; nothing was written
    ├── UnknownMember   nobody to forget; also a KeyError
    ├── ForgetRefused   the member is connected
    ├── WriteRefused    the node did not write, and will not
    ├── WatchRefused    too many watch already, or the node stops
    ├── WatchEnded      the watch is over: its reader was too slow, or the node stops
    └── WriteUnanswered the node did not answer, or stops: the write may still happen
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import chain, islice
from typing import Any, TypeVar

import msgspec

from gossip.core.conditions import Absent, All, AtVersion, Condition, OneOf, Present, Simple
from gossip.core.config import Limits
from gossip.core.entries import Entry
from gossip.core.errors import EntryFault, GossipError, WriteUnanswered
from gossip.core.stats import MemberView, Overview
from gossip.core.values import normalise
from gossip.runtime import serving
from gossip.runtime.feed import WatchCounts
from gossip.runtime.histogram import Distribution
from gossip.runtime.ports import NodePort
from gossip.runtime.timers import instant
from gossip.runtime.vitals import Vitals
from gossip.runtime.watch import Change, ChangeKind, Interest, Watch, WatchEnded, WatchRefused

__all__ = [
    "LIMITS", "LONGEST_TTL", "Absent", "All", "AtVersion", "Change", "ChangeKind", "Condition",
    "Distribution", "ForgetRefused", "Health", "NoEngine", "OneOf", "PeerCounts", "Present",
    "Readiness", "Simple", "UnknownKey", "UnknownMember", "Vitals", "Watch", "WatchCounts",
    "WatchEnded", "WatchRefused", "adelete", "adrop_aside", "aget", "aset", "aside",
    "checked_key", "delete", "drop_aside", "entries", "forget", "get", "health", "members",
    "overview", "ready", "set", "slices", "vitals", "watch", "watch_counts",
]  # fmt: skip

T = TypeVar("T")

LIMITS = Limits()
SLICE = 500
"""Entries that one step of `slices` looks at: well under a millisecond."""
LONGEST_TTL = 3_155_760_000
"""Seconds: a hundred years. What is to stay longer needs no ttl."""
WRITE_TIMEOUT = 10.0
"""Seconds. A commit takes milliseconds; who waits longer had better ask again."""


class NoEngine(GossipError):
    """No node runs in this process."""

    def __init__(self) -> None:
        super().__init__(
            "no node runs in this process: use the HTTP API of a node by its URL, share one"
            " through Redis, or embed it by serving gossipnode.asgi or `manage.py rungossip`"
        )


class UnknownKey(GossipError, KeyError):
    """The key was never written, or is deleted."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"Key '{self.key}' not found"


class UnknownMember(GossipError, KeyError):
    """No such member is listed."""

    def __str__(self) -> str:
        return f"Member '{self.args[0]}' is not listed"


class ForgetRefused(GossipError):
    """The member is here: stop it, and it leaves by itself."""


class PeerCounts(msgspec.Struct, frozen=True):
    """The other members by status; `total` counts the inactive ones too."""

    total: int
    active: int
    suspected: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How well this node is connected."""

    status: str
    """`healthy`; `isolated`: no active peer; `degraded`: more suspected than active peers, or
    `overview.reasons` names something."""
    peers: PeerCounts
    overview: Overview


class Readiness(msgspec.Struct, frozen=True):
    """Whether this node can serve, and why not."""

    ready: bool
    reasons: tuple[str, ...] = ()


def get(key: str) -> Entry | None:
    """The entry of this key; None where it has no value."""
    entry = _port().get(key)
    return entry if entry is not None and entry.lasts(instant().wall) else None


async def aget(key: str) -> Entry | None:
    """`get` for coroutines; it waits for nothing."""
    return get(key)


def set(  # noqa: A001  (the word that users know)
    key: str, value: object, *, ttl: float | None = None, only_if: Condition | None = None
) -> Entry:
    """Write from a thread. Returns the entry once it is durable and on its way to the peers.

    `value` is what JSON can say, as Python objects, or JSON text as `msgspec.Raw`. After `ttl`
    seconds by this node's clock the key is gone, on every node by its own clock. `only_if` is
    compared with what this node holds; where it is not so, `WriteRefused("condition")`. Raises
    `EntryFault`, `WriteRefused`, `WriteUnanswered`, `NoEngine`, and `RuntimeError` in the node's
    own event loop, where waiting would stop the very node that it waits for.
    """
    return _write(checked_key(key), normalise(_json(value), LIMITS), only_if, _lifetime(ttl))


async def aset(
    key: str, value: object, *, ttl: float | None = None, only_if: Condition | None = None
) -> Entry:
    """`set` for coroutines, in whichever event loop."""
    text = normalise(_json(value), LIMITS)
    return await _awrite(checked_key(key), text, only_if, _lifetime(ttl))


def delete(key: str, *, only_if: Condition | None = None) -> Entry:
    """Delete from a thread. Returns the tombstone; raises `UnknownKey`, else as `set` does."""
    return _write(_known(key), None, only_if, None)


async def adelete(key: str, *, only_if: Condition | None = None) -> Entry:
    """`delete` for coroutines, in whichever event loop."""
    return await _awrite(_known(key), None, only_if, None)


def checked_key(key: str) -> str:
    """Return what may be a key: 1 to 512 bytes of UTF-8. Raises `EntryFault("key")`."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise EntryFault("key", "the key is not valid Unicode") from None
    if not 1 <= size <= LIMITS.key:
        raise EntryFault("key", f"a key has 1 to {LIMITS.key} bytes, this one {size}")
    return key


def entries(*, prefix: str = "", after: str = "", limit: int | None = None) -> Iterator[Entry]:
    """Entries with a value, ordered by key: those with this prefix, behind `after`."""
    return chain.from_iterable(slices(prefix=prefix, after=after, limit=limit))


def slices(
    *, prefix: str = "", after: str = "", limit: int | None = None, tombstones: bool = False
) -> Iterator[list[Entry]]:
    """Like `entries`, in steps that are short however many entries do not match.

    Who iterates in the event loop lets others have a turn between two steps. A step may find
    nothing. The snapshot is taken by this call, not by the first step.
    """
    now = instant().wall

    def wanted(entry: Entry) -> bool:
        return (
            entry.key.startswith(prefix) and entry.key > after and (tombstones or entry.lasts(now))
        )

    def beyond(entry: Entry) -> bool:
        return entry.key > prefix and not entry.key.startswith(prefix)

    return _sliced(_port().entries(), wanted, beyond, limit)


def members(status: str | None = None) -> list[MemberView]:
    """The other members, ordered by node id; only those of that status, if one is given."""
    everybody = _port().members()
    return [view for view in everybody if status is None or view.status == status]


def forget(node_id: str) -> None:
    """Take a member off the lists, the dial plan and the disk; from a thread.

    It is back as soon as it joins again. Bootstrap peers are dialed on: the operator named them.
    Others keep their own lists. Raises `UnknownMember`, `ForgetRefused` and `NoEngine`.
    """
    port = _port()
    found = next((view for view in port.members() if view.record.node_id == node_id), None)
    if found is None:
        raise UnknownMember(node_id)
    if found.linked:
        raise ForgetRefused(
            f"Member '{node_id}' is connected: stop it, and it is removed by itself"
        )
    _have(port, port.forget(node_id))


def aside() -> list[Entry]:
    """Versions of the future that wait to be applied, the soonest first."""
    return sorted(_port().aside(), key=lambda entry: entry.version)


def drop_aside(key: str) -> Entry:
    """Drop the version of the future that waits of this key; from a thread. Returns it.

    This node sets neither it nor a lesser one aside again until it restarts; once its time has come
    it is an update like any other. Others keep theirs, and a node that has applied it holds it as
    the value. Raises `UnknownKey` and `NoEngine`.
    """
    waiting = _waiting(key)
    port = _port()
    _have(port, port.drop_aside(key))
    return waiting


async def adrop_aside(key: str) -> Entry:
    """`drop_aside` for coroutines in the node's event loop."""
    waiting = _waiting(key)
    await _port().drop_aside(key)
    return waiting


def _waiting(key: str) -> Entry:
    for entry in _port().aside():
        if entry.key == key:
            return entry
    raise UnknownKey(key)


@asynccontextmanager
async def watch(
    *,
    kinds: Collection[ChangeKind] = frozenset(ChangeKind),
    prefix: str = "",
    after: str | None = None,
) -> AsyncIterator[Watch]:
    """Watch what happens to the data and the members, from entering the context on.

        async with services.watch(prefix="config/") as changes:
            apply(services.entries(prefix="config/"))
            async for change in changes:
                print(change.kind, change.subject, change.entry)

    `prefix` narrows the keys, not the members. `after` is the id of the last change that is known
    already: if `resumed` is false then, some may be missing in between. Iterating ends when the
    node stops, and raises `WatchEnded` where 1 MiB waits that was not read: look at everything
    again then. In whichever event loop. Raises `WatchRefused` and `NoEngine`.
    """
    port = _port()
    reader = asyncio.get_running_loop()
    interest = Interest(frozenset(kinds), prefix)

    async def begin() -> Watch:
        return port.watch(interest, after, reader)

    if reader is port.loop:
        watching = await begin()
    else:
        answer = asyncio.run_coroutine_threadsafe(begin(), port.loop)
        watching = await asyncio.wrap_future(answer)
    try:
        yield watching
    finally:
        watching.close()


def watch_counts() -> WatchCounts:
    """How many watch, and how many could not."""
    return _port().watch_counts


def overview() -> Overview:
    """This node now."""
    return _port().overview()


def vitals() -> Vitals:
    """The runtime around this node now: queues, journal, event loop."""
    return _port().vitals()


def health() -> Health:
    """How well this node is connected. Cheap: it is what others probe."""
    port = _port()
    now = port.overview()
    peers = _count(port.members())
    return Health(status=_status(peers, now.reasons), peers=peers, overview=now)


def ready() -> Readiness:
    """Whether this node can serve. Never raises: no engine is one of the reasons why not."""
    running = serving.running()
    if running is None:
        return Readiness(ready=False, reasons=("no node runs in this process",))
    if running.port.ready:
        return Readiness(ready=True)
    return Readiness(ready=False, reasons=running.port.overview().reasons or ("not serving",))


def _port() -> NodePort:
    running = serving.running()
    if running is None:
        raise NoEngine
    return running.port


def _write(key: str, value: bytes | None, only_if: Condition | None, lifetime: int | None) -> Entry:
    port = _port()
    if _running_loop() is port.loop:
        raise RuntimeError("in the node's event loop, await aset() or adelete() instead")
    return _have(port, port.write(key, value, only_if, lifetime))


def _have(port: NodePort, work: Coroutine[Any, Any, T]) -> T:
    """Wait in a thread for what the node's event loop does."""
    answer = asyncio.run_coroutine_threadsafe(work, port.loop)
    try:
        return answer.result(WRITE_TIMEOUT)
    except TimeoutError:
        answer.cancel()
        raise _late() from None


async def _awrite(
    key: str, value: bytes | None, only_if: Condition | None, lifetime: int | None
) -> Entry:
    port = _port()
    try:
        async with asyncio.timeout(WRITE_TIMEOUT):
            if _running_loop() is port.loop:
                return await port.write(key, value, only_if, lifetime)
            written = port.write(key, value, only_if, lifetime)
            answer = asyncio.run_coroutine_threadsafe(written, port.loop)
            return await asyncio.wrap_future(answer)
    except TimeoutError:
        raise _late() from None


def _late() -> WriteUnanswered:
    return WriteUnanswered(f"the node did not answer within {WRITE_TIMEOUT:g} s")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _known(key: str) -> str:
    if get(key) is None:
        raise UnknownKey(key)
    return key


def _lifetime(ttl: float | None) -> int | None:
    """Milliseconds, at least one."""
    if ttl is None:
        return None
    if not 0 < ttl <= LONGEST_TTL:
        raise EntryFault("ttl", f"a ttl is more than 0 and at most {LONGEST_TTL:,} seconds")
    return max(1, round(ttl * 1000))


def _json(value: object) -> bytes:
    if isinstance(value, msgspec.Raw):
        return bytes(value)
    _refuse_non_json(value, LIMITS.depth)
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise EntryFault("value-json", "a text of the value is not valid Unicode") from None
    except OverflowError:
        raise EntryFault("value-json", "a number of the value is out of range") from None


def _refuse_non_json(value: object, depth: int) -> None:
    """Raise `EntryFault` for what an encoder would turn into something else (NaN into null)."""
    match value:
        case None | bool() | int() | str():
            return
        case float():
            if not math.isfinite(value):
                raise EntryFault("value-json", f"JSON cannot say {value}")
        case list() | tuple() | dict() if depth == 0:
            raise EntryFault("depth", f"the value is nested deeper than {LIMITS.depth}")
        case list() | tuple():
            for item in value:
                _refuse_non_json(item, depth - 1)
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise EntryFault("value-json", f"{key!r} is no text, as keys in JSON are")
                _refuse_non_json(item, depth - 1)
        case _:
            raise EntryFault("value-json", f"JSON cannot say a {type(value).__name__}")


def _sliced(
    snapshot: Iterator[Entry],
    wanted: Callable[[Entry], bool],
    beyond: Callable[[Entry], bool],
    limit: int | None,
) -> Iterator[list[Entry]]:
    left = limit
    while chunk := list(islice(snapshot, SLICE)):
        found = [entry for entry in chunk if wanted(entry)]
        if left is not None:
            found = found[:left]
            left -= len(found)
        yield found
        if left == 0 or beyond(chunk[-1]):
            return


def _count(views: list[MemberView]) -> PeerCounts:
    statuses = [view.status for view in views]
    return PeerCounts(len(views), statuses.count("active"), statuses.count("suspected"))


def _status(peers: PeerCounts, reasons: tuple[str, ...]) -> str:
    if peers.active == 0:
        return "isolated"
    return "degraded" if reasons or peers.suspected > peers.active else "healthy"
