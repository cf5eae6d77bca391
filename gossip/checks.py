"""System checks: what a project that hosts the app must provide, and what its settings warn of.

| id | what |
|---|---|
| `gossip.E001` | `settings.GOSSIP` is not a `NodeSettings` |
| `gossip.E002` | the `Host` header is not checked |
| `gossip.E003` | `rest_framework` is not installed |
| `gossip.W001` | a variable is set in a way that hardly does what is meant |
| `gossip.W002` | SQLite may lose acknowledged writes, or fail beside another writer |
"""

import re
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django.db import connections

from gossip.conf import NodeSettings

HOST_CHECK = "gossip.api.middleware.HostCheck"

_WAL = re.compile(r"journal_mode\s*[=(]\s*'?wal", re.IGNORECASE)
_FULL = re.compile(r"synchronous\s*[=(]\s*'?(full|extra|2|3)\b", re.IGNORECASE)


def node_settings(**_: Any) -> list[CheckMessage]:
    """E001, W001."""
    node = getattr(settings, "GOSSIP", None)
    if not isinstance(node, NodeSettings):
        hint = "In the settings module: GOSSIP = gossip.conf.load(os.environ, Path.cwd())."
        return [Error("GOSSIP must be the node's settings.", hint=hint, id="gossip.E001")]
    return [CheckWarning(warning, id="gossip.W001") for warning in node.warnings]


def host_header(**_: Any) -> list[CheckMessage]:
    """E002. Writes from loopback need no token, so a page that rebinds its own name could write."""
    if HOST_CHECK in settings.MIDDLEWARE:
        return []
    hint = f'Add "{HOST_CHECK}" to MIDDLEWARE, before what answers requests.'
    return [Error("Requests are answered whatever their Host.", hint=hint, id="gossip.E002")]


def installed_apps(**_: Any) -> list[CheckMessage]:
    """E003."""
    if apps.is_installed("rest_framework"):
        return []
    hint = 'Add "rest_framework" to INSTALLED_APPS.'
    return [Error("The HTTP interface needs REST framework.", hint=hint, id="gossip.E003")]


def durable_sqlite(**_: Any) -> list[CheckMessage]:
    """W002. Of the default database, where the journal is (E7)."""
    database = connections.settings["default"]
    if not database["ENGINE"].endswith("sqlite3"):
        return []
    options = database.get("OPTIONS", {})
    pragmas = options.get("init_command", "")
    immediate = str(options.get("transaction_mode", "")).upper() in {"IMMEDIATE", "EXCLUSIVE"}
    if _WAL.search(pragmas) and _FULL.search(pragmas) and immediate:
        return []
    hint = (
        'Set OPTIONS to {"transaction_mode": "IMMEDIATE", "init_command":'
        ' "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"}.'
    )
    text = "SQLite may lose acknowledged writes, or fail beside another writer."
    return [CheckWarning(text, hint=hint, id="gossip.W002")]


def register_all() -> None:
    """Make Django run them."""
    register(node_settings, "gossip")
    register(host_header, "gossip", Tags.security)
    register(installed_apps, "gossip")
    register(durable_sqlite, "gossip")
