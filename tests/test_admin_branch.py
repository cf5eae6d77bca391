"""The part of the port that belongs to the admin."""

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse

from gossipnode.admin_branch import AT_ONCE, AdminHandler
from tests.support.asgi import ask, scope

LOGIN = b"/admin/login/"


async def test_a_body_that_is_too_large_is_refused() -> None:
    body = b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
    answer = await ask(AdminHandler(), scope("POST", LOGIN), body)
    assert answer.status == 413
    assert answer.headers["connection"] == "close"
    assert b"larger than 2621440 bytes" in answer.body


async def test_few_requests_are_answered_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way = most = 0
    lock, go = threading.Lock(), threading.Event()

    def respond(_: HttpRequest) -> HttpResponse:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        assert go.wait(10)
        with lock:
            under_way -= 1
        return HttpResponse(b"done")

    async def in_a_thread(_: Any, request: HttpRequest) -> Any:
        return await sync_to_async(respond)(request)

    monkeypatch.setattr(ASGIHandler, "run_get_response", in_a_thread)
    handler = AdminHandler()
    threads = threading.active_count()
    asking = [asyncio.create_task(ask(handler, scope("GET", LOGIN))) for _ in range(4 * AT_ONCE)]
    async with asyncio.timeout(10):
        while under_way < AT_ONCE:
            await asyncio.sleep(0.001)
    # Those who leave make no room: their threads go on.
    leaving, staying = asking[:AT_ONCE], asking[AT_ONCE:]
    for each in leaving:
        each.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    await asyncio.sleep(0.05)
    assert threading.active_count() - threads <= AT_ONCE
    go.set()
    answers = await asyncio.gather(*staying)
    assert [answer.body for answer in answers] == [b"done"] * len(staying)
    assert most == AT_ONCE
