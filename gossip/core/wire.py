"""What decoding and encoding share."""

from typing import Any

import msgspec

MALFORMED = (msgspec.DecodeError, ValueError, RecursionError)
"""What decoding hostile JSON raises: syntax, types, UTF-8, huge integers, nesting."""

to_json = msgspec.json.Encoder().encode


class WireEntry(msgspec.Struct, omit_defaults=True, rename="camel"):
    key: str
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    version: Any = None
    timestamp: Any = None
    origin: Any = None
    deleted: Any = False
    expires_at: Any = None
