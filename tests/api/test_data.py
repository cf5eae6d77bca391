"""`GET` and `POST /gossip/data`."""

import asyncio
import threading

import httpx
import pytest

from gossip.api.handler import ApiHandler
from gossip.api.requests import MAX_BODY
from gossip.core.entries import Entry
from gossip.core.errors import WriteRefused, WriteUnanswered
from gossip.runtime.ports import STEP
from tests.support.asgi import ask, scope
from tests.support.fake_port import NOW, FakePort

JSON = {"Content-Type": "application/json"}


def entry(key: str, value: bytes | None = b"1") -> Entry:
    return Entry(key, NOW, value)


async def post(client: httpx.AsyncClient, text: str | bytes) -> httpx.Response:
    return await client.post("/gossip/data", content=text, headers=JSON)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# Reading


async def test_all_data_in_the_order_of_keys(client: httpx.AsyncClient, port: FakePort) -> None:
    port.hold(entry("b", b"null"), entry('a"', b'{"x":[1]}'), entry("gone", None))
    answer = await client.get("/gossip/data")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.text == '{"success":true,"data":{"a\\"":{"x":[1]},"b":null}}'


async def test_no_data_is_an_empty_object(client: httpx.AsyncClient) -> None:
    assert (await client.get("/gossip/data/")).text == '{"success":true,"data":{}}'


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ("prefix=b", ["b1", "b2", "b3"]),
        ("prefix=b&limit=2", ["b1", "b2"]),
        ("prefix=b&after=b1&limit=1", ["b2"]),
        ("after=b3", ["c"]),
        ("after=z", []),
        ("limit=1", ["a"]),
        ("prefix=%C3%A9", []),
    ],
)
async def test_a_page_of_the_data(
    client: httpx.AsyncClient, port: FakePort, query: str, keys: list[str]
) -> None:
    port.hold(*map(entry, ["a", "b1", "b2", "b3", "c"]), entry("b0", None))
    answer = await client.get(f"/gossip/data?{query}")
    assert list(answer.json()["data"]) == keys


async def test_pages_add_up_over_many_slices(client: httpx.AsyncClient, port: FakePort) -> None:
    keys = [f"k{number:05}" for number in range(2 * STEP + 3)]
    port.hold(*map(entry, keys))
    seen: list[str] = []
    for _ in range(5):
        after = seen[-1] if seen else ""
        page = await client.get(f"/gossip/data?limit=300&after={after}")
        seen += list(page.json()["data"])
    assert seen == keys


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "", "9" * 19])
async def test_a_limit_that_is_no_positive_integer(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get(f"/gossip/data?limit={limit}")
    assert answer.status_code == 400
    assert answer.json() == {"success": False, "message": "`limit` must be a positive integer"}


async def test_a_long_answer_gives_others_a_turn(port: FakePort) -> None:
    port.hold(*(Entry(f"k{number}", 1, None) for number in range(20 * STEP)))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    answer = await ask(ApiHandler(), scope("GET", b"/gossip/data"))
    task.cancel()
    await asyncio.wait((task,))
    assert answer.json()["data"] == {}
    assert turns >= 20


async def test_a_stream_comes_in_bounded_parts(port: FakePort) -> None:
    port.hold(*(entry(f"k{number}", b'"%b"' % (b"v" * 1_000)) for number in range(300)))
    answer = await ask(ApiHandler(), scope("GET", b"/gossip/data"))
    assert len(answer.json()["data"]) == 300
    assert max(map(len, answer.parts)) <= 65_536


async def test_head_sends_headers_only(port: FakePort) -> None:
    port.hold(entry("k"))
    answer = await ask(ApiHandler(), scope("HEAD", b"/gossip/data"))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/json"


# Writing


async def test_a_write_answers_with_its_version(client: httpx.AsyncClient, port: FakePort) -> None:
    answer = await post(client, '{"key": "k", "value": {"status": "active", "n": 1.0}}')
    assert answer.status_code == 201
    expected = f'{{"success":true,"message":"Data set for key \'k\'","version":{NOW}}}'
    assert answer.text == expected
    stored = await port.get("k")
    assert stored is not None
    assert stored.value == b'{"status":"active","n":1}'


@pytest.mark.parametrize("value", ["null", "0", "false", '""', "[]", '"\\ud83d\\ude00"'])
async def test_every_json_value_is_a_value(
    client: httpx.AsyncClient, port: FakePort, value: str
) -> None:
    assert (await post(client, f'{{"key":"k","value":{value}}}')).status_code == 201
    assert await port.get("k") is not None


async def test_of_duplicate_names_the_last_counts(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    answer = await post(client, '{"key":"a","value":1,"key":"b","value":{"x":1,"x":2}}')
    assert answer.status_code == 201
    assert await port.get("a") is None
    stored = await port.get("b")
    assert stored is not None
    assert stored.value == b'{"x":2}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"k"',
        "{}",
        '{"key":"k"}',
        '{"value":1}',
        '{"key":"","value":1}',
        '{"key":1,"value":1}',
        '{"key":null,"value":1}',
        '{"key":["k"],"value":1}',
        '{"key":"k","value":1,"other":2}',
        '{"key":"k","value":1} {}',
        '{"key":"k","value":NaN}',
        '{"key":"k","value":-Infinity}',
        '{"key":"k","value":1e999}',
        '{"key":"k","value":"\\ud800"}',
        '{"key":"k","value":["\\udfff"]}',
        '{"key":"\\ud800","value":1}',
        '{"key":"k","value":1,}',
        b'{"key":"k","value":"\xff"}',
        b'{"key":"\xff","value":1}',
        b'{"\xff":1}',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        '{"key":"k","value":1,"ttl":null}',
        '{"key":"k","value":1,"ttl":"60"}',
        '{"key":"k","value":1,"ttl":0}',
        '{"key":"k","value":1,"ttl":-1}',
        '{"key":"k","value":1,"ttl":1e99}',
        "[" * 100_000,
        '{"key":"k","value":' + nested(33) + "}",
    ],
)
async def test_a_body_that_is_no_write(
    client: httpx.AsyncClient, port: FakePort, text: str | bytes
) -> None:
    answer = await post(client, text)
    assert answer.status_code == 400
    assert answer.json().keys() == {"success", "message"}
    assert answer.json()["success"] is False
    assert await port.held() == []


