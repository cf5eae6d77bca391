"""The page as the server renders it, for who runs no script."""

import re
from collections import Counter
from collections.abc import Callable

import httpx
import msgspec
import pytest

from gossip.core.entries import Entry
from gossip.core.stats import Stats
from gossip.dashboard.views import PIPS
from gossip.dashboard.words import REASONS, REFUSED, STATUSES, Word
from gossip.runtime.ports import Unavailable
from tests.support.fake_port import ME, NOW, FakePort

HOSTILE = "\"><script>alert('1')</script>&amp;<img src=x onerror=alert(1)>"


async def page(client: httpx.AsyncClient, query: str = "") -> str:
    answer = await client.get(f"/{query}")
    assert answer.status_code == 200
    # What scripts copy is not shown.
    return re.sub(r"<template.*?</template>", "", answer.text, flags=re.DOTALL)


async def test_it_says_how_the_node_is(client: httpx.AsyncClient, port: FakePort) -> None:
    port.know("0xa", "active", last_seen=NOW - 3_000)
    port.tell(
        me=msgspec.structs.replace(ME, incarnation=NOW - 3_700_000),
        reasons=("journal: disk full", "never heard of"),
        stats=Stats(messages_sent=12_345, refused=Counter({"json": 2, "new": 3})),
    )
    text = await page(client)
    for shown in (
        ">Degraded</h1>",
        "The disk refuses writes",
        "journal: disk full",
        "Something else",
        "never heard of",
        "1 h 1 min",
        "3 s ago",
        "12,345",
        "3.3/s",
        REFUSED["json"],
        '<code data-slot="reason">new</code>',
    ):
        assert shown in text, shown


@pytest.mark.parametrize("word", STATUSES, ids=lambda word: word.name)
async def test_every_status_has_words(
    client: httpx.AsyncClient, port: FakePort, word: Word
) -> None:
    peers = {"healthy": ["active"], "degraded": ["active", "suspected", "suspected"]}
    for number, status in enumerate(peers.get(word.name, [])):
        port.know(f"0x{number}", status)
    text = await page(client)
    assert word.meaning in text


def test_every_word_is_said_once() -> None:
    names = [word.name for word in (*STATUSES, *REASONS)]
    assert len(set(names)) == len(names)
    assert all(word.title and word.meaning for word in (*STATUSES, *REASONS))


async def test_what_strangers_wrote_is_text(client: httpx.AsyncClient, port: FakePort) -> None:
    port.know(HOSTILE, region=HOSTILE, version=HOSTILE, api_endpoint=f"javascript:{HOSTILE}")
    port.hold(Entry(HOSTILE, 1, msgspec.json.encode(HOSTILE)))
    port.tell(
        me=msgspec.structs.replace(ME, node_id=HOSTILE, region=HOSTILE),
        reasons=(HOSTILE,),
        stats=Stats(refused=Counter({HOSTILE: 1})),
    )
    answer = await client.get("/", params={"prefix": HOSTILE[:3], "member": HOSTILE})
    assert "<script>alert" not in answer.text
    assert "<img src=x" not in answer.text
    assert "&lt;img src=x" in answer.text
    assert not re.search(r"href=\"javascript", answer.text)


async def test_nothing_but_our_own_may_run(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in answer.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    allowed = {name for name, value in policy.items() if "'self'" in value}
    assert allowed == {"script-src", "style-src", "img-src", "connect-src", "form-action"}
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
    # Such a policy forbids these.
    assert not re.search(r"<style|style=|<script(?! type=\"module\" src=)| on[a-z]+=", answer.text)
    assert not re.search(
        r"(src|href)=\"(https?:)?//", answer.text.replace(str(ME.api_endpoint), "")
    )


async def test_pages_lead_on_and_keep_what_was_asked(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    for number in range(60):
        port.know(f"0x{number:02}")
    port.hold(*(Entry(f"k&{number:02}", 1, b"1") for number in range(60)))
    text = await page(client, "?prefix=k%26&page=2&status=active")
    assert "26–50 of 60" in text
    assert 'href="?prefix=k%26&amp;status=active#members-title"' in text
    assert 'href="?prefix=k%26&amp;status=active&amp;page=3#members-title"' in text
    behind = 'href="?prefix=k%26&amp;after=k%2624&amp;status=active&amp;page=2#data-title"'
    assert behind in text
    assert text.count('class="member"') == text.count('class="entry"') == 25
    assert '<input type="hidden" name="prefix" value="k&amp;">' in text


async def test_a_crowd_is_drawn_as_far_as_there_is_room(
    client: httpx.AsyncClient, port: FakePort
) -> None:
    for number in range(PIPS + 80):
        port.know(f"0x{number:03}")
    text = await page(client)
    assert text.count('<i data-status="active"></i>') == PIPS
    assert ">+80<" in text


async def test_an_empty_node(client: httpx.AsyncClient) -> None:
    text = await page(client)
    assert "No other node has joined yet." in text
    assert "Nothing has been written yet." in text
    assert "Nothing has been refused." in text
    assert "No key begins like that." in await page(client, "?prefix=x")


async def test_a_head_and_what_cannot_be_done(client: httpx.AsyncClient) -> None:
    head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) > 1_000
    refused = await client.post("/")
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")


async def test_without_a_node(configure: Callable[..., httpx.AsyncClient]) -> None:
    answer = await configure().get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert "No node runs here" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_a_node_that_cannot_be_asked(client: httpx.AsyncClient, port: FakePort) -> None:
    port.unavailable = Unavailable("the view does not answer")
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "does not answer" in answer.text


async def test_only_our_own_names(client: httpx.AsyncClient) -> None:
    assert (await client.get("/", headers={"Host": "evil.example"})).status_code == 400


async def test_browsers_find_the_icon_where_they_look_by_themselves(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/favicon.ico")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/static/gossip/icon.svg")
