"""Every refusal has the one form."""

import httpx
import pytest

from gossip.api.handler import ApiHandler
from tests.api.conftest import Configure
from tests.support.asgi import ask, scope
from tests.support.fake_port import FakePort

PATHS = {
    "/gossip/peers": "GET, HEAD, OPTIONS",
    "/gossip/stats": "GET, HEAD, OPTIONS",
    "/gossip/health": "GET, HEAD, OPTIONS",
    "/gossip/state": "GET, HEAD, OPTIONS",
    "/gossip/data": "GET, POST, HEAD, OPTIONS",
    "/gossip/data/k": "GET, PUT, DELETE, HEAD, OPTIONS",
    "/p2p/peers": "GET, HEAD, OPTIONS",
    "/p2p/stats": "GET, HEAD, OPTIONS",
    "/healthz": "GET, HEAD, OPTIONS",
    "/readyz": "GET, HEAD, OPTIONS",
}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(("path", "allowed"), PATHS.items())
async def test_methods(client: httpx.AsyncClient, path: str, allowed: str, slash: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
        if method in allowed:
            continue
        answer = await client.request(method, path + slash)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == allowed
        assert answer.json() == {"success": False, "message": f'Method "{method}" not allowed.'}


@pytest.mark.parametrize(("path", "allowed"), PATHS.items())
async def test_options(client: httpx.AsyncClient, path: str, allowed: str) -> None:
    answer = await client.options(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Allow"] == allowed
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/x", "/gossip", "/gossip/", "/gossip/peers//", "/gossip/stats/x", "/GOSSIP/stats"]
)
async def test_unknown_paths(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {"success": False, "message": f"Cannot GET {path}"}


async def test_a_line_break_behind_a_path(port: FakePort) -> None:
    assert (await ask(ApiHandler(), scope("GET", b"/gossip/stats%0A"))).status == 404


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense", "*/*;q=0"])
async def test_answers_are_json_whatever_is_accepted(
    client: httpx.AsyncClient, accept: str
) -> None:
    answer = await client.get("/gossip/stats", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("path", [path for path in PATHS if path not in {"/healthz", "/readyz"}])
async def test_without_a_node(configure: Configure, path: str) -> None:
    answer = await configure().get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert "No node runs in this process" in answer.json()["message"]


async def test_too_many_parameters(client: httpx.AsyncClient) -> None:
    answer = await client.get("/gossip/data?" + "a&" * 1_001)
    assert answer.status_code == 400
    assert answer.json()["success"] is False


async def test_a_bug_of_ours_tells_no_secrets(client: httpx.AsyncClient, port: FakePort) -> None:
    port.views = None  # type: ignore[assignment]
    answer = await client.get("/gossip/peers")
    assert answer.status_code == 500
    assert answer.json().keys() == {"success", "message"}
    assert "Traceback" not in answer.text
    assert "NoneType" not in answer.text
