"""Times as the admin writes them."""

from datetime import UTC, datetime

_LAST = 253_402_300_799_000
"""Milliseconds: the last second of the year 9999, beyond which Python has no dates."""


def moment(millis: int) -> str:
    """Milliseconds since the epoch as a date in UTC."""
    if not 0 < millis <= _LAST:
        return f"{millis} ms"
    return f"{datetime.fromtimestamp(millis / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
