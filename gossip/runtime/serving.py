"""Where what runs the node in this process is found: an engine registers while it serves."""

import asyncio
from typing import Protocol

from gossip.runtime.ports import Hub, NodePort


class Serving(Protocol):
    """What registers here."""

    @property
    def port(self) -> NodePort:
        """What services ask."""

    @property
    def hub(self) -> Hub:
        """Where transports bring their connections."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is wrong around the node, for people; known without asking anybody."""

    def add_reason(self, reason: str) -> None:
        """Have health name something that will not change while the process lives."""


_serving: Serving | None = None
_draining = False


def running() -> Serving | None:
    """What serves in this process; None before it has begun, and once it has finished."""
    return _serving


def register(serving: Serving) -> None:
    """Have `running` find this. Raises `RuntimeError` where something serves already."""
    global _serving, _draining  # a process is one node; views find it here
    if _serving is not None:
        raise RuntimeError("this process runs a node already")
    _serving, _draining = serving, False


def unregister(serving: Serving) -> None:
    """Have `running` find nothing, unless it finds something else."""
    global _serving  # noqa: PLW0603
    if _serving is serving:
        _serving = None


async def drain(seconds: float) -> None:
    """Serve on for a while, and be ready no more: balancers send their requests elsewhere."""
    global _draining  # noqa: PLW0603
    _draining = True
    await asyncio.sleep(seconds)


def draining() -> bool:
    """Whether what serves here is about to stop."""
    return _draining
