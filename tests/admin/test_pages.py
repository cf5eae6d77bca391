"""Pages of what the node has in memory, read from a thread beside its event loop."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

from gossip.core.entries import Entry
from gossip.runtime import serving
from gossip.runtime.ports import Unavailable
from tests.api.conftest import FakeNode
from tests.support.fake_port import FakePort

pytestmark = [pytest.mark.django_db, pytest.mark.urls("gossip.admin.urls")]

PAGES = ("/admin/now/members/", "/admin/now/aside/", "/admin/now/refused/")


@pytest.fixture
def port() -> Iterator[FakePort]:
    """That of a node which runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def make() -> FakePort:
        return FakePort()

    fake = asyncio.run_coroutine_threadsafe(make(), loop).result(10)
    node = FakeNode(fake)
    serving.register(node)
    yield fake
    serving.unregister(node)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def client(admin_user: User) -> Client:
    """Logged in."""
    client = Client(headers={"host": "localhost"})
    client.force_login(admin_user)
    return client


def test_what_the_node_knows_is_shown(client: Client, port: FakePort) -> None:
    port.know("0xa", region="north")
    port.waiting_for_their_time = [Entry("k/later", 2**53 - 1, b"1")]
    assert "north" in client.get("/admin/now/members/").content.decode()
    assert "k/later" in client.get("/admin/now/aside/").content.decode()


def test_a_member_is_forgotten_and_a_version_of_the_future_dropped(
    client: Client, port: FakePort
) -> None:
    port.know("0xa", "inactive")
    port.waiting_for_their_time = [Entry("k", 2**53 - 1, b"1")]
    client.post("/admin/now/members/forget/", {"node_id": "0xa"})
    client.post("/admin/now/aside/drop/", {"key": "k"})
    assert (port.views, port.waiting_for_their_time) == ([], [])


@pytest.mark.parametrize("path", PAGES)
def test_a_node_that_cannot_be_asked_is_told_of(client: Client, port: FakePort, path: str) -> None:
    port.unavailable = Unavailable("the view does not answer")
    answer = client.get(path)
    assert answer.status_code == 503
    assert "There is nothing to show: the view does not answer." in answer.content.decode()


def test_what_cannot_be_done_now_is_told_of(client: Client, port: FakePort) -> None:
    port.know("0xa", "inactive")
    port.unavailable = Unavailable("the view does not answer")
    answer = client.post("/admin/now/members/forget/", {"node_id": "0xa"}, follow=True)
    assert "the view does not answer" in answer.content.decode()
    assert [view.record.node_id for view in port.views] == ["0xa"]
