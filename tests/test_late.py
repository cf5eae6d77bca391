"""An application that is loaded at the first request for it."""

import asyncio
import threading

import pytest

from gossip.asgi import Application, Receive, Scope, Send
from gossipnode.late import Late
from tests.support.asgi import ask, scope


async def loaded(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"loaded"})


async def test_it_is_loaded_once_for_all_who_ask_meanwhile() -> None:
    loads = 0
    go = threading.Event()

    def load() -> Application:
        nonlocal loads
        loads += 1
        assert go.wait(10)
        return loaded

    late = Late(load)
    assert loads == 0
    first, second = (asyncio.create_task(ask(late, scope("GET", b"/"))) for _ in range(2))
    await asyncio.sleep(0)
    go.set()
    assert [(await first).body, (await second).body] == [b"loaded", b"loaded"]
    assert (await ask(late, scope("GET", b"/"))).body == b"loaded"
    assert loads == 1


async def test_who_leaves_does_not_end_it_for_the_others() -> None:
    go = threading.Event()

    def load() -> Application:
        assert go.wait(10)
        return loaded

    late = Late(load)
    leaving, staying = (asyncio.create_task(ask(late, scope("GET", b"/"))) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    go.set()
    assert (await staying).body == b"loaded"
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_what_could_not_be_loaded_is_tried_again_at_the_next_request() -> None:
    outcomes = [OSError("no room"), None]

    def load() -> Application:
        if (error := outcomes.pop(0)) is not None:
            raise error
        return loaded

    late = Late(load)
    with pytest.raises(OSError, match="no room"):
        await ask(late, scope("GET", b"/"))
    assert (await ask(late, scope("GET", b"/"))).body == b"loaded"
