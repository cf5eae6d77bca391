"""The admin of a real node, as somebody with a browser uses it."""

import re
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support.admin_browser import NAME, PASSWORD, Browser, make_user
from tests.support.client import dialed
from tests.support.cluster import Cluster
from tests.support.process import NodeProcess
from tests.support.waiting import eventually


@pytest.fixture
def browser(cluster: Cluster) -> Iterator[Browser]:
    """Logged in at the first node of the cluster."""
    node = cluster.nodes[0]
    # The test before may have made it.
    complaint = make_user(node)
    assert not complaint or "already taken" in complaint
    browser = Browser(node)
    assert "Log out" in browser.log_in().text
    yield browser
    browser.close()


def test_an_entry_is_set_changed_and_deleted_on_all_nodes(
    cluster: Cluster, browser: Browser
) -> None:
    other = cluster.clients[1]
    key = "admin/a b%2Fü"
    added = browser.post("/admin/gossip/entryrow/add/", key=key, value='{"a": 1.0}')
    assert "was added" in added.text
    eventually(lambda: other.data().get(key) == {"a": 1})
    listed = browser.get("/admin/gossip/entryrow/?q=admin/a")
    assert "admin/a b%2Fü" in listed
    link = re.search(r'href="(/admin/gossip/entryrow/[^"?]+/change/)', listed)
    assert link is not None
    assert "&quot;a&quot;: 1" in browser.get(link[1])
    assert "was changed" in browser.post(link[1], value="[2]").text
    eventually(lambda: other.data().get(key) == [2])
    deleted = browser.post(link[1].replace("/change/", "/delete/"), post="yes")
    assert "was deleted" in deleted.text
    eventually(lambda: key not in other.data())
    assert "<em>deleted</em>" in browser.get("/admin/gossip/entryrow/?q=admin/a")


def test_many_are_deleted_at_once(cluster: Cluster, browser: Browser) -> None:
    keys = [f"admin/many/{number}" for number in range(3)]
    for key in keys:
        cluster.clients[1].set(key, 1)
    here = cluster.clients[0]
    eventually(lambda: set(keys) <= here.data().keys())
    path = "/admin/gossip/entryrow/?q=admin/many/"
    eventually(lambda: browser.get(path).count("admin/many/") >= 2 * len(keys))
    chosen = {"action": "delete_entries", "select_across": "0", "index": "0"}
    answer = browser.post(path, **chosen, _selected_action=keys)
    assert "3 entries were deleted" in answer.text
    eventually(lambda: not set(keys) & cluster.clients[1].data().keys())


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [("value", "{", "Not a value"), ("value", "[NaN]", "Not a value"), ("key", "k" * 513, "bytes")],
)
def test_what_is_no_entry_is_told_in_the_form(
    browser: Browser, field: str, value: str, told: str
) -> None:
    fields = {"key": "admin/bad", "value": "1", field: value}
    assert told in browser.post("/admin/gossip/entryrow/add/", **fields).text


def test_text_of_others_is_shown_as_text(cluster: Cluster, browser: Browser) -> None:
    key = "admin/<script>alert(1)</script>"
    cluster.clients[0].set(key, "<b>bold</b>")
    listed = browser.get("/admin/gossip/entryrow/?q=admin/%3Cscript")
    assert "&lt;script&gt;" in listed
    assert "<script>alert" not in listed
    assert "<b>bold" not in listed


def test_members_are_listed_and_a_dead_one_is_forgotten(cluster: Cluster, browser: Browser) -> None:
    victim = cluster.nodes[-1]
    node_id = victim.client.node_id()
    page = browser.get(f"/admin/now/members/?q={node_id}")
    assert "1 member." in page
    assert "Forget…" not in page
    assert "is connected" in browser.post(f"/admin/now/members/forget/?node_id={node_id}").text
    victim.kill()
    first = cluster.clients[0]
    eventually(lambda: first.statuses()[node_id] == "suspected")
    assert "Forget…" in browser.get(f"/admin/now/members/?q={node_id}")
    answer = browser.post(f"/admin/now/members/forget/?node_id={node_id}")
    assert "is forgotten here" in answer.text
    eventually(lambda: node_id not in first.statuses())
    cluster.revive()
    assert first.statuses()[node_id] == "active"


def test_a_version_of_the_future_is_looked_at_and_dropped(
    cluster: Cluster, browser: Browser
) -> None:
    node = cluster.nodes[0]
    for key in ("admin/future one", "admin/future two"):
        with dialed(node.port) as peer:
            peer.send("gossip", {"key": key, "value": 1, "version": 2**53 - 1})
            eventually(partial(waits, node, key))
    assert "Drop…" in browser.get("/admin/now/aside/?q=future+one")
    answer = browser.post("/admin/now/aside/drop/?key=admin/future%20one")
    assert "is dropped here" in answer.text
    eventually(lambda: not waits(node, "admin/future one"))
    path = "/gossip/aside/admin%2Ffuture%20two"
    assert node.client.request("DELETE", path).status == 200
    eventually(lambda: not waits(node, "admin/future two"))
    assert node.client.request("DELETE", path).status == 404
    assert "not found" in browser.post("/admin/now/aside/drop/?key=admin/future%20two").text


def waits(node: NodeProcess, key: str) -> bool:
    return any(entry["key"] == key for entry in node.client.get("/gossip/aside").json["aside"])


def test_every_page_opens(browser: Browser) -> None:
    for path in (
        "/admin/",
        "/admin/now/members/",
        "/admin/now/aside/",
        "/admin/now/refused/",
        "/admin/gossip/entryrow/",
        "/admin/gossip/peerrow/",
        "/admin/gossip/noderow/",
        "/admin/gossip/noderow/1/change/",
        "/admin/auth/user/",
    ):
        assert "gossipnode" in browser.get(path)


def test_forms_need_their_token(browser: Browser) -> None:
    answer = browser.post_without_form("/admin/gossip/entryrow/add/", key="admin/k", value="1")
    assert answer.status_code == 403


def test_nobody_gets_in_without_a_password(cluster: Cluster) -> None:
    stranger = Browser(cluster.nodes[1])
    assert "Log in" in stranger.get("/admin/now/members/")
    assert "Log in" in stranger.get("/admin/gossip/entryrow/")
    for _ in range(10):
        assert stranger.log_in("wrong").status_code == 200
    refused = stranger.log_in("wrong")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    stranger.close()


def test_the_environment_names_a_first_user(node: NodeProcess) -> None:
    node.settings |= {"DJANGO_SUPERUSER_USERNAME": NAME, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    node.start()
    node.wait_ready()
    browser = Browser(node)
    assert "Log out" in browser.log_in().text
    # Who is there keeps the password.
    assert node.stop() == 0
    node.settings["DJANGO_SUPERUSER_PASSWORD"] = "something else"
    node.start()
    node.wait_ready()
    assert "Log out" in browser.log_in().text
    browser.close()