@pytest.mark.parametrize(("ttl", "milliseconds"), [("60", 60_000), ("0.25", 250), ("1e-9", 1)])
async def test_e6_a_key_with_a_ttl_says_when_it_ends(
    client: httpx.AsyncClient, port: FakePort, ttl: str, milliseconds: int
) -> None:
    answer = await post(client, f'{{"key":"k","value":1,"ttl":{ttl}}}')
    assert answer.status_code == 201
    assert answer.json()["expiresAt"] == NOW + milliseconds
    [written] = await port.held()
    assert written.expires_at == NOW + milliseconds


async def test_e6_what_has_expired_is_not_shown(client: httpx.AsyncClient, port: FakePort) -> None:
    port.hold(Entry("past", 1, b"1", 1), Entry("future", 1, b"2", 2**53 - 1))
    assert (await client.get("/gossip/data")).json()["data"] == {"future": 2}
    assert (await client.get("/gossip/data/past")).status_code == 404
    assert (await client.get("/gossip/data/future")).json()["data"] == 2
    assert (await client.delete("/gossip/data/past")).status_code == 404


@pytest.mark.parametrize(
    ("stored", "version", "status"),
    [
        (entry("k"), NOW, 201),
        (entry("k"), NOW - 1, 409),
        (entry("k"), 0, 409),
        (entry("k", None), 0, 201),
        (None, 0, 201),
        (None, 1, 409),
    ],
)
async def test_compare_and_set_by_version(
    client: httpx.AsyncClient, port: FakePort, stored: Entry | None, version: int, status: int
) -> None:
    if stored is not None:
        port.hold(stored)
    answer = await post(client, f'{{"key":"k","value":2,"ifVersion":{version}}}')
    assert answer.status_code == status
    assert answer.json()["success"] is (status == 201)
    assert (await port.get("k") is stored) is (status == 409)


@pytest.mark.parametrize("text", ["-1", "1.5", '"1"', "true", "null", "9007199254740992"])
async def test_what_is_no_version(client: httpx.AsyncClient, text: str) -> None:
    answer = await post(client, f'{{"key":"k","value":2,"ifVersion":{text}}}')
    assert answer.status_code == 400
    assert "ifVersion" in answer.json()["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Match": "*"}, 201),
        ({"If-Match": "TAG"}, 201),
        ({"If-Match": '"1-00000000", TAG'}, 201),
        ({"If-Match": "W/TAG"}, 412),
        ({"If-Match": '"1-00000000"'}, 412),
        ({"If-None-Match": "*"}, 412),
        ({"If-None-Match": "TAG"}, 400),
        ({"If-Match": "nonsense"}, 412),
        ({"If-Match": ""}, 412),
        ({"If-Match": "*", "If-None-Match": "*"}, 412),
        ({"If-Unmodified-Since": "Thu, 26 Nov 2026 12:00:00 GMT"}, 400),
    ],
)
async def test_a_write_under_a_precondition(
    client: httpx.AsyncClient, port: FakePort, headers: dict[str, str], status: int
) -> None:
    stored = entry("k")
    port.hold(stored)
    given = {name: value.replace("TAG", f'"{stored.tag}"') for name, value in headers.items()}
    body = {"key": "k", "value": 2}
    answer = await client.post("/gossip/data", json=body, headers=given)
    assert answer.status_code == status, answer.text
    assert (await port.get("k") is stored) is (status != 201)


