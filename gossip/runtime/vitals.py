"""How the runtime around the node does: what waits where, and how long things take."""

import msgspec

from gossip.runtime.histogram import Distribution


class LayerCounts(msgspec.Struct, frozen=True):
    """What the channel layer did to one side of a scaled node, since its process started."""

    resent: int = 0
    """Segments sent again, because nobody acknowledged them in time."""
    dropped: int = 0
    """Segments that came twice or out of order."""
    failures: int = 0
    """Messages that the layer refused to take."""

    def __add__(self, other: "LayerCounts") -> "LayerCounts":
        return LayerCounts(
            self.resent + other.resent,
            self.dropped + other.dropped,
            self.failures + other.failures,
        )


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """The runtime now. Without a protocol: other implementations of the port have others."""

    loop_lag: Distribution
    """How late the event loop was with the node's timers, of which one is due every second."""
    commits: Distribution
    """From a local write until it is durable, for the oldest of each group."""
    backlog: int
    """Entries and members that wait to be written behind."""
    journal_failing: bool
    writes_waiting: int
    """Local writes that wait for an answer."""
    events_waiting: int
    """Events that wait for the node: frames above all."""
    outbound_waiting: int
    """Characters that wait for sockets to take them, on all links."""
    web_processes: int = 0
    """Web processes that the worker hears of, where the node is several processes."""
    layer: dict[str, LayerCounts] = {}
    """What the channel layer did to them: by `web`, for the one that is asked, and `worker`."""
