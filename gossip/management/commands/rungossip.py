"""`manage.py rungossip`: one node in the foreground, or a process of one that is several."""

import dataclasses
import sys
from argparse import RawDescriptionHelpFormatter
from contextlib import AbstractAsyncContextManager
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter

from gossip import __version__
from gossip.conf import describe_variables
from gossip.core.errors import ConfigurationError
from gossip.runtime.lifecycle import Accompanied, Lifecycle


class _HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of the table of variables."""


class Command(BaseCommand):
    """Serves HTTP and `/ws` on one port and runs the node in the same process.

    With `GOSSIP_REDIS_URL` it is one process of a scaled node: a web process, or a worker.
    """

    help = (
        "Run a gossip node: HTTP and WebSocket on HOST:PORT, and the gossip between."
        " With GOSSIP_REDIS_URL, run one process of a node that is several: a web process on"
        " HOST:PORT, or with --no-web a worker. See docs/deployment.md."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Add the variables to the help, which is where an operator looks for options."""
        kwargs.setdefault("epilog", "Environment variables:\n\n" + describe_variables())
        return super().create_parser(
            prog_name, subcommand, formatter_class=_HelpFormatter, **kwargs
        )

    def get_version(self) -> str:
        """Ours, not Django's."""
        return __version__

    def add_arguments(self, parser: CommandParser) -> None:
        """Only what is no property of the node."""
        parser.add_argument(
            "--no-web",
            action="store_true",
            help="be a worker of a node in several processes, without a port: the first is active,"
            " others stand by",
        )
        parser.add_argument(
            "--with-redis",
            action="store_true",
            help="start a Redis server on a socket in the data directory, unless one runs there,"
            " and use it; other processes find it by GOSSIP_REDIS_URL=unix:///…/redis.sock",
        )

    def handle(self, *_args: Any, no_web: bool, with_redis: bool, **_options: Any) -> None:
        """Serve until SIGTERM or SIGINT; exits with 0 then, with 1 when something failed."""
        try:
            beside = _redis_of_our_own() if with_redis else None
            sys.exit(_work(beside) if no_web else _serve(beside))
        except ConfigurationError as error:
            sys.exit(f"gossipnode: {error}")


def _redis_of_our_own() -> AbstractAsyncContextManager[None]:
    from gossip.stores.redis_server import local_redis, socket_url

    node = settings.GOSSIP
    url = socket_url(node.data_dir)
    if node.redis_url not in {None, url}:
        raise ConfigurationError("GOSSIP_REDIS_URL names another Redis than --with-redis: use one")
    settings.GOSSIP = dataclasses.replace(node, redis_url=url)
    return local_redis(node.data_dir)


def _work(beside: AbstractAsyncContextManager[None] | None) -> int:
    from gossip.runtime import alone, logs
    from gossip.scaled.worker import WorkerLaunch

    if settings.GOSSIP.redis_url is None:
        raise ConfigurationError(
            "--no-web makes a worker of a node that is several processes: set GOSSIP_REDIS_URL, or"
            " add --with-redis"
        )
    logs.configure(settings.GOSSIP.log_level)
    return alone.run(_together(WorkerLaunch(settings.GOSSIP), beside))


def _serve(beside: AbstractAsyncContextManager[None] | None) -> int:
    # Twisted looks for pyOpenSSL and would load 60 modules, 3.5 MB, for a TLS that nobody uses.
    sys.modules.setdefault("OpenSSL", None)  # type: ignore[arg-type]  # documented: not found
    # Importing the server loads Twisted and its reactor: not for `--help`.
    from daphne.endpoints import build_endpoint_description_strings

    from gossip.runtime.server import GossipServer

    application = get_default_application()
    application.hosted = True
    node = settings.GOSSIP
    server = GossipServer(
        application,
        lifecycle=_together(application.lifecycle, beside),
        drain_for=application.drain_for,
        endpoints=build_endpoint_description_strings(host=node.host, port=node.port),
        server_name="gossipnode",
    )
    server.run()
    return server.exit_code


def _together(lifecycle: Lifecycle, beside: AbstractAsyncContextManager[None] | None) -> Lifecycle:
    return lifecycle if beside is None else Accompanied(lifecycle, beside)
