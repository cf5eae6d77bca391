"""Static files: the branch before Django, then real servers."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from gossip.asgi import Receive, Scope, Send
from gossip.dashboard import apps
from gossipnode.static_files import AT_ONCE, StaticFiles
from tests.support.asgi import Answer, ask, scope
from tests.support.ports import free_port
from tests.support.process import Launch, NodeProcess

ICON = b"/static/gossip/icon.svg"
HERE = Path(apps.__file__).parent / "static"


async def elsewhere(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"elsewhere"})


async def fetch(path: bytes, method: str = "GET", **headers: str) -> Answer:
    return await ask(StaticFiles(elsewhere), scope(method, path, headers=headers))


async def test_a_file_comes_with_its_type_and_may_be_kept_for_a_minute() -> None:
    answer = await fetch(ICON)
    assert answer.status == 200
    assert answer.body == (HERE / "gossip" / "icon.svg").read_bytes()
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "max-age=60, public"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers


async def test_a_file_that_the_browser_has_is_not_sent_again() -> None:
    etag = (await fetch(ICON)).headers["etag"]
    answer = await fetch(ICON, **{"if-none-match": etag})
    assert (answer.status, answer.body) == (304, b"")


async def test_a_head_has_no_body_and_nothing_can_be_written() -> None:
    head = await fetch(ICON, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) == (HERE / "gossip" / "icon.svg").stat().st_size
    for method in ("POST", "PUT", "DELETE"):
        refused = await fetch(ICON, method)
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        b"/static/",
        b"/static/gossip",
        b"/static/gossip/nothing.svg",
        b"/static/../settings.py",
        b"/static/gossip/../../apps.py",
        b"/static/%2e%2e/%2e%2e/apps.py",
        b"/static//etc/passwd",
        b"/static/%2fetc%2fpasswd",
        b"/static/gossip/icon.svg%00",
        b"/static/gossip\\icon.svg",
    ],
)
async def test_nothing_else_is_found(path: bytes) -> None:
    assert (await fetch(path)).body == b"elsewhere"


async def test_other_paths_pass() -> None:
    assert (await fetch(b"/statics")).body == b"elsewhere"


@pytest.fixture
def directories(tmp_path: Path) -> Iterator[Path]:
    found = (tmp_path / "first", tmp_path / "second")
    for directory in found:
        (directory / "gossip").mkdir(parents=True)
        (directory / "gossip" / "icon.svg").write_text(directory.name)
    with override_settings(STATICFILES_DIRS=[found[0], ("below", found[1])]):
        yield tmp_path


async def test_the_first_finder_counts_and_prefixes_hold(directories: Path) -> None:
    assert (await fetch(ICON)).body == b"first"
    assert (await fetch(b"/static/below/gossip/icon.svg")).body == b"second"


async def test_so_many_files_are_on_their_way_at_once_and_no_more() -> None:
    files = StaticFiles(elsewhere)
    under_way = 0
    reads = asyncio.Event()

    async def receive() -> Any:
        raise AssertionError("a file needs no body")

    async def send(event: Any) -> None:
        nonlocal under_way
        if event["type"] == "http.response.start":
            under_way += 1
            await reads.wait()

    requests = [
        asyncio.create_task(files(scope("GET", ICON), receive, send)) for _ in range(AT_ONCE + 1)
    ]
    async with asyncio.timeout(10):
        while under_way < AT_ONCE:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert under_way == AT_ONCE
        reads.set()
        await asyncio.gather(*requests)
    assert under_way == AT_ONCE + 1


async def test_what_is_no_file_takes_no_turn() -> None:
    async def never(_: Scope, __: Receive, ___: Send) -> None:
        await asyncio.Event().wait()

    files = StaticFiles(never)
    stuck = [
        asyncio.create_task(ask(files, scope("POST", b"/static/nothing"))) for _ in range(AT_ONCE)
    ]
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        assert (await ask(files, scope("GET", ICON))).status == 200
    for each in stuck:
        each.cancel()
    await asyncio.gather(*stuck, return_exceptions=True)


@pytest.mark.parametrize("launch", Launch)
def test_every_launch_serves_them(tmp_path: Path, launch: Launch) -> None:
    node = NodeProcess(free_port(), tmp_path / "node", launch=launch)
    try:
        node.start()
        node.wait_ready()
        answer = node.client.get(ICON.decode())
        assert answer.status == 200
        assert answer.body == (HERE / "gossip" / "icon.svg").read_bytes()
        missing = node.client.get("/static/gossip/../../../../settings.py")
        assert (missing.status, missing.json["success"]) == (404, False)
        assert node.client.request("POST", ICON.decode(), b"{}").status == 405
    finally:
        node.kill()
