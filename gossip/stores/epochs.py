"""The number that says which worker is the node: each that takes over has a greater one."""

from gossip.core.errors import GossipError


class EpochOver(GossipError):
    """Another worker took over. Nothing was written, and nothing will be under our epoch."""

    def __init__(self, ours: int, theirs: int) -> None:
        super().__init__(f"epoch {ours} is over: another worker has epoch {theirs}")
        self.ours = ours
        self.theirs = theirs
