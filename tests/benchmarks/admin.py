"""How long an administrator waits, with many entries in the table."""

import time

from tests.benchmarks.load import arrays, flood, masked
from tests.benchmarks.nodes import settle, single
from tests.support.admin_browser import Browser, make_user

KEYS = 100_000
LOOKS = 20
LIST = "/admin/gossip/entryrow/"
PAGES = {
    "admin_list": LIST,
    "admin_deep": f"{LIST}?p=10",
    "admin_behind": f"{LIST}?key__gt=key/9",
    "admin_search": f"{LIST}?q=key/77",
}


def admin() -> dict[str, float]:
    """The slowest of some looks at each page; the first look of all loads the admin."""
    version = time.time_ns() // 1_000_000
    with single() as node:
        settle(node)
        before = node.resident()
        make_user(node)
        browser = Browser(node)
        browser.log_in()
        loaded = node.resident() - before
        flood(node.port, [masked(arrays("key", KEYS, version, turn=1))])
        settle(node)
        slowest = {figure: _slowest(browser, path) for figure, path in PAGES.items()}
        browser.close()
    return {**slowest, "admin_memory": loaded}


def _slowest(browser: Browser, path: str) -> float:
    times = []
    for _ in range(LOOKS):
        began = time.perf_counter()
        browser.get(path)
        times.append(time.perf_counter() - began)
    return max(times)


CASES = {"admin": admin}
