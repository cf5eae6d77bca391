"""The node for ASGI servers: `daphne gossipnode.asgi:application`, or one with lifespan.

`manage.py rungossip` serves this application as well.
"""

import dataclasses
import os
import sys

import django
from django.conf import settings

from gossip.core.errors import ConfigurationError
from gossip.runtime import daphne_command, logs, serving
from gossip.runtime.application import NodeApplication
from gossip.runtime.lifecycle import Lifecycle
from gossip.runtime.ports import Hub
from gossip.transport.routing import own_origins, websocket_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gossipnode.settings")

if daphne_command.is_running():
    try:
        # Before the settings are read, for which this changes `PORT` and `HOST`.
        daphne_command.settle_address(os.environ, sys.argv[1:])
    except ConfigurationError as error:
        raise SystemExit(f"gossipnode: {error}") from None

django.setup(set_prefix=False)
logs.configure(settings.GOSSIP.log_level)

# Their models and views need Django to be set up.
from gossip.api.handler import ApiHandler  # noqa: E402
from gossip.launch import Launch  # noqa: E402
from gossipnode.admin_branch import AdminBranch  # noqa: E402
from gossipnode.static_files import StaticFiles  # noqa: E402


def _hub() -> Hub | None:
    running = serving.running()
    return None if running is None else running.hub


def _address_unknown() -> None:
    settings.GOSSIP = dataclasses.replace(settings.GOSSIP, binds_itself=False)


def _lifecycle() -> Lifecycle:
    if settings.GOSSIP.redis_url is None:
        return Launch(settings.GOSSIP)
    # Redis and the layer, which a node of one process has no use for.
    from gossip.scaled.web import WebLaunch

    return WebLaunch(settings.GOSSIP)


application = NodeApplication(
    StaticFiles(AdminBranch(ApiHandler())),
    websocket_application(
        _hub,
        settings.GOSSIP.cors_origins
        | own_origins(settings.GOSSIP.public_url, settings.GOSSIP.port),
    ),
    _lifecycle(),
    on_lifespan=_address_unknown,
    drain_for=settings.GOSSIP.drain_time / 1000,
)

if daphne_command.is_running():
    daphne_command.adopt(application, sys.argv[1:])
