"""Daphne's server with the node's life in it and protections for both directions.

    prepare ─▶ bind ─▶ begin ─▶ serve ─▶ (signal, or the node failed)
            ─▶ drain ─▶ stop listening ─▶ finish ─▶ close what is left ─▶ end

One task walks this line. The first SIGTERM or SIGINT cancels it wherever it is, and it goes on
with the second row; SIGINT kills the process then, SIGTERM, which may come twice, does not.
"""

import asyncio
import errno
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from daphne.server import Server
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)

from gossip.asgi import Application
from gossip.core.errors import ConfigurationError, GossipError
from gossip.runtime import memory, serving
from gossip.runtime.descriptors import accepted_sockets
from gossip.runtime.lifecycle import Lifecycle
from gossip.runtime.server_flow import InputQueue
from gossip.runtime.server_http import GossipHTTPFactory, GossipRequest
from gossip.runtime.server_websocket import GossipWebSocket, GossipWebSocketFactory
from gossip.runtime.websocket import PING_INTERVAL

BACKLOG: Final = 512
"""Connections that the kernel may hold for us; the 50 of Twisted make a burst wait a second."""
FINISH_TIMEOUT: Final = 4.2
"""Seconds for the node to stop, of the five that a stop may take in all."""
CLOSE_TIMEOUT: Final = 0.5
"""Seconds for requests under way to be answered and for close frames to be returned."""
CANCEL_TIMEOUT: Final = 0.2
"""Seconds for applications to take notice that they were cancelled."""
LOOK_EVERY: Final = 5.0
"""Seconds between two looks at connections that take too long: Daphne's time-outs may be so late.
It has two looks, every one and two seconds, and each wakes an idle node."""
GOING_AWAY: Final = 1001

_GONE: Final[dict[str, Any]] = {"disconnected": True}

Connection = GossipWebSocket | GossipRequest
T = TypeVar("T")

_log = structlog.get_logger("gossip")

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_HOW_TO_FREE_A_PORT: Final = "stop what listens there, or set PORT to a free one"


