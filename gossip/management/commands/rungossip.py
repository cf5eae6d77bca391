"""`manage.py rungossip`: one node in the foreground."""

import sys
from argparse import RawDescriptionHelpFormatter
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter

from gossip import __version__
from gossip.conf import describe_variables


class _HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of the table of variables."""


class Command(BaseCommand):
    """Serves HTTP and `/ws` on one port and runs the node in the same process."""

    help = "Run a gossip node: HTTP and WebSocket on HOST:PORT, and the gossip between."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Add the variables to the help, which is where an operator looks for options."""
        kwargs.setdefault("epilog", "Environment variables:\n\n" + describe_variables())
        return super().create_parser(
            prog_name, subcommand, formatter_class=_HelpFormatter, **kwargs
        )

    def get_version(self) -> str:
        """Ours, not Django's."""
        return __version__

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Serve until SIGTERM or SIGINT; exits with 0 then, with 1 when something failed."""
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
            lifecycle=application.lifecycle,
            endpoints=build_endpoint_description_strings(host=node.host, port=node.port),
            server_name="gossipnode",
        )
        server.run()
        sys.exit(server.exit_code)
