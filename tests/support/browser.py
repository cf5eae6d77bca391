"""Chromium on the pages of a node, and everything that it complains of or asks others for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 375, "height": 812}
SILENT_NODE = "Failed to load resource"
"""What the browser says by itself where a node does not answer."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with an empty profile.

    It must be gone before a test of coroutines begins: Playwright keeps an event loop running.
    """
    if not CHROMIUM.exists():
        pytest.skip(f"NOT TESTED: the status page, because {CHROMIUM} is missing")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


class Visit:
    """One page in a context of its own. `close` fails where anything was amiss."""

    def __init__(self, browser: Browser, port: int, **options: Any) -> None:
        self.port = port
        self._context = browser.new_context(**{"viewport": DESKTOP, **options})
        self._context.set_default_timeout(20_000)
        self.page: Page = self._context.new_page()
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.silence_expected = False
        self.page.on("request", self._asked)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._interrupted)

    def open(self, query: str = "", *, live: bool = True) -> Page:
        """Go to the page; return it once it listens."""
        self.page.goto(f"http://localhost:{self.port}/{query}")
        if live:
            self.page.wait_for_selector("#live[data-state=live]")
            # Whatever loads the page anew forgets this.
            self.page.evaluate("window.opened = true")
        return self.page

    def stayed(self) -> bool:
        """Whether the page is still the one that was opened."""
        return bool(self.page.evaluate("window.opened === true"))

    def close(self) -> None:
        """Leave, and say what was amiss."""
        self._context.close()
        assert self.foreign == [], self.foreign
        assert self.complaints == [], self.complaints

    def _asked(self, request: Request) -> None:
        if request.url.startswith("data:"):
            # Part of the page itself.
            return
        if urlsplit(request.url).netloc != f"localhost:{self.port}":
            self.foreign.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        expected = self.silence_expected and SILENT_NODE in message.text
        if message.type in {"error", "warning"} and not expected:
            self.complaints.append(message.text)

    def _interrupted(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()
