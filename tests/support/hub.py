"""A hub that remembers its links."""

from gossip.runtime.ports import OpenLink, Wire


class Link:
    """What one connection brought, and how it ended."""

    def __init__(self, wire: Wire, dialed: str | None, remote_is_loopback: bool) -> None:
        self.wire = wire
        self.dialed = dialed
        self.remote_is_loopback = remote_is_loopback
        self.frames: list[str | bytes] = []
        self.stopped_for: list[str | None] = []
        """Faults of frames that were stopped; None for repetitions."""
        self.codes: list[int | None] = []

    def received(self, data: str | bytes) -> bool:
        self.frames.append(data)
        return True

    def stopped(self, size: int, fault: str | None = None, *, in_envelope: bool = False) -> bool:
        self.stopped_for.append(fault)
        return True

    async def room(self) -> None:
        pass

    def closed(self, code: int | None) -> None:
        self.codes.append(code)


class Listening:
    """The hub itself."""

    link_type = Link

    def __init__(self) -> None:
        self.links: list[Link] = []

    def opened(
        self, wire: Wire, *, dialed: str | None = None, remote_is_loopback: bool = False
    ) -> OpenLink:
        self.links.append(self.link_type(wire, dialed, remote_is_loopback))
        return self.links[-1]
