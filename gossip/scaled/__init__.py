"""A node that is several processes, put together: web processes, workers, programs beside them."""

from gossip.scaled.attachment import attached

__all__ = ["attached"]
