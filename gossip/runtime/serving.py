"""Where what runs the node in this process is found: an engine registers while it serves."""

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


def running() -> Serving | None:
    """What serves in this process; None before it has begun, and once it has finished."""
    return _serving


def register(serving: Serving) -> None:
    """Have `running` find this. Raises `RuntimeError` where something serves already."""
    global _serving  # noqa: PLW0603  # a process is one node; views and consumers find it here
    if _serving is not None:
        raise RuntimeError("this process runs a node already")
    _serving = serving


def unregister(serving: Serving) -> None:
    """Have `running` find nothing, unless it finds something else."""
    global _serving  # noqa: PLW0603
    if _serving is serving:
        _serving = None
