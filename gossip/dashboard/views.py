"""The page at `/`. It reads, and nothing on it writes."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.templatetags.static import static

import gossip
from gossip import services
from gossip.dashboard import queries, words
from gossip.dashboard.rows import clock, duration, iso, short_id
from gossip.services import Health

HEADERS: Final = {
    # Everything comes from this very node; scripts cannot make markup out of text.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

PIPS: Final = 120
"""Members drawn as dots: as many as a phone shows without scrolling."""


async def status(request: HttpRequest) -> HttpResponseBase:
    """`GET /`."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    try:
        context = await _context(queries.parse(request.GET))
    except (services.NoEngine, services.Unavailable):
        return _page(request, "gossip/no_node.html", {}, 503, {"Retry-After": "1"})
    return _page(request, "gossip/status.html", context)


async def icon(_request: HttpRequest) -> HttpResponseBase:
    """`GET /favicon.ico`."""
    return HttpResponseRedirect(static("gossip/icon.svg"))


def _page(
    request: HttpRequest,
    template: str,
    context: dict[str, Any],
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    # Late: only a node that somebody looks at pays for it.
    from django.template.loader import get_template

    shared = {"software": gossip.__version__}
    body = get_template(template).render(shared | context).encode()
    length = {"Content-Length": str(len(body))}
    content = b"" if request.method == "HEAD" else body
    return HttpResponse(content, status=status, headers=HEADERS | length | (headers or {}))


async def _context(query: queries.Query) -> dict[str, Any]:
    health, everybody = await services.ahealth(), await services.amembers()
    now = health.overview.me.last_seen
    members = queries.members(query, everybody, now)
    data = await queries.data(query)
    return {
        "query": query,
        "statuses": queries.STATUSES,
        "node": _node(health, now),
        "health": health,
        "verdict": words.status_word(health.status),
        "reasons": [(reason, words.reason_word(reason)) for reason in health.overview.reasons],
        "words": {"statuses": words.STATUSES, "reasons": words.REASONS},
        "members": members,
        "members_before": query.link(page=query.page - 1) if members.first > 1 else "",
        "members_behind": query.link(page=query.page + 1) if members.last < members.found else "",
        "pips": [view.status for view in everybody[:PIPS]],
        "pips_left_out": max(0, len(everybody) - PIPS),
        "data": data,
        "data_behind": query.link(after=data.next_after) if data.next_after else "",
        "data_first": query.link(after="") if query.after else "",
        "groups": _groups(health),
        "refused": _refused(health),
        "refused_words": words.REFUSED,
        "rows": queries.ROWS,
    }


def _node(health: Health, now: int) -> dict[str, Any]:
    me = health.overview.me
    return {
        "me": me,
        "short": short_id(me.node_id),
        "now": iso(now),
        "clock": clock(now),
        "started": iso(me.incarnation),
        # A life begins at the time of the wall clock (M1).
        "uptime": duration(max(0, now - me.incarnation) // 1000),
    }


def _groups(health: Health) -> list[dict[str, Any]]:
    now = health.overview
    seconds = max(1.0, (now.me.last_seen - now.me.incarnation) / 1000)
    gauges = {
        "setAside": now.aside,
        "links": now.links,
        "selfDoubt": now.self_doubt,
        "answerTimeout": round(now.answer_timeout * 1000),
        "watchers": services.watch_counts().watching,
    }

    def row(counter: words.Counter) -> dict[str, Any]:
        if counter.gauge:
            return {"counter": counter, "value": f"{gauges[counter.name]:,}"}
        value = getattr(now.stats, _snake(counter.name))
        rate = value / seconds
        shown = f"{rate:,.1f}/s" if rate >= 0.05 else ""
        return {"counter": counter, "value": f"{value:,}", "rate": shown}

    return [
        {"title": group.title, "rows": [row(counter) for counter in group.counters]}
        for group in words.COUNTERS
    ]


def _refused(health: Health) -> list[dict[str, Any]]:
    """By how often, most often first."""
    counted = health.overview.stats.refused
    return [
        {"reason": reason, "words": words.REFUSED.get(reason, reason), "count": f"{count:,}"}
        for reason, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
