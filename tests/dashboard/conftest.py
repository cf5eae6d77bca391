"""The page's handler, with a dictionary for a node."""

from tests.api.conftest import client, configure, node, port

__all__ = ["client", "configure", "node", "port"]
