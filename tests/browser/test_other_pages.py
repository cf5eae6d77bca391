"""The page of the HTTP interface and the admin in a browser, on a real node."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from gossip.api.schema import document
from tests.support.browser import Visit, chromium
from tests.support.ports import free_port
from tests.support.process import Launch, NodeProcess

NAME, PASSWORD = "operator", "correct horse battery"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=[Launch.RUNGOSSIP, Launch.DAPHNE])
def node(
    browser: Browser, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeProcess]:
    settings = {"DJANGO_SUPERUSER_USERNAME": NAME, "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    data_dir = tmp_path_factory.mktemp("pages") / "node"
    node = NodeProcess(free_port(), data_dir, launch=request.param, settings=settings)
    node.start()
    node.wait_ready()
    yield node
    node.kill()


@pytest.fixture
def visit(browser: Browser, node: NodeProcess) -> Iterator[Visit]:
    visit = Visit(browser, node.port)
    yield visit
    visit.close()


def test_the_interface_can_be_read_and_tried(visit: Visit, node: NodeProcess) -> None:
    node.client.set("k", 1)
    page = visit.open("api/docs", live=False)
    operations = sum(
        method in {"get", "post", "put", "delete"}
        for path in document()["paths"].values()
        for method in path
    )
    expect(page.locator(".opblock")).to_have_count(operations)
    health = page.locator("#operations-cluster-get_gossip_health")
    health.locator(".opblock-summary-control").click()
    health.get_by_role("button", name="Try it out").click()
    health.get_by_role("button", name="Execute").click()
    expect(health.locator(".live-responses-table").first).to_contain_text("isolated")


def test_an_entry_is_set_in_the_admin(visit: Visit, node: NodeProcess) -> None:
    page = visit.open("admin/", live=False)
    page.get_by_label("Username").fill(NAME)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Entries").first.click()
    page.get_by_role("link", name="Add entry").first.click()
    page.get_by_label("Key").fill("by/hand")
    page.get_by_label("Value, as JSON").fill('{"a": [1, 2]}')
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("was added")
    expect(page.get_by_role("link", name="by/hand").first).to_be_visible()
    assert node.client.data()["by/hand"] == {"a": [1, 2]}
    page.get_by_role("link", name="Members").first.click()
    expect(page.get_by_text("Nobody.")).to_be_visible()
