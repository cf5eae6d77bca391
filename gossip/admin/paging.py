"""Lists of tables that are too large to be counted or sorted."""

from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

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


class IndexedChangeList(ChangeList):
    """Sorts by what `sortable_by` names alone, whatever the address asks for."""

    def get_ordering_field(self, field_name: Any) -> Any:
        """The field, or None not to sort by this one."""
        if field_name not in (self.sortable_by or ()):
            return None
        return super().get_ordering_field(field_name)

    def behind(self) -> str:
        """The query of a link to the rows behind those that the pages reach.

        Empty where there are none, and on all pages but the last.
        """
        ascending = set(self.get_ordering_field_columns().values()) <= {"asc"}
        full = self.paginator.count == MOST and self.page_num == self.paginator.num_pages
        if not (full and ascending):
            return ""
        last = getattr(self.result_list[len(self.result_list) - 1], self.pk_attname)
        search = {SEARCH_VAR: self.query} if self.query else {}
        return urlencode({f"{self.pk_attname}__gt": last, **search})


class LargeTableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """A list that takes no longer the more rows there are."""

    paginator = BoundedPaginator
    show_full_result_count = False

    lookups: tuple[str, ...] = ()
    """Lookups that an address may name, each answered by an index. Django takes any: a regular
    expression would hold the interpreter's lock, and with it the node."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:  # noqa: ARG002
        """Whether an address may name this lookup."""
        return lookup in self.lookups

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        """Ours."""
        return IndexedChangeList
