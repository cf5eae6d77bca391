"""What the page shows of members and entries: bounded texts, ready to be escaped."""

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from gossip.core.entries import Entry
from gossip.core.stats import MemberView

SHORT_ID = 20
"""Characters of an id that are shown in full; ours have 66."""
PREVIEW = 120
"""Characters of a value beside its key."""
SHOWN = 16_384
"""Bytes of a value that are shown when it is opened; a page holds 25 of them."""


class MemberRow(NamedTuple):
    node_id: str
    short: str
    status: str
    seen: str
    """ISO 8601."""
    ago: str
    address: str
    href: str
    """The address, if it may be a link."""
    about: str
    heartbeats: str


class EntryRow(NamedTuple):
    key: str
    preview: str
    value: str
    rest: str
    """Says so where not all of the value is shown."""
    href: str


def member_row(view: MemberView, now: int) -> MemberRow:
    """`now` is the node's wall clock in milliseconds."""
    record = view.record
    address = record.api_endpoint or record.gossip_endpoint or ""
    return MemberRow(
        node_id=record.node_id,
        short=short_id(record.node_id),
        status=view.status,
        seen=iso(record.last_seen),
        ago=ago(now - record.last_seen),
        address=address,
        href=address if address.startswith(("http://", "https://")) else "",
        about=" · ".join(filter(None, (record.region, record.version))),
        heartbeats=f"{view.heartbeat_count:,}",
    )


def entry_row(entry: Entry) -> EntryRow:
    """`entry` has a value."""
    text = entry.value or b""
    whole = len(text) <= SHOWN
    shown = msgspec.json.format(text, indent=2) if whole else text[:SHOWN]
    return EntryRow(
        key=entry.key,
        preview=text[: 4 * PREVIEW].decode(errors="ignore")[:PREVIEW],
        value=shown.decode(errors="ignore"),
        rest="" if whole else f"The first {SHOWN:,} of {len(text):,} bytes.",
        href=f"/gossip/data/{quote(entry.key, safe='')}",
    )


def short_id(node_id: str) -> str:
    """An id as people compare it: both ends."""
    return node_id if len(node_id) <= SHORT_ID else f"{node_id[:10]}…{node_id[-6:]}"


def ago(millis: int) -> str:
    """How long ago, in words; what lies ahead by another's clock is now."""
    seconds = max(0, millis // 1000)
    return "just now" if seconds < 2 else f"{duration(seconds)} ago"


def duration(seconds: int) -> str:
    """A time span in its two largest units."""
    minutes, hours, days = seconds // 60, seconds // 3_600, seconds // 86_400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"


def iso(millis: int) -> str:
    """ISO 8601 in UTC, as scripts read it."""
    moment = datetime.fromtimestamp(max(0, millis) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(millis: int) -> str:
    """The time of day, for people."""
    return f"{datetime.fromtimestamp(max(0, millis) / 1000, UTC):%H:%M:%S} UTC"
