"""The status page in a browser, on real nodes."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, Route, expect

from tests.benchmarks.load import flood, masked, updates
from tests.support.browser import DESKTOP, PHONE, Visit, chromium
from tests.support.client import dialed
from tests.support.cluster import Cluster
from tests.support.ports import free_port
from tests.support.process import NodeProcess
from tests.support.waiting import eventually

Open = Callable[..., Visit]

HOSTILE = "\"'><img src=/x onerror=alert(1)><script>alert(2)</script>&amp;\u202e\u0000"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def shared(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    settings = {"GOSSIP_INTERVAL": "500"}
    with Cluster(tmp_path_factory.mktemp("nodes"), 3, settings=settings) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Cluster) -> Cluster:
    shared.revive()
    return shared


@pytest.fixture
def visit(browser: Browser, cluster: Cluster) -> Iterator[Open]:
    """Makes visits of the first node, and closes them."""
    with ExitStack() as closing:

        def make(**options: Any) -> Visit:
            made = Visit(browser, cluster.nodes[0].port, **options)
            closing.callback(made.close)
            return made

        yield make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for pid, node in NodeProcess.running.items():
            report.sections.append((f"node {pid} on port {node.port}", node.tail()))
    return report


def member(page: Page, node_id: str) -> Any:
    return page.locator("#members tr").filter(has=page.locator(f'[title="{node_id}"]'))


def entry(page: Page, key: str) -> Any:
    return page.locator("#entries li").filter(has=page.get_by_text(key, exact=True))


def test_a_peer_goes_and_returns_without_a_reload(cluster: Cluster, visit: Open) -> None:
    visited = visit()
    page = visited.open()
    other = cluster.nodes[1]
    other_id = other.client.node_id()
    status = member(page, other_id).locator("[data-slot=status]")
    expect(status).to_have_text("active")
    expect(page.get_by_role("heading", level=1)).to_have_text("Healthy")

    other.kill()
    expect(status).to_have_text("suspected")
    expect(page.locator("#count-suspected")).to_have_text("1")
    expect(page.locator("#lately li").first).to_contain_text("is suspected")
    other.start()
    expect(status).to_have_text("active", timeout=20_000)
    expect(page.locator("#lately li").first).to_contain_text("is back")
    other.stop()
    expect(status).to_have_text("left")
    other.start()
    expect(status).to_have_text("active", timeout=20_000)
    assert visited.stayed()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    node = NodeProcess(free_port(), tmp_path / "node")
    node.start()
    yield node
    node.kill()


def test_a_new_peer_appears_whatever_it_calls_itself(browser: Browser, node: NodeProcess) -> None:
    node.wait_ready()
    visited = Visit(browser, node.port)
    page = visited.open()
    name = HOSTILE.replace("\0", "")
    with dialed(node.port, name) as peer:
        peer.join(region=name, version=name)
        row = page.locator("#members tr").filter(has_text="onerror")
        expect(row.locator("[data-slot=status]")).to_have_text("active")
        expect(row.locator("[data-slot=about]")).to_contain_text("<script>alert(2)</script>")
        expect(page.locator("#lately li").first).to_contain_text("joined")
        assert visited.stayed()
        # What the server renders is as harmless.
        page.goto(f"http://localhost:{node.port}/?member=onerror")
        expect(page.locator("#members tr")).to_have_count(1)
        expect(page.locator("#members [data-slot=about]")).to_contain_text("<img src=/x")
    visited.close()


def test_what_is_written_elsewhere_shows(cluster: Cluster, visit: Open) -> None:
    visited = visit()
    page = visited.open("?prefix=shown/")
    writer = cluster.nodes[2].client
    expect(page.get_by_text("No key begins like that.")).to_be_visible()
    writer.set("shown/k", {"n": [1, 2.5, None]})
    row = entry(page, "shown/k")
    expect(row.locator("[data-slot=preview]")).to_have_text('{"n":[1,2.5,null]}')
    row.locator("summary").click()
    expect(row.locator("pre")).to_have_text('{\n  "n": [\n    1,\n    2.5,\n    null\n  ]\n}')
    writer.set("shown/k", "anew")
    writer.set("other/k", "elsewhere")
    expect(row.locator("pre")).to_have_text('"anew"')
    expect(page.locator("#entries li")).to_have_count(1)
    writer.delete("shown/k")
    expect(page.locator("#entries li")).to_have_count(0)
    assert visited.stayed()


def test_hostile_keys_and_values_are_text(cluster: Cluster, visit: Open) -> None:
    key = f"hostile/{HOSTILE}"
    cluster.nodes[1].client.set(key, {HOSTILE: HOSTILE, "__proto__": {"toString": 1}})
    cluster.nodes[1].client.set("hostile/__proto__", "x" * 100_000)
    for scripted in (True, False):
        visited = visit(java_script_enabled=scripted)
        page = visited.open("?prefix=hostile/", live=scripted)
        row = page.locator("#entries li").filter(has_text="onerror")
        row.locator("summary").click()
        expect(row.locator("[data-slot=key]")).to_contain_text("<script>alert(2)</script>")
        expect(row.locator("pre")).to_contain_text("<img src=/x onerror=alert(1)>")
        large = entry(page, "hostile/__proto__")
        large.locator("summary").click()
        expect(large.get_by_text("The first 16,384 of 100,002")).to_be_visible()
        assert page.locator("#entries img, #entries script").count() == 0


def test_pages_and_prefixes(cluster: Cluster, visit: Open) -> None:
    # A JavaScript object has keys like these in another order.
    for number in range(60):
        cluster.nodes[1].client.set(f"{number}", number)
    cluster.wait_equal()
    in_order = sorted(str(number) for number in range(60))
    for scripted in (True, False):
        visited = visit(java_script_enabled=scripted)
        page = visited.open(live=scripted)
        keys = page.locator("#entries [data-slot=key]")
        expect(keys).to_have_text(in_order[:25])
        page.locator("#data-behind").click()
        expect(keys).to_have_text(in_order[25:50])
        page.get_by_role("link", name="First page").click()
        expect(keys).to_have_text(in_order[:25])
        page.get_by_label("Keys that begin with").fill("3")
        page.get_by_label("Keys that begin with").press("Enter")
        expect(keys).to_have_text([key for key in in_order if key.startswith("3")])
        assert "prefix=3" in page.url
        assert not scripted or visited.stayed()


def held(page: Page, place: str) -> Callable[[Callable[[Route], None]], None]:
    """Hold back what the page asks for there; return what answers it, and holds no more."""
    pending: list[Route] = []

    def hold(route: Route) -> None:
        pending.append(route)

    def answer(how: Callable[[Route], None]) -> None:
        for route in pending:
            how(route)
        page.unroute(place, hold)

    page.route(place, hold)
    return answer


def test_a_click_before_the_first_answer_is_not_lost(cluster: Cluster, visit: Open) -> None:
    for number in range(30):
        cluster.nodes[0].client.set(f"click/{number:02}", number)
    visited = visit()
    answer = held(visited.page, "**/gossip/data?*")
    page = visited.open("?prefix=click/")
    keys = page.locator("#entries [data-slot=key]")
    expect(keys).to_have_text([f"click/{number:02}" for number in range(25)])
    with page.expect_request(lambda request: "after=click%2F24" in request.url):
        page.locator("#data-behind").click()
    # The page that is left is heard of late, and then the one that is wanted.
    answer(lambda route: route.continue_())
    expect(keys).to_have_text([f"click/{number:02}" for number in range(25, 30)])


def test_members_are_not_forgotten_before_the_first_answer(visit: Open) -> None:
    visited = visit()
    answer = held(visited.page, "**/gossip/peers*")
    page = visited.open()
    rows = page.locator("#members tr")
    expect(rows).to_have_count(2)
    page.get_by_label("Id or address").fill("nobody")
    expect(rows).to_have_count(2)
    answer(lambda route: route.fulfill(body=peers(1_000)))
    expect(page.get_by_text("No member is like that.")).to_be_visible()


def test_a_node_that_stops_is_said_to_and_found_again(cluster: Cluster, visit: Open) -> None:
    visited = visit()
    visited.silence_expected = True
    page = visited.open("?prefix=back/")
    node = cluster.nodes[0]
    node.stop()
    expect(page.get_by_role("alert")).to_contain_text("has not answered since")
    expect(page.locator("#live")).to_have_text("Not reachable")
    node.start()
    expect(page.locator("#live")).to_have_text("Live", timeout=20_000)
    expect(page.get_by_role("alert")).to_have_count(0)
    cluster.nodes[1].client.set("back/k", 1)
    expect(entry(page, "back/k")).to_be_visible()
    assert visited.stayed()


def test_reasons_come_with_words(cluster: Cluster, visit: Open) -> None:
    page = visit().open()
    for node in cluster.nodes[1:]:
        node.kill()
    expect(page.get_by_role("heading", level=1)).to_have_text("Alone", timeout=20_000)
    expect(page.get_by_role("heading", name="Nobody to join")).to_be_visible(timeout=20_000)
    expect(page.locator("#reasons")).to_contain_text("bootstrap: nobody to join at")


def peers(count: int) -> str:
    """What `GET /gossip/peers` says of a large cluster."""
    listed = [
        {
            "nodeId": f"0x{number:064}",
            "apiEndpoint": f"http://host-{number}.example:3001",
            "gossipEndpoint": None,
            "status": "suspected" if number == 700 else "active",
            "lastSeen": "2026-11-25T00:00:00.000Z",
            "region": "eu",
            "version": "1.0.0",
            "heartbeatCount": number,
        }
        for number in range(count + 1)
    ]
    return json.dumps({"success": True, "peers": listed})


def test_a_thousand_members_stay_usable(visit: Open) -> None:
    visited = visit()
    visited.page.route("**/gossip/peers*", lambda route: route.fulfill(body=peers(1_000)))
    page = visited.open()
    expect(page.locator("#members-range")).to_have_text("1–25 of 1000")
    expect(page.locator("#members tr")).to_have_count(25)
    expect(page.locator("#pips i")).to_have_count(120)
    expect(page.locator("#pips-more")).to_have_text("+880")
    page.locator("#members-behind").click()
    expect(page.locator("#members-range")).to_have_text("26–50 of 1000")
    page.get_by_label("Status").select_option("suspected")
    expect(page.locator("#members tr")).to_have_count(1)
    page.get_by_label("Status").select_option("all")
    page.get_by_label("Id or address").fill("HOST-99")
    expect(page.locator("#members-range")).to_have_text("1–11 of 11")
    page.get_by_label("Id or address").fill("nobody")
    expect(page.get_by_text("No member is like that.")).to_be_visible()


def test_without_room_for_a_stream_it_looks_now_and_then(cluster: Cluster, visit: Open) -> None:
    visited = visit()
    visited.silence_expected = True
    visited.page.route("**/gossip/events*", lambda route: route.fulfill(status=503))
    page = visited.open(live=False)
    expect(page.locator("#live")).to_have_text("Looking every 5 s")
    expect(page.locator("#members tr")).to_have_count(2)


def test_a_flood_is_not_listened_to(browser: Browser, node: NodeProcess) -> None:
    node.wait_ready()
    visited = Visit(browser, node.port)
    page = visited.open()
    frames = updates("flood", 20_000, time.time_ns() // 1_000_000)
    with page.expect_request(lambda request: "events" in request.url and "types=" in request.url):
        flood(node.port, [masked(frames)])
    expect(page.locator("#count-keys")).to_have_text("20,000")
    expect(page.locator("#entries li")).to_have_count(25)
    assert visited.stayed()
    visited.close()


def test_only_a_tab_that_is_looked_at_listens(cluster: Cluster, visit: Open) -> None:
    def turn(hidden: str) -> None:
        override = f"{{value: {hidden}, configurable: true}}"
        page.evaluate(f"Object.defineProperty(document, 'hidden', {override})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    page = visit().open("?prefix=tab/")
    client = cluster.nodes[0].client
    eventually(lambda: client.stats()["watchers"] == 1)
    turn("true")
    eventually(lambda: client.stats()["watchers"] == 0)
    cluster.nodes[1].client.set("tab/k", 1)
    turn("false")
    expect(entry(page, "tab/k")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")


def test_where_no_node_runs_it_waits_for_one(visit: Open) -> None:
    visited = visit()
    visited.silence_expected = True
    nothing = render_to_string("gossip/no_node.html")
    asked = []

    def first_in_vain(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, body=nothing, content_type="text/html")

    visited.page.route(f"http://localhost:{visited.port}/", first_in_vain)
    page = visited.open()
    assert len(asked) == 2
    expect(page.get_by_role("heading", level=1)).to_have_text("Healthy")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "size", [DESKTOP, PHONE, {"width": 320, "height": 600}], ids=["desktop", "phone", "small"]
)
def test_it_fits(
    cluster: Cluster, visit: Open, tmp_path: Path, size: dict[str, int], scheme: str
) -> None:
    cluster.nodes[1].client.set("long/" + "k" * 500, "v" * 5_000)
    page = visit(viewport=size, color_scheme=scheme).open("?prefix=long/")
    page.locator("#entries summary").click()
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]


def test_it_can_be_used_by_keyboard_and_by_ear(visit: Open) -> None:
    page = visit().open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for role in ("banner", "main", "contentinfo"):
        expect(page.get_by_role(role)).to_have_count(1)
    for name in ("Members", "Data", "Counters", "This node", "Refused input", "Lately"):
        expect(page.get_by_role("region", name=name)).to_have_count(1)
    unnamed = page.locator("input:not([id]), select:not([id]), img:not([alt]), th:not([scope])")
    assert unnamed.count() == 0