async def test_all_conditions_of_a_write_must_hold(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    body = {"key": "k", "value": 2, "ifVersion": 0}
    answer = await client.post("/gossip/data", json=body, headers={"If-Match": "*"})
    assert answer.status_code == 412
    answer = await client.post("/gossip/data", json=body, headers={"If-None-Match": "*"})
    assert answer.status_code == 201
    assert await port.get("k") is not None


async def test_the_deepest_value(client: httpx.AsyncClient) -> None:
    assert (await post(client, f'{{"key":"k","value":{nested(32)}}}')).status_code == 201


async def test_the_longest_key(client: httpx.AsyncClient) -> None:
    longest = "é" * 256
    assert (await post(client, f'{{"key":"{longest}","value":1}}')).status_code == 201
    assert (await post(client, f'{{"key":"{longest}a","value":1}}')).status_code == 400


async def test_the_largest_value(client: httpx.AsyncClient) -> None:
    largest = '"' + "a" * 131_070 + '"'
    too_large = '"' + "a" * 131_071 + '"'
    assert (await post(client, f'{{"key":"k","value":{largest}}}')).status_code == 201
    assert (await post(client, f'{{"key":"k","value":{too_large}}}')).status_code == 413


async def test_the_largest_value_fits_whatever_its_key(client: httpx.AsyncClient) -> None:
    key = "\\u0061" * 512
    largest = '"' + "a" * 131_070 + '"'
    assert (await post(client, f'{{"key":"{key}","value":{largest}}}')).status_code == 201


async def test_the_largest_body(client: httpx.AsyncClient) -> None:
    text = '{"key":"k","value":1}'
    assert (await post(client, text.ljust(MAX_BODY))).status_code == 201
    answer = await post(client, text.ljust(MAX_BODY + 1))
    assert answer.status_code == 413
    assert answer.json()["success"] is False


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"],
)
async def test_bodies_other_than_json(
    client: httpx.AsyncClient, port: FakePort, content_type: str
) -> None:
    answer = await client.post(
        "/gossip/data", content='{"key":"k","value":1}', headers={"Content-Type": content_type}
    )
    assert answer.status_code == 415
    assert "application/json" in answer.json()["message"]
    assert await port.get("k") is None


async def test_parameters_of_the_content_type_do_not_matter(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/gossip/data",
        content='{"key":"k","value":1}',
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert answer.status_code == 201


async def test_a_body_without_a_length(client: httpx.AsyncClient, port: FakePort) -> None:
    async def chunks() -> object:
        yield b'{"key":"k",'
        yield b'"value":1}'

    answer = await client.post("/gossip/data", content=chunks(), headers=JSON)  # type: ignore[arg-type]
    assert answer.status_code == 201
    assert await port.get("k") is not None


async def test_a_write_of_which_nobody_can_tell(client: httpx.AsyncClient, port: FakePort) -> None:
    port.refusal = WriteUnanswered("the node is stopping")
    answer = await post(client, '{"key":"k","value":1}')
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    message = answer.json()["message"]
    assert message == "The node is stopping: the write may still happen"


@pytest.mark.parametrize("reason", ["clock", "exhausted", "journal", "overloaded", "stopping"])
async def test_a_refused_write(client: httpx.AsyncClient, port: FakePort, reason: str) -> None:
    port.refusal = WriteRefused(reason, "what happened")
    answer = await post(client, '{"key":"k","value":1}')
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json() == {
        "success": False,
        "message": f"The write was refused ({reason}): what happened",
    }


async def test_a_thousand_writes_wait_at_once(client: httpx.AsyncClient, port: FakePort) -> None:
    port.gate.clear()
    threads = threading.active_count()
    writes = [
        asyncio.create_task(post(client, f'{{"key":"k{number}","value":{number}}}'))
        for number in range(1_000)
    ]
    async with asyncio.timeout(30):
        await port.until_waiting(1_000)
    assert threading.active_count() <= threads
    port.gate.set()
    answers = await asyncio.gather(*writes)
    assert {answer.status_code for answer in answers} == {201}
    assert len(await port.held()) == 1_000
