"""What a visitor asked to see, and the parts of the cluster that it leads to."""

from typing import Final, NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict

from gossip import services
from gossip.core.entries import Entry
from gossip.core.stats import MemberView
from gossip.dashboard.rows import EntryRow, MemberRow, entry_row, member_row

ROWS: Final = 25
"""Rows of a list on one page: it stays readable, and short whatever the cluster holds."""
TEXT: Final = 512
"""Characters of a filter that are looked at: no key and no id is longer."""
STATUSES: Final = ("all", "active", "suspected", "inactive")


class Query(NamedTuple):
    """What `?prefix=&after=&member=&status=&page=` say; nonsense counts as not given."""

    prefix: str = ""
    after: str = ""
    member: str = ""
    status: str = "all"
    page: int = 1

    def link(self, **changes: str | int) -> str:
        """The query string of the page that differs in this."""
        wanted = self._asdict() | changes
        default = Query()._asdict()
        return "?" + urlencode({name: v for name, v in wanted.items() if v != default[name]})


class Members(NamedTuple):
    rows: list[MemberRow]
    found: int
    first: int
    last: int
    pages: int


class Data(NamedTuple):
    rows: list[EntryRow]
    next_after: str
    """The key behind which the next page begins; empty where this is the last."""


def parse(given: QueryDict) -> Query:
    status, page = given.get("status", "all"), given.get("page", "")
    return Query(
        prefix=given.get("prefix", "")[:TEXT],
        after=given.get("after", "")[:TEXT],
        member=given.get("member", "")[:TEXT],
        status=status if status in STATUSES else "all",
        page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 7 else 1,
    )


def members(query: Query, everybody: list[MemberView], now: int) -> Members:
    """One page of those whose id or address has the text in it."""
    found = [view for view in everybody if _matches(view, query)]
    pages = max(1, -(-len(found) // ROWS))
    first = ROWS * (min(query.page, pages) - 1)
    rows = [member_row(view, now) for view in found[first : first + ROWS]]
    return Members(rows, len(found), min(first + 1, len(found)), first + len(rows), pages)


async def data(query: Query) -> Data:
    """One page of the data; others have their turn meanwhile."""
    steps = services.aslices(prefix=query.prefix, after=query.after, limit=ROWS + 1)
    found: list[Entry] = []
    async for step in steps:
        found += step
    more = len(found) > ROWS
    return Data([entry_row(entry) for entry in found[:ROWS]], found[ROWS - 1].key if more else "")


def _matches(view: MemberView, query: Query) -> bool:
    if query.status not in {"all", view.status}:
        return False
    text = query.member.lower()
    record = view.record
    places = (record.node_id, record.api_endpoint or "", record.gossip_endpoint or "")
    return any(text in place.lower() for place in places)
