"""Entries: looked at in the database, changed through the services.

The table holds what the node holds: its own writes when they are acknowledged, and what it learned
from others some 50 ms later.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.db.models.functions import Substr
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from gossip import services
from gossip.admin.paging import MOST, LargeTableAdmin
from gossip.admin.times import moment
from gossip.core.errors import EntryFault, GossipError, WriteUnanswered
from gossip.core.values import normalise
from gossip.dashboard.rows import short_id
from gossip.models import EntryRow

__all__ = ["EntryAdmin", "EntryRow"]

PREVIEW: Final = 80
"""Characters of a value in a list."""
READABLE: Final = 100_000
"""Characters of a value that is shown indented: deep ones grow by a multiple, beyond any form."""
_LAST: Final = "\U0010ffff"


class EntryForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A key and its value as JSON."""

    # Blanks belong to a key.
    key = forms.CharField(strip=False, widget=forms.TextInput(attrs={"size": 80}))

    value = forms.CharField(
        label="Value, as JSON",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 16, "cols": 90, "spellcheck": "false"}),
    )

    class Meta:
        model = EntryRow
        fields = ("key", "value")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.value is not None:
            self.initial["value"] = _indented(self.instance.value)

    def clean_key(self) -> str:
        """What may be a key."""
        try:
            return services.checked_key(self.cleaned_data["key"])
        except EntryFault as fault:
            raise forms.ValidationError(str(fault)) from None

    def clean_value(self) -> str:
        """What may be a value."""
        text: str = self.cleaned_data["value"]
        try:
            normalise(text.encode(), services.LIMITS)
        except (EntryFault, UnicodeEncodeError) as fault:
            raise forms.ValidationError(f"Not a value: {fault}") from None
        return text

    def validate_unique(self) -> None:
        """A key that exists is overwritten, as by any other writer."""


@admin.action(description="Delete the selected entries, on all nodes", permissions=["delete"])
def delete_entries(
    model_admin: "EntryAdmin", request: HttpRequest, rows: QuerySet[EntryRow]
) -> None:
    """Delete each through the services; those that are deleted already do not matter."""
    if request.POST.get("select_across") == "1":
        # It would be all rows that there are, not those of the pages.
        messages.error(request, "Nothing was deleted: select the entries of one page at a time.")
        return
    deleted = 0
    with model_admin.telling(request):
        for row in rows.only("key"):
            try:
                model_admin.delete_model(request, row)
            except services.UnknownKey:
                continue
            deleted += 1
    messages.info(request, f"{deleted} entries were deleted.")


class EntryAdmin(LargeTableAdmin):
    """The state, by key."""

    form = EntryForm
    list_per_page = 100
    lookups = ("key__gt",)
    list_display = ("key", "preview", "version", "written", "writer")
    list_display_links = ("key",)
    # Only what an index gives: anything else would sort the whole table.
    sortable_by = ("key",)
    ordering = ("key",)
    search_fields = ("key",)
    search_help_text = (
        f"Keys that begin with this. A list ends after {MOST:,} keys; below its last page"
        " is a link to those behind."
    )
    actions = (delete_entries,)
    change_list_template = "gossip/admin/entries.html"

    # Reading

    def get_queryset(self, request: HttpRequest) -> QuerySet[EntryRow]:
        """Without the values, which may be large; a list shows how each begins."""
        rows: QuerySet[EntryRow] = super().get_queryset(request)
        match = request.resolver_match
        if match is not None and (match.url_name or "").endswith("_changelist"):
            return rows.defer("value").annotate(start=Substr("value", 1, PREVIEW + 1))
        return rows

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[EntryRow], search_term: str
    ) -> tuple[QuerySet[EntryRow], bool]:
        """By prefix, which the key's index answers; `LIKE` would read the table."""
        if not search_term:
            return queryset, False
        found = queryset.filter(key__gte=search_term)
        behind = following(search_term)
        return (found if behind is None else found.filter(key__lt=behind)), False

    @admin.display(description="value")
    def preview(self, row: EntryRow) -> str:
        """How the value begins; a tombstone has none."""
        start: str | None = row.start  # type: ignore[attr-defined]  # annotated
        if start is None:
            return format_html("<em>{}</em>", "deleted")
        return start if len(start) <= PREVIEW else f"{start[:PREVIEW]}…"

    @admin.display(description="written")
    def written(self, row: EntryRow) -> str:
        """By the writer's clock."""
        return format_html('<span class="nowrap">{}</span>', moment(row.timestamp))

    @admin.display(description="writer")
    def writer(self, row: EntryRow) -> str:
        """Its id, shortened; all of it is in the details."""
        origin = row.origin or ""
        return format_html('<span title="{}">{}</span>', origin, short_id(origin))

    def get_readonly_fields(self, _request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Everything but the value, once the key is there."""
        return () if obj is None else ("key", "version", "written", "origin", "expires_at")

    def get_fields(self, _request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A new entry has a key and a value."""
        if obj is None:
            return ("key", "value")
        return ("key", "value", "version", "written", "origin", "expires_at")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without Django's, which deletes rows."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    # Writing. Django would wrap the views in a transaction, which holds SQLite's only write lock
    # while the services wait for the journal to take it.

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Add or change, outside a transaction."""
        view: Any = self._changeform_view  # type: ignore[attr-defined]  # left out of the stubs
        try:
            return view(request, object_id, form_url, extra_context)
        except GossipError as error:
            return self._told(request, error)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Delete, outside a transaction."""
        view: Any = self._delete_view  # type: ignore[attr-defined]  # left out of the stubs
        try:
            return view(request, object_id, extra_context)
        except GossipError as error:
            return self._told(request, error)

    def save_model(self, _request: HttpRequest, obj: EntryRow, form: Any, change: bool) -> None:
        """Write as any other client does."""
        text = form.cleaned_data["value"].encode()
        services.set(obj.key, msgspec.Raw(text))
        if change:
            obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: EntryRow) -> None:
        """A tombstone, which spreads."""
        services.delete(obj.key)
        log: Any = super().log_deletions
        log(request, [obj])

    def log_deletions(self, _request: HttpRequest, _rows: Any) -> list[LogEntry]:
        """Nothing: Django comes here before it deletes, and what is refused was not deleted."""
        return []

    def _told(self, request: HttpRequest, error: GossipError) -> HttpResponse:
        # Of a write that was not answered nobody knows, and its text says so.
        known = "" if isinstance(error, WriteUnanswered) else "Nothing was changed: "
        messages.error(request, f"{known}{error}")
        return HttpResponseRedirect(reverse("admin:gossip_entryrow_changelist"))

    @contextmanager
    def telling(self, request: HttpRequest) -> Iterator[None]:
        """Say what the services refuse."""
        try:
            yield
        except GossipError as error:
            messages.error(request, f"Not all was done: {error}")


def following(prefix: str) -> str | None:
    """The first text behind all that begin with this prefix, by code points; None if there is none.

    SQLite orders by the bytes of UTF-8, which is the same order.
    """
    head = prefix.rstrip(_LAST)
    if not head:
        return None
    # UTF-8 has nothing between these two.
    successor = "\ue000" if head[-1] == "\ud7ff" else chr(ord(head[-1]) + 1)
    return head[:-1] + successor


def _indented(text: str) -> str:
    try:
        indented = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except RecursionError:
        return text
    return indented if len(indented) <= READABLE else text
