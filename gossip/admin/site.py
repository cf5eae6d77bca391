"""The admin site: Django's, with the pages of `gossip.admin.pages` beside the tables."""

from http import HTTPStatus
from math import ceil
from typing import Any

import structlog
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path, reverse

from gossip.admin import pages
from gossip.admin.logins import FailedLogins

_log = structlog.get_logger("gossip")


class NodeAdminSite(AdminSite):
    """What an administrator of a node sees first."""

    site_header = "gossipnode"
    site_title = "gossipnode"
    index_title = "This node"
    # Back to the status page.
    site_url = "/"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.failed_logins = FailedLogins()

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's login, for those who have not guessed too often."""
        address = request.META.get("REMOTE_ADDR", "")
        if request.method != "POST":
            return super().login(request, extra_context)
        wait = ceil(self.failed_logins.wait(address))
        if wait:
            text = f"Too many failed logins from {address}: try again in {wait} s"
            return HttpResponse(text, status=429, headers={"Retry-After": str(wait)})
        response = super().login(request, extra_context)
        # Not whether the user is known: another one may be logged in already. Nothing is forgotten
        # at a success: a login of one's own would buy as many guesses at another's.
        if response.status_code != HTTPStatus.FOUND:
            self.failed_logins.failed(address)
            _log.warning("admin_login_failed", address=address)
        return response

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """The pages of what is in memory, then Django's."""
        live: list[URLPattern | URLResolver] = [
            path(page.path, self.admin_view(page.guarded), name=page.name) for page in pages.PAGES
        ]
        return [*live, *super().get_urls()]

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Django's list with our pages in front."""
        listed = list(super().get_app_list(request, app_label))
        if app_label is not None:
            return listed
        live = [
            {
                "name": page.title,
                "object_name": page.name,
                "admin_url": reverse(f"admin:{page.name}"),
                "add_url": None,
                "perms": {"view": True},
                "view_only": True,
            }
            for page in pages.PAGES
            if page.listed and page.allowed(request)
        ]
        if not live:
            return listed
        head = {"name": "Now", "app_label": "now", "app_url": "", "has_module_perms": True}
        return [{**head, "models": live}, *listed]