class GossipServer(Server):  # type: ignore[misc] # Daphne has no types
    """Serves one ASGI application and one node.

    Takes the arguments of `daphne.server.Server`; limits and time-outs of WebSockets are ours
    whatever they say. After a signal it serves on for `drain_for` seconds, and is not ready. After
    `run`, `exit_code` is what the process should end with; where it is not 0, one line on standard
    error says why.
    """

    def __init__(
        self,
        application: Application,
        *,
        lifecycle: Lifecycle,
        drain_for: float = 0.0,
        **options: Any,
    ) -> None:
        options.update(websocket_timeout=-1, ping_interval=PING_INTERVAL)
        super().__init__(application, **options)
        self.lifecycle = lifecycle
        self._drain_for = drain_for
        self.exit_code = 0
        self.connections: dict[Connection, dict[str, Any]] = {}
        self.http_factory = GossipHTTPFactory(self)
        self.ws_factory = GossipWebSocketFactory(self)
        self._life: asyncio.Task[None] | None = None
        self._stopping = False

    def run(self) -> None:
        """Serve until a signal or a failure. Raises what a defect of ours raised."""
        _log_defects_only()
        self.http_factory.limit = accepted_sockets(self.http_factory.limit)
        asyncio.set_event_loop(reactor._asyncioEventloop)  # noqa: SLF001 - as Daphne does
        reactor.callLater(LOOK_EVERY, self.timeout_checker)
        reactor.callWhenRunning(self._come_alive)
        reactor.run(installSignalHandlers=False)
        self._let_signals_kill(*_SIGNALS)
        # The `daphne` command exits with 1 where this is set.
        self.abort_start = self.exit_code != 0
        if self._life is not None:
            self._life.result()

    def stop(self) -> None:
        """Begin to stop in order. Does nothing when that is under way."""
        if self._life is not None and not self._stopping:
            self._stopping = True
            self._life.cancel()

    def create_application(
        self, protocol: Connection, scope: dict[str, Any]
    ) -> "InputQueue | asyncio.Queue[Any] | None":
        """Start the application for one connection; return the queue that it receives from."""
        if protocol not in self.connections:
            return None
        queue = protocol.input_queue()
        scope.setdefault("asgi", {"version": "3.0"})
        answer = self.application(scope, queue.get, partial(self.handle_reply, protocol))
        running = asyncio.ensure_future(answer)
        running.add_done_callback(partial(self._application_ended, protocol))
        self.connections[protocol]["application_instance"] = running
        return queue

    async def handle_reply(self, protocol: Connection, message: dict[str, Any]) -> None:
        """Hand over what the application sends, and let it wait for a peer that reads slowly."""
        if self.connections.get(protocol, _GONE).get("disconnected"):
            # Let the application hear of it, though it may never stop sending.
            await asyncio.sleep(0)
            return
        await super().handle_reply(protocol, message)
        if message["type"] == "websocket.send" or message.get("more_body"):
            await protocol.drained()

    def protocol_disconnected(self, protocol: Connection) -> None:
        """Note the end of a connection; one that failed its handshake was never noted."""
        if protocol in self.connections:
            super().protocol_disconnected(protocol)
            if "application_instance" not in self.connections[protocol]:
                del self.connections[protocol]

    def timeout_checker(self) -> None:
        """Look for connections that take too long, and applications that outlive theirs."""
        reactor.callLater(LOOK_EVERY, self.timeout_checker)
        overdue = time.time() - self.application_close_timeout
        for protocol, details in list(self.connections.items()):
            protocol.check_timeouts()
            if details.get("disconnected", overdue) < overdue and (
                running := details.get("application_instance")
            ):
                _log.warning("application_cancelled", connection=repr(protocol))
                running.cancel()

    def _application_ended(self, protocol: Connection, running: "asyncio.Task[None]") -> None:
        """Forget an answered request at once, and report what failed.

        Daphne looks once a second: at 2,500 requests a second that was 50,000 objects which each
        garbage collection went through, and which were freed in one long step.
        """
        details = self.connections.get(protocol, {})
        details.pop("application_instance", None)
        if not running.cancelled() and (error := running.exception()) is not None:
            if isinstance(error, GossipError):
                # Not a defect: what was being read went away in the middle of an answer.
                _log.warning("answer_broken_off", detail=str(error))
            else:
                _log.error("application_failed", exc_info=error)
            if not details.get("disconnected"):
                self._report_failure(protocol, error)
        if details.get("disconnected"):
            self.connections.pop(protocol, None)

    @staticmethod
    def _report_failure(protocol: Connection, error: BaseException) -> None:
        try:
            protocol.handle_exception(error)
        except ValueError:
            # An answer has begun: that it breaks off is all that can be said.
            protocol.loseConnection()

    def _come_alive(self) -> None:
        loop = asyncio.get_event_loop()
        self._life = loop.create_task(self._live())
        self._life.add_done_callback(lambda _: reactor.stop())
        if self.signal_handlers:
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._stop_by_signal)

    def _stop_by_signal(self) -> None:
        self._let_signals_kill(signal.SIGINT)
        self.stop()

    def _let_signals_kill(self, *numbers: signal.Signals) -> None:
        if self.signal_handlers:
            for number in numbers:
                asyncio.get_event_loop().remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)

    async def _live(self) -> None:
        ports: list[IListeningPort] = []
        try:
            await self.lifecycle.prepare()
            memory.freeze()
            ports += [await self._listen(description) for description in self.endpoints]
            await self.lifecycle.begin()
            self._announce()
            await self.lifecycle.wait_failed()
            self._drain_for = 0.0
            self._fail("the node failed and is stopped; the log says why")
        except asyncio.CancelledError:
            # `stop`: nobody else cancels this task. With the cancellation still counted, the
            # time-outs of winding down would not become `TimeoutError` before Python 3.11.3.
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
        except GossipError as error:
            self._fail(str(error))
        finally:
            await self._wind_down(ports)

    def _announce(self) -> None:
        addresses = [_in_url(host, port) for host, port in self.listening_addresses]
        _log.info("listening", address=",".join(addresses) or ",".join(self.endpoints))
        if self.ready_callable is not None:
            self.ready_callable()

    async def _wind_down(self, ports: Sequence[IListeningPort]) -> None:
        self._stopping = True
        if ports and self._drain_for:
            await serving.drain(self._drain_for)
        for port in ports:
            await _result(port.stopListening())
        try:
            async with asyncio.timeout(FINISH_TIMEOUT):
                await self.lifecycle.finish()
        except TimeoutError:
            self._fail(f"the node did not stop within {FINISH_TIMEOUT:g} seconds")
        await self._close_connections()

    async def _listen(self, description: str) -> IListeningPort:
        if description.startswith("tcp:") and "backlog=" not in description:
            description += f":backlog={BACKLOG}"
        try:
            port: IListeningPort = await _result(
                serverFromString(reactor, description).listen(self.http_factory)
            )
        except CannotListenError as error:
            raise ConfigurationError(_why_not_bound(error)) from error
        self.listen_success(port)
        return port

    async def _close_connections(self) -> None:
        """Say goodbye on every WebSocket, let answers go out, then cancel what is left."""
        for protocol in self.connections:
            if isinstance(protocol, GossipWebSocket) and protocol.state == protocol.STATE_OPEN:
                protocol.close(GOING_AWAY)
        running = {
            details["application_instance"]
            for details in self.connections.values()
            if "application_instance" in details
        }
        for timeout in (CLOSE_TIMEOUT, CANCEL_TIMEOUT):
            if running:
                _, running = await asyncio.wait(running, timeout=timeout)
            for task in running:
                task.cancel()

    def _fail(self, line: str) -> None:
        self.exit_code = 1
        sys.stderr.write(f"gossipnode: {line}\n")


def _log_defects_only() -> None:
    """Let Twisted and Autobahn log what went wrong in code, not every peer that misbehaves."""
    defects = LogLevelFilterPredicate(defaultLogLevel=LogLevel.critical)
    globalLogBeginner.beginLoggingTo(
        [FilteringLogObserver(STDLibLogObserver("twisted"), [defects])],
        redirectStandardIO=False,
        discardBuffer=True,
    )


def _result(deferred: "Deferred[T]") -> asyncio.Future[T]:
    future: asyncio.Future[T] = deferred.asFuture(asyncio.get_running_loop())
    return future


def _why_not_bound(error: CannotListenError) -> str:
    """One line that names the variable to change and the address that could not be bound."""
    address = _in_url(error.interface, error.port)
    number = error.socketError.errno
    reason = os.strerror(number) if number > 0 else str(error.socketError)
    at_port = number in (errno.EADDRINUSE, errno.EACCES)
    wrong = f"PORT={error.port}" if at_port else f"HOST={error.interface}"
    remedy = _HOW_TO_FREE_A_PORT if number == errno.EADDRINUSE else "see PORT and HOST"
    return f"{wrong}: cannot listen on {address}: {reason}; {remedy}"


def _in_url(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
