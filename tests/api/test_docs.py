"""The document of the HTTP interface, and its page."""

import re

import httpx
from openapi_spec_validator import validate

from gossip.api import urls
from gossip.api.schema import document
from tests.support.fake_port import FakePort

PAGES = {"/api/docs"}
"""For people, and so not in the document."""


def test_the_document_is_valid() -> None:
    validate(document())


def test_every_url_is_described_and_no_other() -> None:
    patterns = [str(pattern.pattern) for pattern in urls.urlpatterns]
    served = {
        "/" + re.sub(r"\(\?P<(\w+)>.*?\)", r"{\1}", pattern).strip("^").removesuffix(r"\Z")
        for pattern in patterns
    }
    assert {path.removesuffix("/?") for path in served} - PAGES == document()["paths"].keys()


def test_every_method_is_described_and_no_other() -> None:
    described = document()["paths"]
    for pattern in urls.urlpatterns:
        view = pattern.callback.view_class  # type: ignore[attr-defined]  # a class-based view
        name = str(pattern.name)
        path = f"/{name.replace('-', '/')}".replace("/key", "/{key}")
        if path in PAGES:
            continue
        methods = {method for method in ("get", "post", "put", "delete") if hasattr(view, method)}
        assert methods == described[path].keys() & {"get", "post", "put", "delete"}, path


async def test_the_document_is_served(client: httpx.AsyncClient) -> None:
    for path in ("/api/schema", "/api/schema/"):
        answer = await client.get(path)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json() == document()


async def test_the_stats_are_described(client: httpx.AsyncClient, port: FakePort) -> None:
    stats = (await client.get("/gossip/stats")).json()["stats"]
    assert list(stats) == document()["components"]["schemas"]["Stats"]["required"]


async def test_the_page_loads_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/docs")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(links) >= 4
    assert all(link.startswith(("/static/", "/api/")) for link in links)
