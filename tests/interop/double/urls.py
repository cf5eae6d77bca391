"""Which endpoints can be dialed."""

from typing import Any

from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri


def dialable(endpoint: Any) -> WebSocketURI | None:
    """The parts of a `ws:` or `wss:` URL; None for anything else."""
    if not isinstance(endpoint, str):
        return None
    try:
        return parse_uri(endpoint)
    except (InvalidURI, ValueError):  # the latter from a port or host that is none
        return None
