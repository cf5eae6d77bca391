"""What both ends of a WebSocket hold to, whoever dialed."""

from typing import Final

from gossip.core.config import Limits

MESSAGE_LIMIT: Final = Limits().frame_accepted_plain
"""Bytes of an incoming message: the whole state of a plain peer is one (W1). The core knows who
may send how much."""
PING_INTERVAL: Final = 20.0
"""Seconds between pings of a quiet socket (L3)."""
PING_TIMEOUT: Final = 20.0
"""Seconds to answer a ping; then the socket is dropped (L3)."""

_REASON_BYTES: Final = 123


def shortened(reason: str) -> str:
    """As much of a reason as a close frame has room for, in whole characters (RFC 6455, 5.5)."""
    return reason.encode()[:_REASON_BYTES].decode(errors="ignore")
