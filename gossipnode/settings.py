"""Django's settings for a node. What an operator decides is in `gossip.conf`, read here once."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.utils.functional import SimpleLazyObject

from gossip.conf import load
from gossip.core.errors import ConfigurationError
from gossip.databases import settings_of
from gossip.secret import secret_key

try:
    GOSSIP = load(os.environ, Path.cwd())
    DATABASES = {"default": settings_of(GOSSIP.database, GOSSIP.data_dir)}
except ConfigurationError as error:
    # manage.py, daphne and uvicorn all end with this line and exit code 1, without a traceback.
    raise SystemExit(f"gossipnode: {error}") from None

DEBUG = False
# Lazy: what signs nothing, such as `manage.py migrate`, neither makes nor reads a key.
SECRET_KEY = SimpleLazyObject(lambda: secret_key(GOSSIP))
ALLOWED_HOSTS = list(GOSSIP.allowed_hosts)

INSTALLED_APPS = [
    "gossip.admin.apps.NodeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "gossip",
    "gossip.dashboard",
    # Only for the files of the page at /api/docs.
    "drf_spectacular_sidecar",
]
# For the admin alone: `gossip.api.handler` has its own.
MIDDLEWARE = [
    "gossip.api.middleware.HostCheck",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "gossipnode.urls"
ASGI_APPLICATION = "gossipnode.asgi.application"
# The API's own rule: with or without a final slash, no redirects.
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
# Served by `gossipnode.static_files` from where the apps have them.
STATIC_URL = "/static/"

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Who administers. Sessions are signed cookies: no table grows. Cookies know no ports, so several
# nodes on one host need names of their own, and the processes of one node the same: that of the
# port by which people reach them.
_PUBLIC_PORT = urlsplit(GOSSIP.public_url).port or "public"
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_NAME = f"gossip_session_{_PUBLIC_PORT}"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_PATH = "/admin/"
CSRF_COOKIE_NAME = f"gossip_csrf_{_PUBLIC_PORT}"
CSRF_COOKIE_PATH = "/admin/"
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [GOSSIP.public_url]
# Behind a proxy with TLS the cookies must not travel without it.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = GOSSIP.public_url.startswith("https:")
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = "admin:login"

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
    "security.W004",  # HSTS, and
    "security.W008",  # redirects to TLS: where TLS ends at a proxy, that is where both belong
]
