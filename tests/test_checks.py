"""`gossip.checks`: one message for each misconfiguration, none for the project's own settings."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connections
from pytest_django import Settings

from gossip import checks
from gossip.conf import load


def ids(messages: list[CheckMessage]) -> list[str | None]:
    return [message.id for message in messages]


def test_the_project_passes_all_of_them(settings: Settings) -> None:
    # As behind a proxy with TLS, where `PUBLIC_URL` says so.
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    messages = run_checks(include_deployment_checks=True)
    assert [message for message in messages if not message.is_silenced()] == []


def test_a_project_without_node_settings(settings: Settings) -> None:
    settings.GOSSIP = {"PORT": 3001}
    assert ids(checks.node_settings()) == ["gossip.E001"]


def test_warnings_of_the_settings_are_repeated(settings: Settings) -> None:
    settings.GOSSIP = load({"P2P_PORT": "1", "GOSSIP_TYPO": "1"}, Path("/"))
    messages = checks.node_settings()
    assert ids(messages) == ["gossip.W001", "gossip.W001"]
    assert [message.msg for message in messages] == list(settings.GOSSIP.warnings)


def test_requests_whose_host_is_not_checked(settings: Settings) -> None:
    settings.MIDDLEWARE = ["gossip.api.middleware.Cors"]
    assert ids(checks.host_header()) == ["gossip.E002"]


def test_a_project_without_rest_framework(settings: Settings) -> None:
    settings.INSTALLED_APPS = ["gossip"]
    assert ids(checks.installed_apps()) == ["gossip.E003"]


DURABLE = {
    "transaction_mode": "immediate",
    "init_command": "pragma journal_mode = wal; pragma synchronous(2)",
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        DURABLE | {"transaction_mode": "DEFERRED"},
        DURABLE | {"init_command": "PRAGMA journal_mode=WAL"},
        DURABLE | {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"},
        DURABLE | {"init_command": "PRAGMA synchronous=FULL"},
    ],
)
def test_sqlite_that_may_lose_writes(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": options}
    monkeypatch.setitem(connections.settings, "default", database)
    assert ids(checks.durable_sqlite()) == ["gossip.W002"]


@pytest.mark.parametrize(
    "database",
    [
        {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": DURABLE},
        {"ENGINE": "django.db.backends.postgresql"},
    ],
)
def test_a_durable_database(monkeypatch: pytest.MonkeyPatch, database: dict[str, Any]) -> None:
    monkeypatch.setitem(connections.settings, "default", database)
    assert checks.durable_sqlite() == []
