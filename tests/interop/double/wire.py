"""The frames: envelopes and what they carry, with the fields in the order observed."""

import time
from typing import Any, TypeAlias
from uuid import uuid4

from tests.interop.double.javascript import UNDEFINED

Message: TypeAlias = dict[str, Any]
"""One message, checked by nobody: any field may be missing or of any type."""

REGION = "local"
CAPABILITIES = ["bls-signing", "message-aggregation"]
VERSION = "1.0.0"


def now_ms() -> int:
    """`Date.now()`."""
    return time.time_ns() // 1_000_000


def present(**fields: Any) -> dict[str, Any]:
    """These fields without the undefined ones, as `JSON.stringify` leaves them out."""
    return {name: value for name, value in fields.items() if value is not UNDEFINED}


def envelope(kind: str, sender: str, data: Any, ttl: int, applied: int) -> Message:
    """A new message; `applied` is how many updates the sender has applied."""
    return {
        "type": kind,
        "from": sender,
        "data": data,
        "timestamp": now_ms(),
        "ttl": ttl,
        "messageId": str(uuid4()),
        "version": applied,
    }


def passed_on(message: Message, ttl: float) -> Message:
    """A message as it goes on: only `ttl` differs, unknown fields survive."""
    return {**message, "ttl": ttl}
