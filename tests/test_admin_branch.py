"""The part of the port that belongs to the admin."""

import asyncio
from typing import Any

import pytest
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
    go = asyncio.Event()

    async def respond(_: Any, __: HttpRequest) -> HttpResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await go.wait()
        under_way -= 1
        return HttpResponse(b"done")

    monkeypatch.setattr(ASGIHandler, "run_get_response", respond)
    handler = AdminHandler()
    asking = [asyncio.create_task(ask(handler, scope("GET", LOGIN))) for _ in range(3 * AT_ONCE)]
    while under_way < AT_ONCE:
        await asyncio.sleep(0)
    go.set()
    answers = await asyncio.gather(*asking)
    assert [answer.body for answer in answers] == [b"done"] * len(asking)
    assert most == AT_ONCE
