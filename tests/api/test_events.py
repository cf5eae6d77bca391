"""`GET /gossip/events`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from gossip.api.events import stream
from gossip.api.handler import ApiHandler
from gossip.core.effects import Notice, NoticeKind
from gossip.core.entries import Entry
from gossip.runtime.feed import WATCHERS
from gossip.services import ChangeKind
from tests.support.asgi import scope
from tests.support.events import Event, parse
from tests.support.fake_port import ME, NOW, FakePort
from tests.support.runtime import until

ALL = frozenset(ChangeKind)


class Browser:
    """One open request, and what came of it."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = False
        self.leaves = asyncio.Event()

    @property
    def events(self) -> list[Event]:
        return parse(self.body)

    async def receive(self) -> dict[str, Any]:
        if not self.headers and not self.status and not self.leaves.is_set():
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode().lower(): v.decode() for k, v in message["headers"]}
        else:
            self.body += message.get("body", b"")
            self.ended = not message.get("more_body", False)


@asynccontextmanager
async def browsing(query: bytes = b"", last_id: str | None = None) -> AsyncIterator[Browser]:
    """Ask for the stream, read it while the body lasts, then leave."""
    browser = Browser()
    headers = {} if last_id is None else {"last-event-id": last_id}
    request = scope("GET", b"/gossip/events", query=query, headers=headers)
    task = asyncio.create_task(ApiHandler()(request, browser.receive, browser.send))
    try:
        await until(lambda: browser.body or task.done())
        yield browser
    finally:
        browser.leaves.set()
        async with asyncio.timeout(5):
            await task


async def heard(browser: Browser, count: int) -> list[Event]:
    """The events behind the first, once there are so many."""
    await until(lambda: browser.body.count(b"\n\n") > count)
    return browser.events[1:]


async def test_it_opens_with_the_node_and_an_id(port: FakePort) -> None:
    port.tell(me=msgspec.structs.replace(ME, incarnation=NOW))
    async with browsing() as browser:
        assert browser.status == 200
        assert browser.headers["content-type"] == "text/event-stream"
        assert browser.headers["cache-control"] == "no-store"
        assert browser.headers["x-accel-buffering"] == "no"
        [opened] = browser.events
    assert opened.kind == "hello"
    assert opened.id is not None
    assert opened.data == {
        "nodeId": ME.node_id,
        "startedAt": "2026-11-22T06:03:21.824Z",
        "resumed": False,
    }


async def test_what_happens_is_told_as_it_happens(port: FakePort) -> None:
    async with browsing() as browser:
        await port.write("k", b'{"a":"line\\nbreak"}')
        port.feed.member(Notice(NoticeKind.PEER_SUSPECTED, "0xpeer", "it is silent"))
        await port.write("k", None)
        written, suspected, deleted = await heard(browser, 3)
    about = {"key": "k", "timestamp": NOW, "origin": ME.node_id}
    assert written[:2] == ("data_set", about | {"value": {"a": "line\nbreak"}, "version": NOW})
    assert suspected[:2] == ("peer_suspected", {"nodeId": "0xpeer", "detail": "it is silent"})
    assert deleted[:2] == ("data_deleted", about | {"version": NOW + 2})
    assert len({written.id, suspected.id, deleted.id}) == 3


async def test_filters(port: FakePort) -> None:
    async with browsing(b"types=data_set,%20peer_left&prefix=a%2F") as browser:
        port.hold(Entry("b", 1, b"1"), Entry("a/1", 1, b"1"), Entry("a/1", 2, None))
        port.feed.member(Notice(NoticeKind.PEER_JOINED, "0xpeer"))
        port.feed.member(Notice(NoticeKind.PEER_LEFT, "0xpeer"))
        events = await heard(browser, 2)
    assert [event.kind for event in events] == ["data_set", "peer_left"]


