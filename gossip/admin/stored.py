"""What else is on disk: members remembered across restarts, and the node itself. To be read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from gossip.admin.paging import LargeTableAdmin
from gossip.admin.times import moment
from gossip.models import NodeRow, PeerRow

__all__ = ["NodeAdmin", "NodeRow", "PeerAdmin", "PeerRow"]


class _ReadOnly(LargeTableAdmin):
    actions = None

    def has_add_permission(self, _request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        return False


class PeerAdmin(_ReadOnly):
    """Members that a restart would dial (M7)."""

    list_display = ("node_id", "gossip_endpoint", "seen", "region", "version")
    search_fields = ("node_id", "gossip_endpoint")
    ordering = ("node_id",)
    sortable_by = ("node_id",)

    @admin.display(description="last seen")
    def seen(self, row: PeerRow) -> str:
        """When it gave a sign of life last, as far as it was stored."""
        return moment(row.last_seen)


class NodeAdmin(_ReadOnly):
    """This node's own row."""

    list_display = ("node_id", "incarnation", "clock_floor")
