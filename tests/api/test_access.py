"""Who may write."""

import httpx
import pytest

from gossip.api.handler import ApiHandler
from gossip.core.entries import Entry
from tests.api.conftest import Configure
from tests.support.asgi import ask, scope
from tests.support.fake_port import FakePort

TOKENS = frozenset({"first-token", "second-token"})
REMOTE = "192.0.2.7"


async def write(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/gossip/data", json={"key": "k", "value": 1}, headers=named)


# Without tokens


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_may_write(configure: Configure, port: FakePort, address: str) -> None:
    assert (await write(configure(address=address))).status_code == 201


@pytest.mark.parametrize("address", [REMOTE, "::ffff:192.0.2.7", "2001:db8::1", "", "unix:"])
async def test_others_may_not(configure: Configure, port: FakePort, address: str) -> None:
    answer = await write(configure(address=address))
    assert answer.status_code == 403
    assert "GOSSIP_API_TOKENS" in answer.json()["message"]
    assert await port.get("k") is None


async def test_a_client_without_address_may_not(port: FakePort) -> None:
    request = scope("DELETE", b"/gossip/data/k", client=None)
    assert (await ask(ApiHandler(), request)).status == 403


@pytest.mark.parametrize(
    "header",
    ["X_Forwarded_For", "X_Forwarded_Proto", "X_Forwarded_Host", "Forwarded", "Via", "X_Real_IP"],
)
async def test_a_proxy_on_this_machine_may_not(
    client: httpx.AsyncClient, port: FakePort, header: str
) -> None:
    answer = await write(client, **{header: "127.0.0.1"})
    assert answer.status_code == 403
    assert "proxy" in answer.json()["message"]
    assert await port.get("k") is None


@pytest.mark.parametrize(
    "exposed",
    [
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"public_url": "https://node.example"},
        {"gossip_public_url": "wss://node.example/ws"},
        {"binds_itself": False},
    ],
)
async def test_nobody_may_write_to_an_exposed_node(
    configure: Configure, port: FakePort, exposed: dict[str, object]
) -> None:
    answer = await write(configure(**exposed))
    assert answer.status_code == 403
    assert "GOSSIP_API_TOKENS" in answer.json()["message"]


async def test_a_server_that_does_not_tell_its_address_needs_host(
    configure: Configure, port: FakePort
) -> None:
    message = (await write(configure(binds_itself=False))).json()["message"]
    assert "HOST" in message
    assert "other machines" not in message
    told = configure(binds_itself=False, host_given=True)
    assert (await write(told)).status_code == 201


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_every_write_is_guarded(configure: Configure, port: FakePort, method: str) -> None:
    port.hold(Entry("k", 5, b"1"))
    client = configure(address=REMOTE)
    assert (await client.request(method, "/gossip/data/k", json=2)).status_code == 403
    assert await port.get("k") == Entry("k", 5, b"1")


async def test_reading_is_open(configure: Configure, port: FakePort) -> None:
    port.hold(Entry("k", 5, b"1"))
    client = configure(address=REMOTE, host="0.0.0.0", api_tokens=TOKENS)
    for path in ("/gossip/data", "/gossip/data/k", "/gossip/state", "/gossip/peers"):
        assert (await client.get(path)).status_code == 200


# With tokens


@pytest.mark.parametrize(
    "header", ["Bearer first-token", "bearer  second-token", "BEARER first-token"]
)
async def test_a_token_lets_anybody_in(configure: Configure, port: FakePort, header: str) -> None:
    client = configure(address=REMOTE, host="0.0.0.0", api_tokens=TOKENS)
    answer = await write(client, Authorization=header, X_Forwarded_For="192.0.2.9")
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer first-token,second-token",
        "Bearer first-toke",
        "Bearer first-tokenn",
        "Basic first-token",
        "first-token",
    ],
)
async def test_without_a_token_nobody_gets_in(
    configure: Configure, port: FakePort, header: str
) -> None:
    answer = await write(configure(api_tokens=TOKENS), Authorization=header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="gossip"'
    assert "GOSSIP_API_TOKENS" in answer.json()["message"]
    assert "first-token" not in answer.text
    assert await port.get("k") is None


async def test_a_token_of_any_bytes(configure: Configure, port: FakePort) -> None:
    headers = {"Authorization": b"Bearer \xff\xe9"}
    answer = await configure(api_tokens=TOKENS).delete("/gossip/data/k", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 401


async def test_a_method_that_does_not_exist_needs_no_token(
    configure: Configure, port: FakePort
) -> None:
    assert (await configure(api_tokens=TOKENS).put("/gossip/data")).status_code == 405


# Pages of other sites


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", "http://localhost:8080", "https://localhost:3001"),
        *("null", "", "x", "http://[", "http://[localhost]:3001"),
    ],
)
async def test_foreign_pages_may_not_write(
    client: httpx.AsyncClient, port: FakePort, origin: str
) -> None:
    answer = await write(client, Origin=origin)
    assert answer.status_code == 403
    assert "GOSSIP_CORS_ORIGINS" in answer.json()["message"]
    assert await port.get("k") is None


async def test_foreign_pages_may_not_write_with_a_token_either(
    configure: Configure, port: FakePort
) -> None:
    client = configure(api_tokens=TOKENS)
    answer = await write(client, Origin="https://evil.example", Authorization="Bearer first-token")
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://localhost:3001", "https://app.example", "https://node.example"]
)
async def test_own_and_named_pages_may(configure: Configure, port: FakePort, origin: str) -> None:
    client = configure(
        cors_origins=frozenset({"https://app.example"}),
        public_url="https://node.example",
        api_tokens=TOKENS,
    )
    answer = await write(client, Origin=origin, Authorization="Bearer first-token")
    assert answer.status_code == 201