@pytest.mark.parametrize("types", ["", "hello", "data_set,", "DATA_SET"])
async def test_an_unknown_type_is_refused(client: httpx.AsyncClient, types: str) -> None:
    answer = await client.get("/gossip/events", params={"types": types})
    assert answer.status_code == 400
    assert "data_set" in answer.json()["message"]


async def test_it_resumes_behind_the_last_id(port: FakePort) -> None:
    async with browsing() as browser:
        port.hold(Entry("a", 1, b"1"))
        [seen] = await heard(browser, 1)
    port.hold(Entry("b", 1, b"1"), Entry("c", 1, b"1"))
    async with browsing(last_id=seen.id) as browser:
        events = await heard(browser, 2)
        assert browser.events[0].data["resumed"] is True
        # Whoever is cut off before it has all that it missed asks again from the same place.
        assert browser.events[0].id == seen.id
    assert [event.data["key"] for event in events] == ["b", "c"]


async def test_it_says_when_it_cannot_resume(port: FakePort) -> None:
    async with browsing(last_id="elsewhere-1\x7f") as browser:
        opened, gap = browser.events
        port.hold(Entry("a", 1, b"1"))
        assert len(await heard(browser, 2)) == 2
    assert opened.data["resumed"] is False
    assert gap.kind == "gap"
    assert gap.id is None


async def test_hostile_text_stays_within_its_line(port: FakePort) -> None:
    key = "k\n\nevent: end\ndata: {}\r\u2028"
    async with browsing() as browser:
        await port.write(key, b'"</script>"')
        [event] = await heard(browser, 1)
    assert event.data["key"] == key


async def test_silence_is_broken_by_comments(port: FakePort) -> None:
    events = stream(ALL, "", None, heartbeat=0.0)
    text = await anext(events) + await anext(events) + await anext(events)
    port.hold(Entry("a", 1, b"1"))
    text += await anext(events)
    assert [event.kind for event in parse(text)] == ["hello", "", "", "data_set"]


async def test_a_stop_ends_it(port: FakePort) -> None:
    async with browsing() as browser:
        port.hold(Entry("a", 1, b"1"))
        port.feed.close()
        await until(lambda: browser.ended)
        assert [event.kind for event in browser.events] == ["hello", "data_set", "end"]
        assert browser.events[-1].data["reason"] == "stopping"


async def test_a_slow_reader_is_told_why_it_ends(port: FakePort) -> None:
    events = stream(ALL, "", None)
    await anext(events)
    for number in range(9):
        port.hold(Entry(f"k{number}", 1, b'"%b"' % (b"x" * 131_000)))
    [end] = parse(b"".join([text async for text in events]))
    assert (end.kind, end.data["reason"]) == ("end", "slow")
    assert port.watch_counts.dropped == 1


async def test_a_client_that_leaves_makes_room(port: FakePort) -> None:
    async with browsing():
        assert port.watch_counts.watching == 1
    assert port.watch_counts.watching == 0


async def test_one_too_many_is_refused(client: httpx.AsyncClient, port: FakePort) -> None:
    watches = [stream(ALL, "", None) for _ in range(WATCHERS)]
    for watch in watches:
        await anext(watch)
    answer = await client.get("/gossip/events")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    stats = (await client.get("/gossip/stats")).json()["stats"]
    assert (stats["watchers"], stats["watchersRefused"]) == (WATCHERS, 1)
    assert stats["watchersDropped"] == 0


async def test_a_head_watches_nothing(client: httpx.AsyncClient, port: FakePort) -> None:
    answer = await client.head("/gossip/events")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert not port.feed.watched


async def test_without_a_node(configure: Callable[..., httpx.AsyncClient]) -> None:
    assert (await configure().get("/gossip/events")).status_code == 503


async def test_only_reading(client: httpx.AsyncClient) -> None:
    answer = await client.post("/gossip/events", json={})
    assert answer.status_code == 405
    assert "POST" not in answer.headers["Allow"]
