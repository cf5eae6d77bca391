"""The members, and how this node is doing among them."""

import msgspec

from gossip.core.errors import WriteUnanswered
from gossip.core.stats import MemberView, Overview
from gossip.runtime import serving
from gossip.runtime.ports import NodePort
from gossip.runtime.vitals import Vitals
from gossip.services.asking import read, serving_port, wait, write
from gossip.services.errors import ForgetRefused, UnknownMember


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


async def amembers(status: str | None = None) -> list[MemberView]:
    """The other members, ordered by node id; only those of that status, if one is given."""
    port = serving_port()
    everybody = await read(port, port.members())
    return [view for view in everybody if status is None or view.status == status]


def members(status: str | None = None) -> list[MemberView]:
    """`amembers` for threads."""
    return wait("amembers", lambda: amembers(status))


async def aforget(node_id: str) -> None:
    """Take a member off the lists, the dial plan and the disk.

    It is back as soon as it joins again. Bootstrap peers are dialed on: the operator named them.
    Others keep their own lists. Raises `UnknownMember`, `ForgetRefused`, `WriteUnanswered` and
    `NoEngine`.
    """
    port = serving_port()
    await write(port, _forget(port, node_id))


def forget(node_id: str) -> None:
    """`aforget` for threads."""
    wait("aforget", lambda: aforget(node_id), WriteUnanswered)


async def aoverview() -> Overview:
    """This node now."""
    port = serving_port()
    return await read(port, port.overview())


def overview() -> Overview:
    """`aoverview` for threads."""
    return wait("aoverview", aoverview)


async def avitals() -> Vitals:
    """The runtime around this node now: queues, journal, event loop."""
    port = serving_port()
    return await read(port, port.vitals())


def vitals() -> Vitals:
    """`avitals` for threads."""
    return wait("avitals", avitals)


async def ahealth() -> Health:
    """How well this node is connected. Cheap: it is what others probe."""
    port = serving_port()
    return await read(port, _health(port))


def health() -> Health:
    """`ahealth` for threads."""
    return wait("ahealth", ahealth)


def ready() -> Readiness:
    """Whether this node can serve. Asks nobody: from any thread or event loop.

    Never raises: no engine is one of the reasons why not.
    """
    found = serving.running()
    if found is None:
        return Readiness(ready=False, reasons=("no node runs in this process",))
    if serving.draining():
        return Readiness(ready=False, reasons=("stopping",))
    if found.port.ready:
        return Readiness(ready=True)
    return Readiness(ready=False, reasons=found.reasons or ("not serving",))


def stale_for() -> float:
    """Seconds since the node itself last said how it is; 0 in its own process.

    What is read meanwhile holds what was acknowledged, and may miss what happened since. Asks
    nobody, like `ready`. Raises `NoEngine`.
    """
    return serving_port().stale_for


async def _forget(port: NodePort, node_id: str) -> None:
    everybody = await port.members()
    found = next((view for view in everybody if view.record.node_id == node_id), None)
    if found is None:
        raise UnknownMember(node_id)
    if found.linked:
        raise ForgetRefused(
            f"Member '{node_id}' is connected: stop it, and it is removed by itself"
        )
    await port.forget(node_id)


async def _health(port: NodePort) -> Health:
    now = await port.overview()
    peers = _count(await port.members())
    return Health(status=_status(peers, now.reasons), peers=peers, overview=now)


def _count(views: list[MemberView]) -> PeerCounts:
    statuses = [view.status for view in views]
    return PeerCounts(len(views), statuses.count("active"), statuses.count("suspected"))


def _status(peers: PeerCounts, reasons: tuple[str, ...]) -> str:
    if peers.active == 0:
        return "isolated"
    return "degraded" if reasons or peers.suspected > peers.active else "healthy"
