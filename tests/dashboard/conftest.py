"""The page's handler, with a dictionary for a node."""

from tests.api.conftest import client, configure, port

__all__ = ["client", "configure", "port"]
