"""`GET /api/schema` and the page that shows it, `GET /api/docs`."""

import functools
from typing import Final

import msgspec
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

import gossip
from gossip.api.base import NodeView
from gossip.api.responses import CONTENT_TYPE

PAGE_HEADERS: Final = {
    # Swagger's interface styles its elements and draws its icons from data URLs.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Type": "text/html; charset=utf-8",
}


class SchemaView(NodeView):
    """`GET /api/schema`."""

    tells_age = False

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        body = _schema()
        return HttpResponse(
            body, headers={"Content-Type": CONTENT_TYPE, "Content-Length": str(len(body))}
        )


class DocsView(NodeView):
    """`GET /api/docs`."""

    tells_age = False

    async def get(self, _request: HttpRequest) -> HttpResponseBase:
        # Late: only a node that somebody reads about pays for it.
        from django.template.loader import get_template

        body = get_template("gossip/docs.html").render({"software": gossip.__version__}).encode()
        return HttpResponse(body, headers=PAGE_HEADERS | {"Content-Length": str(len(body))})


@functools.cache
def _schema() -> bytes:
    from gossip.api.schema import document

    return msgspec.json.encode(document())
