"""Paging through tables that are too large to be counted."""

from functools import cached_property
from typing import Final

from django.core.paginator import Paginator
from django.db.models import QuerySet

MOST: Final = 1_000
"""Rows that pages of one list reach. Who wants others says from which key on, or a prefix: an
offset costs what it skips."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts no further than `MOST`."""

    @cached_property
    def count(self) -> int:
        """How many rows the pages reach."""
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[:MOST].count()
        return min(MOST, len(rows))
