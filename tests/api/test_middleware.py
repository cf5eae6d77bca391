"""The `Host` header and cross-origin reading."""

import httpx
import pytest

from gossip.api.handler import ApiHandler
from tests.api.conftest import Configure
from tests.support.asgi import ask, scope
from tests.support.fake_port import FakePort

APP = "https://app.example"


async def get(client: httpx.AsyncClient, host: str, path: str = "/gossip/stats") -> httpx.Response:
    return await client.get(path, headers={"Host": host})


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:3001",
        "localhost.",
        "127.0.0.1:9",
        "[::1]:3001",
        "node.example",
        "gossip.example:443",
        "extra.example",
        "a.b.wild.example",
    ],
)
async def test_our_names(configure: Configure, port: FakePort, host: str) -> None:
    client = configure(
        public_url="https://node.example",
        gossip_public_url="wss://gossip.example/ws",
        extra_hosts=("extra.example", ".wild.example"),
    )
    assert (await get(client, host)).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "localhost@evil.example", "a b", "", "localhost:x"],
)
async def test_other_names(client: httpx.AsyncClient, host: str) -> None:
    answer = await get(client, host)
    assert answer.status_code == 400
    assert answer.json()["success"] is False
    assert "GOSSIP_ALLOWED_HOSTS" in answer.json()["message"]


async def test_two_hosts_are_none(port: FakePort) -> None:
    request = scope("GET", b"/gossip/stats")
    request["headers"].append((b"host", b"evil.example"))
    assert (await ask(ApiHandler(), request)).status == 400


async def test_no_host_at_all(port: FakePort) -> None:
    request = scope("GET", b"/gossip/stats")
    request["headers"].clear()
    assert (await ask(ApiHandler(), request)).status == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz/", "/gossip/health", "/gossip/health/"])
async def test_probes_come_by_any_name(client: httpx.AsyncClient, path: str) -> None:
    assert (await get(client, "10.0.0.7:3001", path)).status_code == 200


async def test_only_reading_health_does(client: httpx.AsyncClient) -> None:
    answer = await client.post("/gossip/health", headers={"Host": "10.0.0.7"})
    assert answer.status_code == 400


async def test_cors_is_off(client: httpx.AsyncClient) -> None:
    answer = await client.get("/gossip/stats", headers={"Origin": APP})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("path", ["/gossip/data", "/gossip/data/unknown"])
async def test_a_named_origin_may_read(configure: Configure, port: FakePort, path: str) -> None:
    client = configure(cors_origins=frozenset({APP}))
    answer = await client.get(path, headers={"Origin": APP})
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Expose-Headers"] == "Age, ETag, Retry-After"
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{APP}.evil.example"])
async def test_other_origins_may_not(configure: Configure, port: FakePort, origin: str) -> None:
    client = configure(cors_origins=frozenset({APP}))
    answer = await client.get("/gossip/data", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Vary"] == "Origin"


async def test_a_preflight(configure: Configure, port: FakePort) -> None:
    client = configure(cors_origins=frozenset({APP}))
    asked = {"Origin": APP, "Access-Control-Request-Method": "PUT"}
    answer = await client.options("/gossip/data/k", headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
