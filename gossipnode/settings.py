"""Django's settings for a node. What an operator decides is in `gossip.conf`, read here once."""

import os
from pathlib import Path
from typing import Any

from django.utils.functional import SimpleLazyObject

from gossip.conf import load
from gossip.core.errors import ConfigurationError
from gossip.secret import secret_key

try:
    GOSSIP = load(os.environ, Path.cwd())
except ConfigurationError as error:
    # manage.py, daphne and uvicorn all end with this line and exit code 1, without a traceback.
    raise SystemExit(f"gossipnode: {error}") from None

DEBUG = False
# Lazy: what signs nothing, such as `manage.py migrate`, neither makes nor reads a key.
SECRET_KEY = SimpleLazyObject(lambda: secret_key(GOSSIP))
ALLOWED_HOSTS = list(GOSSIP.allowed_hosts)

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "gossip",
    "gossip.dashboard",
]
MIDDLEWARE = ["gossip.api.middleware.HostCheck", "gossip.api.middleware.Cors"]
ROOT_URLCONF = "gossipnode.urls"
ASGI_APPLICATION = "gossipnode.asgi.application"
# The API's own rule: with or without a final slash, no redirects.
APPEND_SLASH = False

TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
# Served by `gossipnode.static_files` from where the apps have them.
STATIC_URL = "/static/"

DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": GOSSIP.data_dir / "gossip.sqlite3",
        "OPTIONS": {
            # FULL: a commit survives the loss of power (E7); it costs 0.3 ms.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            # A transaction that reads first and then writes would fail beside another writer
            # instead of waiting for it.
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK: dict[str, Any] = {
    # No sessions and no users: who may write is decided by token or loopback address.
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}

# Django exports it to TZ: anything but UTC would turn up in the log's times.
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

# `gossip.runtime.logs` configures logging, for Django as well.
LOGGING_CONFIG = None

SILENCED_SYSTEM_CHECKS = [
    "security.W001",  # SecurityMiddleware: TLS ends at a proxy, the page sets its own headers
    "security.W002",  # XFrameOptionsMiddleware: the page says itself that nobody may frame it
    "security.W003",  # CsrfViewMiddleware: no cookie grants anything, and only JSON is accepted
]
