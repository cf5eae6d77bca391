"""A process with the real server and a scripted node, for tests that need sockets.

    python tests/runtime/standalone.py MODE [--port N] [--sockets N]
                                       [--timeout SECONDS] [--ping SECONDS] [--keep-garbage]

Prints what happens, one line each. MODE says what the node does with a link:

    echo    sends back every frame
    sink    answers nothing
    flood   sends frames of 64 KiB as long as the socket takes them
    deaf    takes the first frame and never a second
    fail    the node fails with the first frame
    stuck   sends back every frame, and the node does not stop by itself
    mute    sends back every frame, and the node stops without closing links
    linger  the process stays when the server has ended
"""

import argparse
import asyncio
import gc
import os
import sys
import threading
from collections.abc import Sized
from pathlib import Path

from gossip.asgi import Message, Receive, Scope, Send
from gossip.core.errors import GossipError
from gossip.runtime import logs, serving
from gossip.runtime.ports import OpenLink, Wire
from gossip.runtime.server import GossipServer
from gossip.runtime.server_http import GossipRequest
from gossip.transport.routing import websocket_application

FLOOD = "x" * 65_536


class ScriptedLink:
    def __init__(self, node: "ScriptedNode", wire: Wire) -> None:
        self.node = node
        self.wire = wire
        self.frames = 0
        self.last: str | bytes = ""
        self.flooding = asyncio.create_task(self.flood()) if node.mode == "flood" else None

    def received(self, data: str | bytes) -> bool:
        self.frames += 1
        self.last = data
        return False

    def stopped(self, size: int, fault: str | None = None, *, in_envelope: bool = False) -> bool:
        raise AssertionError(fault)

    async def room(self) -> None:
        match self.node.mode:
            case "echo" | "stuck" | "mute":
                await self.wire.send(
                    self.last if isinstance(self.last, str) else self.last.decode()
                )
            case "deaf":
                await asyncio.Event().wait()
            case "fail":
                self.node.failure.set()

    async def flood(self) -> None:
        while True:
            await self.wire.send(FLOOD)
            self.node.flooded += 1

    def closed(self, code: int | None) -> None:
        if self.flooding is not None:
            self.flooding.cancel()
        self.node.links.discard(self)
        say(f"closed {code}")


class ScriptedNode:
    """Both a `Lifecycle` and a `Hub`."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.links: set[ScriptedLink] = set()
        self.failure = asyncio.Event()
        self.flooded = 0

    def opened(
        self, wire: Wire, *, dialed: str | None = None, remote_is_loopback: bool = False
    ) -> OpenLink:
        link = ScriptedLink(self, wire)
        self.links.add(link)
        say(f"opened loopback={remote_is_loopback}")
        return link

    async def prepare(self) -> None:
        say("prepare")

    async def begin(self) -> None:
        say("begin")

    async def wait_failed(self) -> None:
        await self.failure.wait()

    async def finish(self) -> None:
        if self.mode == "stuck":
            await asyncio.Event().wait()
        for link in tuple(self.links) if self.mode != "mute" else ():
            await link.wire.close(4409, "finished")
        say("finish")


class Site:
    """`/memory` in KiB, `/flooded` frames, `/body` bytes, `/connections` that the server keeps,
    `/requests` that are in memory, `/frozen` objects, `/draining` or not, `/slow`, 16 MiB of
    `/large`; `/gone` breaks off, and `/stream` never ends.
    """

    def __init__(self, node: ScriptedNode) -> None:
        self.node = node
        self.connections: Sized = ()
        self.websocket = websocket_application(lambda: node, {"https://allowed.example"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.websocket(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        match scope["path"]:
            case "/stream":
                while True:
                    await send(body(FLOOD.encode(), more=True))
            case "/large":
                for part in range(256):
                    await send(body(FLOOD.encode(), more=part < 255))
            case "/gone":
                await send(body(b"the beginning", more=True))
                raise GossipError("what was read has gone")
            case "/slow":
                say("asked")
                await asyncio.sleep(0.2)
                await send(body(b"answered"))
            case "/body":
                await send(body(b"%d" % await length(receive)))
            case "/connections":
                await send(body(b"%d" % len(self.connections)))
            case "/requests":
                kept = sum(isinstance(each, GossipRequest) for each in gc.get_objects())
                await send(body(b"%d" % kept))
            case "/frozen":
                await send(body(b"%d" % gc.get_freeze_count()))
            case "/draining":
                await send(body(b"%d" % serving.draining()))
            case "/flooded":
                await send(body(b"%d" % self.node.flooded))
            case _:
                await send(body(b"%d" % resident()))


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def length(receive: Receive) -> int:
    total = 0
    while (message := await receive())["type"] == "http.request":
        total += len(message["body"])
        if not message["more_body"]:
            break
    return total


def resident() -> int:
    """KiB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    logs.configure("info")
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--timeout", type=float)
    parser.add_argument("--sockets", type=int)
    parser.add_argument("--ping", type=float)
    parser.add_argument("--drain", type=float, default=0.0)
    parser.add_argument("--keep-garbage", action="store_true")
    options = parser.parse_args()
    if options.keep_garbage:
        gc.disable()
    node = ScriptedNode(options.mode)
    endpoint = f"tcp:port={options.port}:interface=127.0.0.1"
    site = Site(node)
    server = GossipServer(site, lifecycle=node, endpoints=[endpoint], drain_for=options.drain)
    site.connections = server.connections
    if options.timeout is not None:
        server.http_factory.timeOut = options.timeout
    if options.sockets is not None:
        server.http_factory.limit = options.sockets
    if options.ping is not None:
        server.ping_interval = options.ping
        server.ws_factory.setProtocolOptions(autoPingTimeout=options.ping)
    server.ready_callable = lambda: say(f"listening on {server.listening_addresses[0][1]}")
    server.run()
    if options.mode == "linger":
        say("lingers")
        threading.Event().wait()
    return server.exit_code


if __name__ == "__main__":
    sys.exit(main())
