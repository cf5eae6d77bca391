"""A node that is several processes, put together: web processes, workers, programs beside them."""

from gossip.scaled.attached import attached

__all__ = ["attached"]
