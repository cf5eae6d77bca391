"""`GET`, `PUT` and `DELETE /gossip/data/:key`."""

import httpx
import pytest

from gossip.api.handler import ApiHandler
from gossip.core.entries import Entry
from tests.api.conftest import Configure
from tests.support.asgi import ask, scope
from tests.support.fake_port import NOW, FakePort

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("value", ["0", "false", '""', "null", "[]", '{"status":"active"}'])
async def test_a_value(client: httpx.AsyncClient, port: FakePort, value: str) -> None:
    port.hold(Entry("k", NOW, value.encode()))
    answer = await client.get("/gossip/data/k")
    assert answer.status_code == 200
    assert answer.text == f'{{"success":true,"data":{value}}}'


@pytest.mark.parametrize("path", ["/gossip/data/k", "/gossip/data/k/"])
async def test_an_unknown_key(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.text == '{"success":false,"message":"Key \'k\' not found"}'


async def test_a_deleted_key(client: httpx.AsyncClient, port: FakePort) -> None:
    port.hold(Entry("k", NOW, None))
    assert (await client.get("/gossip/data/k")).status_code == 404


async def test_a_missing_key_as_the_deployed_nodes_answer_it(
    configure: Configure, port: FakePort
) -> None:
    answer = await configure(compat_missing_200=True).get("/gossip/data/k")
    assert answer.status_code == 200
    assert answer.json() == {"success": False, "message": "Key 'k' not found"}


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b"/gossip/data/k", "k"),
        (b"/gossip/data/k/", "k"),
        (b"/gossip/data/k//", "k/"),
        (b"/gossip/data/k%2F", "k/"),
        (b"/gossip/data/%2F", "/"),
        (b"/gossip/data/%2f/", "/"),
        (b"/gossip/data/a%2Fb/c", "a/b/c"),
        (b"/gossip/data/100%25", "100%"),
        (b"/gossip/data/a%2520b", "a%20b"),
        (b"/gossip/data/a+b", "a+b"),
        (b"/gossip/data/%C3%A9t%C3%A9", "été"),
        (b"/gossip/data/%F0%9F%98%80", "😀"),
        (b"/gossip/data/a%0Ab%0A", "a\nb\n"),
        (b"/gossip/data/%00", "\0"),
        (b"/gossip/data/..", ".."),
        (b"/gossip/data/data/k", "data/k"),
        (b"/gossip/d%61ta/k", "k"),
    ],
)
async def test_the_key_is_cut_from_the_raw_path(port: FakePort, raw: bytes, key: str) -> None:
    handler = ApiHandler()
    written = await ask(handler, scope("PUT", raw, headers=JSON), b"1")
    assert written.status == 201
    assert [entry.key for entry in await port.held()] == [key]
    assert (await ask(handler, scope("GET", raw))).json() == {"success": True, "data": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"/gossip/data/%FF",
        b"/gossip/data/a%C3",
        b"/gossip/data/%ED%A0%80",
        b"/gossip/data//",
        b"/gossip/data/" + b"a" * 513,
        b"/gossip/data/" + b"%C3%A9" * 257,
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_cannot_be_a_key(port: FakePort, method: str, raw: bytes) -> None:
    answer = await ask(ApiHandler(), scope(method, raw, headers=JSON), b"1")
    assert answer.status == 400
    assert answer.json()["success"] is False
    assert await port.held() == []


async def test_the_longest_key(port: FakePort) -> None:
    raw = b"/gossip/data/" + b"%C3%A9" * 256
    assert (await ask(ApiHandler(), scope("PUT", raw, headers=JSON), b"1")).status == 201


async def test_below_a_mount_point(port: FakePort) -> None:
    port.hold(Entry("a/b", NOW, b"1"))
    request = scope("GET", b"/node%20one/gossip/data/a%2Fb", root_path="/node one")
    assert (await ask(ApiHandler(), request)).status == 200


async def test_a_server_without_raw_path(port: FakePort) -> None:
    request = scope("PUT", b"/gossip/data/%C3%A9%25", headers=JSON)
    del request["raw_path"]
    await ask(ApiHandler(), request, b"1")
    assert [entry.key for entry in await port.held()] == ["é%"]


# Validators


async def test_the_etag_has_version_and_hash(client: httpx.AsyncClient, port: FakePort) -> None:
    entry = Entry("k", 5, b'{"a":1}')
    port.hold(entry)
    etag = f'"5-{entry.value_hash.hex()[:8]}"'
    assert (await client.get("/gossip/data/k")).headers["ETag"] == etag


@pytest.mark.parametrize("form", ["{}", 'W/{}, "other"', '"other", {}', "*"])
async def test_a_client_that_has_the_value(
    client: httpx.AsyncClient, port: FakePort, form: str
) -> None:
    port.hold(Entry("k", 5, b"1"))
    etag = (await client.get("/gossip/data/k")).headers["ETag"]
    answer = await client.get("/gossip/data/k", headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == etag


@pytest.mark.parametrize("form", ['"4-00000000"', "nonsense", ""])
async def test_a_client_that_has_another_value(
    client: httpx.AsyncClient, port: FakePort, form: str
) -> None:
    port.hold(Entry("k", 5, b"1"))
    answer = await client.get("/gossip/data/k", headers={"If-None-Match": form})
    assert answer.status_code == 200


async def test_head_has_the_headers_of_get(port: FakePort) -> None:
    port.hold(Entry("k", 5, b"1"))
    got = await ask(ApiHandler(), scope("GET", b"/gossip/data/k"))
    head = await ask(ApiHandler(), scope("HEAD", b"/gossip/data/k"))
    assert head.headers == got.headers
    assert head.body == b""


# Writing


async def test_put_takes_the_body_as_the_value(client: httpx.AsyncClient, port: FakePort) -> None:
    answer = await client.put("/gossip/data/k", content=' { "a" : 1e2 } ', headers=JSON)
    assert answer.status_code == 201
    assert answer.json() == {
        "success": True,
        "message": "Data set for key 'k'",
        "version": NOW,
    }
    stored = await port.get("k")
    assert stored is not None
    assert stored.value == b'{"a":100}'


@pytest.mark.parametrize("text", ["", "{", "NaN", "1 2", '"\\ud800"', "[" * 33 + "]" * 33])
async def test_put_of_what_is_no_value(
    client: httpx.AsyncClient, port: FakePort, text: str
) -> None:
    answer = await client.put("/gossip/data/k", content=text, headers=JSON)
    assert answer.status_code == 400
    assert await port.get("k") is None


async def test_put_of_the_largest_value(client: httpx.AsyncClient) -> None:
    largest = '"' + "a" * 131_070 + '"'
    answer = await client.put("/gossip/data/k", content=largest, headers=JSON)
    assert answer.status_code == 201
    answer = await client.put("/gossip/data/k", content=f"[{largest}]", headers=JSON)
    assert answer.status_code == 413


async def test_put_of_something_else(client: httpx.AsyncClient) -> None:
    assert (await client.put("/gossip/data/k", content="1")).status_code == 415


async def test_delete_leaves_a_tombstone(client: httpx.AsyncClient, port: FakePort) -> None:
    port.hold(Entry("k", NOW, b"1"))
    answer = await client.delete("/gossip/data/k")
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "message": "Data deleted for key 'k'",
        "version": NOW + 2,
    }
    stored = await port.get("k")
    assert stored is not None
    assert stored.deleted


async def test_delete_of_what_is_not_there(client: httpx.AsyncClient, port: FakePort) -> None:
    port.hold(Entry("gone", NOW, None))
    for key in ("never", "gone"):
        answer = await client.delete(f"/gossip/data/{key}")
        assert answer.status_code == 404
        assert answer.json()["message"] == f"Key '{key}' not found"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_key_is_written_or_deleted_under_a_condition(
    client: httpx.AsyncClient, port: FakePort, method: str
) -> None:
    port.hold(Entry("k", 5, b"1"))
    headers = {"If-Match": '"5-00000000"', **JSON}
    answer = await client.request(method, "/gossip/data/k", content="2", headers=headers)
    assert answer.status_code == 412
    stored = await port.get("k")
    assert stored is not None
    assert stored.value == b"1"
    headers["If-Match"] = (await client.get("/gossip/data/k")).headers["ETag"]
    answer = await client.request(method, "/gossip/data/k", content="2", headers=headers)
    assert answer.is_success
    stored = await port.get("k")
    assert stored is not None
    assert stored.value == (b"2" if method == "PUT" else None)
