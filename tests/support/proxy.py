"""A TCP proxy between nodes that can be told to be a bad network.

    dialer ── accepted ──▶ pump ──▶ connected ── node
                  ◀────── pump ◀──────

One proxy stands before each node, so that whatever another node dials goes through it. A fault
holds for some open connections (`Link`), or for a whole `Proxy` and what it accepts meanwhile. Who
dialed a connection is what the kernel says: before a `join` nothing else tells it.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Collection, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import suppress
from enum import Enum
from typing import Any, Protocol, Self, TypeVar

from tests.support.process import sockets

CHUNK = 16_384
"""Bytes read at a time, and held here while a link is stalled: the rest waits at the sender."""
_RESET = struct.pack("ii", 1, 0)

T = TypeVar("T")


class Trouble(Enum):
    """What a network does to a connection."""

    DELAY = "delay"
    """Every chunk waits a while before it goes on."""
    CUT = "cut"
    """Both ends are reset at once."""
    HALF_OPEN = "half-open"
    """What arrives is lost and the ends hear nothing of each other, not even that one is gone;
    reset in the end, since what was lost does not come back."""
    STALL = "stall"
    """Nothing is read; afterwards everything goes on."""


class Node(Protocol):
    """What a split must know of a node, as `NodeProcess` has it."""

    port: int

    def open_files(self) -> list[str]:
        """The files and sockets that it holds open."""


class Link:
    """One connection through a proxy."""

    def __init__(self, ports: tuple[int, int]) -> None:
        self.ports = ports
        """The dialer's own, and the one that it dialed."""
        self.delay = 0.0
        self.lost = False
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.ended = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    def suffer(self, trouble: Trouble, delay: float) -> None:
        """Let the trouble begin."""
        match trouble:
            case Trouble.DELAY:
                self.delay = delay
            case Trouble.CUT:
                self.reset()
            case Trouble.HALF_OPEN:
                self.lost = True
            case Trouble.STALL:
                self.flowing.clear()

    def recover(self) -> None:
        """Let all trouble end."""
        self.delay = 0.0
        self.flowing.set()
        if self.lost:
            self.reset()

    def reset(self) -> None:
        """Send both ends a RST."""
        self.lost = False
        self.flowing.set()
        for writer in self.writers:
            with suppress(OSError):
                peer: socket.socket = writer.get_extra_info("socket")
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        self.ended.set()

    def is_dialed_by(self, nodes: Collection[Node]) -> bool:
        """Whether one of these holds the dialer's end."""
        end = sockets().get(self.ports)
        return any(end in node.open_files() for node in nodes)

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on what comes from one end, until it ends."""
        while data := await source.read(CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self.flowing.wait()
            if not self.lost:
                sink.write(data)
                await sink.drain()
        if self.lost:
            # The other end is not to hear of it.
            await self.ended.wait()
        sink.write_eof()


class Proxy:
    """Listens on a port of its own and passes connections on to a node's."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.links: dict[Link, None] = {}
        """In the order in which they opened."""
        self._trouble: tuple[Trouble, float] | None = None
        self._cut_off: Collection[Node] = ()

    async def serve(self) -> asyncio.Server:
        """Begin to listen."""
        return await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=CHUNK)

    def suffer(self, trouble: Trouble, delay: float) -> None:
        """Let trouble begin for all connections, those to come included."""
        self._trouble = trouble, delay
        for link in list(self.links):
            link.suffer(trouble, delay)

    def cut_off(self, dialers: Collection[Node]) -> None:
        """Let what these dialed be half-open, and what they dial meanwhile lead nowhere."""
        self._cut_off = dialers
        for link in list(self.links):
            if link.is_dialed_by(dialers):
                link.suffer(Trouble.HALF_OPEN, 0.0)

    def recover(self) -> None:
        """Let all trouble end."""
        self._trouble = None
        self._cut_off = ()
        for link in list(self.links):
            link.recover()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link((writer.get_extra_info("peername")[1], self.port))
        link.writers.append(writer)
        # Before it is counted: who sees it counted may end it, and its dialer is not found then.
        link.lost = bool(self._cut_off) and link.is_dialed_by(self._cut_off)
        self.links[link] = None
        try:
            await self._join(link, reader, writer)
        except* OSError:
            # One end is gone without a goodbye, or the node does not listen: neither is the other.
            if link.lost:
                await link.ended.wait()
        finally:
            del self.links[link]
            link.reset()

    async def _join(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if link.lost:
            # No answer, and no refusal either, until the dialer gives up.
            while await reader.read(CHUNK):
                pass
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
        link.writers.append(back)
        if self._trouble is not None:
            link.suffer(*self._trouble)
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(link.carry(reader, back))
            pumps.create_task(link.carry(there, writer))


class Network:
    """All proxies, in a thread with an event loop of its own. Everything here is for other threads.

    As a context manager it listens, and closes everything in the end.
    """

    def __init__(self, ports: Iterable[tuple[int, int]]) -> None:
        self._proxies = [Proxy(port, target) for port, target in ports]
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        for proxy in self._proxies:
            self._servers.append(self._run(proxy.serve()))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def open_links(self) -> int:
        """Connections through all proxies."""
        return self._call(lambda: len(self._links()))

    def disturb_links(
        self, trouble: Trouble, chosen: Callable[[list[Link]], list[Link]], delay: float
    ) -> "Disturbance":
        """Let trouble begin on some of the connections that are open, in the order of proxies."""

        def begin() -> list[Link]:
            links = chosen(self._links())
            for link in links:
                link.suffer(trouble, delay)
            return links

        return Disturbance(self, self._call(begin))

    def disturb_node(self, trouble: Trouble, index: int, delay: float) -> "Disturbance":
        """Let trouble begin on everything that others dial at one node."""
        proxy = self._proxies[index]
        self._call(lambda: proxy.suffer(trouble, delay))
        return Disturbance(self, [proxy])

    def split(self, *sides: Collection[Node]) -> "Disturbance":
        """Let nothing pass between nodes of different sides, as if a cable were cut."""

        def begin() -> None:
            for proxy in self._proxies:
                beyond = [side for side in sides if proxy.target not in {n.port for n in side}]
                proxy.cut_off([node for side in beyond for node in side])

        self._call(begin)
        return Disturbance(self, self._proxies)

    def end(self, sufferers: Iterable[Link | Proxy]) -> None:
        """Let all trouble of these end."""
        self._call(lambda: [each.recover() for each in sufferers])

    def _links(self) -> list[Link]:
        return [link for proxy in self._proxies for link in proxy.links]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for link in self._links():
            link.reset()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _call(self, work: Callable[[], T]) -> T:
        async def called() -> T:
            return work()

        return self._run(called())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(10)


class Disturbance:
    """Trouble that has begun."""

    def __init__(self, network: Network, sufferers: Iterable[Link | Proxy]) -> None:
        self._network = network
        self._sufferers = list(sufferers)

    def end(self) -> None:
        """Let it end."""
        self._network.end(self._sufferers)
