"""Server-sent events, as a browser reads them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec


class Event(NamedTuple):
    """One event. A comment has the kind `""`."""

    kind: str
    data: Any
    id: str | None


def parse(text: bytes) -> list[Event]:
    """All events of a stream, or of a part of one that ends between two."""
    assert text.endswith(b"\n\n"), text
    return list(_events(text.decode()))


def _events(text: str) -> Iterator[Event]:
    for block in text.removesuffix("\n\n").split("\n\n"):
        fields = dict(line.split(":", 1) for line in block.split("\n"))
        if set(fields) == {""}:
            yield Event("", None, None)
            continue
        assert fields.keys() <= {"id", "event", "data"}, block
        event_id = fields.get("id")
        data = msgspec.json.decode(fields["data"])
        yield Event(fields["event"].strip(), data, event_id and event_id.strip())
