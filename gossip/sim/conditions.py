"""How bad the world is: what the simulated network and disks do to a node."""

import msgspec


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """Delays in seconds, shares in 0 … 1. The defaults are a calm local network."""

    latency: float = 0.001
    """Least time that anything takes from one host to another, one way."""
    jitter: float = 0.002
    """Up to so much is added to it, evenly, anew for each frame."""
    loss: float = 0.0
    """Share of the frames that vanish. TCP loses none: this is harsher than life, unless `resend`
    is set."""
    resend: float | None = None
    """What is lost is sent again after so long, twice as long the next time, and so on, as TCP does
    it: it arrives late, and what was sent behind it as well. None: it is gone."""
    duplication: float = 0.0
    """Share of the frames that arrive twice."""
    reordering: float = 0.0
    """Share of the frames that others may overtake."""
    reordering_delay: float = 0.2
    """Up to so much later they arrive."""
    dial_timeout: float = 5.0
    """After this a dial that nobody answers has failed."""
    close_timeout: float = 2.0
    """After this a close frame that nobody answers is taken for answered."""
    stop_timeout: float = 5.0
    """After this a stopping process ends although links are still open."""
    fsync: float = 0.0005
    """Time of one group commit."""
    write_behind: float = 0.25
    """How long what came from others waits before it is written."""
    yielding: float = 0.0005
    """How long everybody else's turn takes after a node said `More`."""
