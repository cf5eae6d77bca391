"""The stock `daphne` command as a full node.

The command imports the application between parsing its arguments and making its server: just in
time to tell the settings where it will listen, and to give it our server class. Daphne and Twisted
are imported within functions, because other servers import this module too.
"""

import asyncio
import importlib.metadata
import re
import sys
from argparse import Namespace
from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog

from gossip.core.errors import ConfigurationError
from gossip.runtime import memory, serving
from gossip.runtime.application import NodeApplication

KNOWN: Final = ((4, 2, 3), (5,))
"""From the first version whose internals the server class knows, to the first that may differ."""
UNPROTECTED: Final = "unknown-daphne"
"""The health reason of a node behind a Daphne that we do not know."""

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from gossip.runtime.server import GossipServer

_log = structlog.get_logger("gossip")


def is_running() -> bool:
    """Whether the `daphne` command is what imports us."""
    return "daphne.cli" in sys.modules


def settle_address(environ: MutableMapping[str, str], arguments: Sequence[str]) -> None:
    """Make `PORT` and `HOST` say where the command will listen.

    Raises `ConfigurationError` where they were set to something else, or where nobody can tell.
    """
    bound = _address(arguments)
    if bound is None:
        missing = [name for name in ("PORT", "HOST") if not environ.get(name)]
        if missing:
            raise ConfigurationError(
                f"{' and '.join(missing)} must be set to what daphne listens on, because -u, --fd"
                " and -e do not say it"
            )
        return
    for name, value in bound.items():
        given = environ.get(name)
        if given and _plain(given) != _plain(value):
            raise ConfigurationError(
                f"{name}={given} differs from what daphne will bind, {value}: have"
                f" {'-p' if name == 'PORT' else '-b'} say the same, or unset {name}"
            )
        environ[name] = given or value


def adopt(application: NodeApplication, arguments: Sequence[str]) -> None:
    """Have the command serve with our server class.

    With a Daphne that we do not know, the node runs behind the stock server, without protections;
    the log and health say so.
    """
    from daphne.cli import CommandLineInterface

    application.hosted = True
    version = importlib.metadata.version("daphne")
    if not KNOWN[0] <= _numbers(version) < KNOWN[1]:
        _log.warning("daphne_unknown", version=version, protected=False)
        _run_beside(application)
        return
    silent = not _parsed(arguments).access_log

    def server(**options: Any) -> "GossipServer":
        from gossip.runtime.server import GossipServer

        if silent:
            # The command's default is a line per request on standard output.
            options["action_logger"] = None
        return GossipServer(
            lifecycle=application.lifecycle, drain_for=application.drain_for, **options
        )

    CommandLineInterface.server_class = staticmethod(server)


def _run_beside(application: NodeApplication) -> None:
    """Start and stop the node with the reactor of a server that knows nothing of it."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    async def start() -> None:
        await application.lifecycle.prepare()
        memory.freeze()
        await application.lifecycle.begin()
        if (node := serving.running()) is not None:
            node.add_reason(UNPROTECTED)

    def failed(failure: "Failure") -> None:
        sys.stderr.write(f"gossipnode: {failure.getErrorMessage()}\n")
        reactor.stop()

    def started() -> None:
        Deferred.fromFuture(asyncio.ensure_future(start())).addErrback(failed)

    def stopped() -> "Deferred[None]":
        return Deferred.fromFuture(asyncio.ensure_future(application.lifecycle.finish()))

    reactor.callWhenRunning(started)
    reactor.addSystemEventTrigger("before", "shutdown", stopped)


def _address(arguments: Sequence[str]) -> dict[str, str] | None:
    """What the command will bind, by variable; None where it is not one TCP address."""
    from daphne.cli import DEFAULT_HOST, DEFAULT_PORT

    options = _parsed(arguments)
    if options.unix_socket or options.file_descriptor is not None or options.socket_strings:
        return None
    port = DEFAULT_PORT if options.port is None else options.port
    return {"PORT": str(port), "HOST": _plain(options.host or DEFAULT_HOST)}


def _parsed(arguments: Sequence[str]) -> Namespace:
    from daphne.cli import CommandLineInterface

    options: Namespace = CommandLineInterface().parser.parse_args(list(arguments))
    return options


def _plain(address: str) -> str:
    bare = address.strip().strip("[]").lower()
    return "127.0.0.1" if bare == "localhost" else bare


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
