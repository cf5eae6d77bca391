"""One key: read, written, deleted; and versions of the future."""

from gossip.core.conditions import Condition
from gossip.core.entries import Entry
from gossip.core.errors import WriteUnanswered
from gossip.runtime.ports import NodePort
from gossip.runtime.timers import instant
from gossip.services.asking import read, serving_port, wait, write
from gossip.services.checks import checked_key, lifetime, value_text
from gossip.services.errors import UnknownKey


async def aget(key: str) -> Entry | None:
    """The entry of this key; None where it has no value."""
    port = serving_port()
    return _lasting(await read(port, port.get(key)))


def get(key: str) -> Entry | None:
    """`aget` for threads."""
    return wait("aget", lambda: aget(key))


async def aset(
    key: str, value: object, *, ttl: float | None = None, only_if: Condition | None = None
) -> Entry:
    """Write. Returns the entry once it is durable and on its way to the peers.

    `value` is what JSON can say, as Python objects, or JSON text as `msgspec.Raw`. After `ttl`
    seconds by this node's clock the key is gone, on every node by its own clock. `only_if` is
    compared with what this node holds; where it is not so, `WriteRefused("condition")`. Raises
    `EntryFault`, `WriteRefused`, `WriteUnanswered` and `NoEngine`.
    """
    return await _set(checked_key(key), value_text(value), only_if, lifetime(ttl))


def set(  # noqa: A001  (the word that users know)
    key: str, value: object, *, ttl: float | None = None, only_if: Condition | None = None
) -> Entry:
    """`aset` for threads."""
    # Checked here: a large value takes milliseconds, which the event loop has not.
    name, text, millis = checked_key(key), value_text(value), lifetime(ttl)
    return wait("aset", lambda: _set(name, text, only_if, millis), WriteUnanswered)


async def adelete(key: str, *, only_if: Condition | None = None) -> Entry:
    """Delete. Returns the tombstone; raises `UnknownKey`, else as `aset` does."""
    port = serving_port()
    return await write(port, _delete(port, key, only_if))


def delete(key: str, *, only_if: Condition | None = None) -> Entry:
    """`adelete` for threads."""
    return wait("adelete", lambda: adelete(key, only_if=only_if), WriteUnanswered)


async def aaside() -> list[Entry]:
    """Versions of the future that wait to be applied, the soonest first."""
    port = serving_port()
    return sorted(await read(port, port.aside()), key=lambda entry: entry.version)


def aside() -> list[Entry]:
    """`aaside` for threads."""
    return wait("aaside", aaside)


async def adrop_aside(key: str) -> Entry:
    """Drop the version of the future that waits of this key. Returns it.

    This node sets neither it nor a lesser one aside again until it restarts; once its time has come
    it is an update like any other. Others keep theirs, and a node that has applied it holds it as
    the value. Raises `UnknownKey`, `WriteUnanswered` and `NoEngine`.
    """
    port = serving_port()
    return await write(port, _drop_aside(port, key))


def drop_aside(key: str) -> Entry:
    """`adrop_aside` for threads."""
    return wait("adrop_aside", lambda: adrop_aside(key), WriteUnanswered)


def _lasting(entry: Entry | None) -> Entry | None:
    return entry if entry is not None and entry.lasts(instant().wall) else None


async def _set(key: str, text: bytes, only_if: Condition | None, millis: int | None) -> Entry:
    port = serving_port()
    return await write(port, port.write(key, text, only_if, millis))


async def _delete(port: NodePort, key: str, only_if: Condition | None) -> Entry:
    if _lasting(await port.get(key)) is None:
        raise UnknownKey(key)
    return await port.write(key, None, only_if)


async def _drop_aside(port: NodePort, key: str) -> Entry:
    waiting = next((entry for entry in await port.aside() if entry.key == key), None)
    if waiting is None:
        raise UnknownKey(key)
    await port.drop_aside(key)
    return waiting
