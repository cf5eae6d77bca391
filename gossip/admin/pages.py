"""Pages of what the node has in memory: members, versions of the future, refused input."""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from gossip import services
from gossip.admin.times import moment
from gossip.core.entries import Entry
from gossip.core.errors import GossipError
from gossip.core.stats import MemberView
from gossip.dashboard.rows import ago, duration, short_id
from gossip.dashboard.words import REFUSED

PER_PAGE: Final = 100

T = TypeVar("T")


class Page(NamedTuple):
    """One page beside Django's."""

    name: str
    title: str
    path: str
    view: Callable[[HttpRequest], HttpResponse]
    permission: str
    """That who sees it must have: of what is on disk of the same."""
    listed: bool = True

    def allowed(self, request: HttpRequest) -> bool:
        """Whether who asks may see it."""
        return request.user.has_perm(self.permission)

    def guarded(self, request: HttpRequest) -> HttpResponse:
        """The page, for those who may see it. Raises `PermissionDenied`."""
        if not self.allowed(request):
            raise PermissionDenied
        return self.view(request)


def members(request: HttpRequest) -> HttpResponse:
    """Who is listed, with its status and its last sign of life."""

    def context() -> dict[str, Any]:
        now = services.overview().me.last_seen
        found = _found(request, services.members(), _texts_of_member)
        rows = [
            (view, short_id(view.record.node_id), ago(now - view.record.last_seen))
            for view in found["page"]
        ]
        return {**found, "rows": rows}

    return _answer(request, MEMBERS, context)


def forget(request: HttpRequest) -> HttpResponse:
    """Ask, then take a member off the lists."""
    node_id = request.POST.get("node_id") or request.GET.get("node_id", "")
    if request.method == "POST":
        try:
            services.forget(node_id)
        except GossipError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"Member {node_id} is forgotten here.")
        return HttpResponseRedirect(reverse(f"admin:{MEMBERS.name}"))
    return _answer(request, FORGET, lambda: {"node_id": node_id})


def aside(request: HttpRequest) -> HttpResponse:
    """Versions of the future that wait for their time (E4)."""

    def context() -> dict[str, Any]:
        now = services.overview().me.last_seen
        found = _found(request, services.aside(), _texts_of_entry)
        rows = [
            (entry, moment(entry.version), duration((entry.version - now) // 1000))
            for entry in found["page"]
        ]
        return {**found, "rows": rows}

    return _answer(request, ASIDE, context)


def drop(request: HttpRequest) -> HttpResponse:
    """Ask, then drop a version of the future."""
    key = request.POST.get("key") or request.GET.get("key", "")
    if request.method == "POST":
        try:
            services.drop_aside(key)
        except GossipError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"The version of the future of {key} is dropped here.")
        return HttpResponseRedirect(reverse(f"admin:{ASIDE.name}"))
    return _answer(request, DROP, lambda: {"key": key})


def refused(request: HttpRequest) -> HttpResponse:
    """What was refused since the start, by reason."""

    def context() -> dict[str, Any]:
        counted = services.overview().stats.refused.most_common()
        return {"rows": [(reason, REFUSED.get(reason, ""), count) for reason, count in counted]}

    return _answer(request, REFUSED_INPUT, context)


MEMBERS = Page("members", "Members", "now/members/", members, "gossip.view_peerrow")
FORGET = Page(
    "forget", "Forget a member", "now/members/forget/", forget, "gossip.delete_peerrow", False
)
ASIDE = Page("aside", "Versions of the future", "now/aside/", aside, "gossip.view_entryrow")
DROP = Page(
    "drop", "Drop a version of the future", "now/aside/drop/", drop, "gossip.delete_entryrow", False
)
REFUSED_INPUT = Page("refused", "Refused input", "now/refused/", refused, "gossip.view_noderow")
PAGES: Final = (MEMBERS, FORGET, ASIDE, DROP, REFUSED_INPUT)


def _found(
    request: HttpRequest, items: Iterable[T], texts: Callable[[T], tuple[str, ...]]
) -> dict[str, Any]:
    """A page of those that contain what was searched for, and what the template says of that."""
    wanted = request.GET.get("q", "").strip()
    found = [item for item in items if any(wanted in text for text in texts(item))]
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    return {"page": page, "wanted": wanted, "query": urlencode({"q": wanted})}


def _texts_of_member(view: MemberView) -> tuple[str, ...]:
    record = view.record
    return record.node_id, record.gossip_endpoint or "", record.region, view.status


def _texts_of_entry(entry: Entry) -> tuple[str, ...]:
    return entry.key, entry.origin or ""


def _answer(
    request: HttpRequest, page: Page, context: Callable[[], dict[str, Any]]
) -> HttpResponse:
    template, status, found = f"gossip/admin/{page.name}.html", 200, dict[str, Any]()
    try:
        found = context()
    except (services.NoEngine, services.Unavailable) as error:
        template, status, found = "gossip/admin/no_node.html", 503, {"message": str(error)}
    shared = admin.site.each_context(request) | {"title": page.title}
    return TemplateResponse(request, template, shared | found, status=status)
