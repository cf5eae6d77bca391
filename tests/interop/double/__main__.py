"""Run one double to try by hand: `python -m tests.interop.double --port 4001`."""

import argparse
import asyncio
import signal

from tests.interop.double.double import Double
from tests.interop.double.settings import Settings, Timers


def settings() -> Settings:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.double", description=__doc__)
    parser.add_argument("--node-id", default="0xd0b1e")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--bootstrap", action="append", default=[], metavar="URL")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: ten times faster")
    given = parser.parse_args()
    timers = Timers().scaled(given.scale)
    return Settings(given.node_id, given.host, given.port, tuple(given.bootstrap), timers=timers)


async def main() -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with Double(settings()) as peer:
        print(f"{peer.settings.node_id} on {peer.url} and {peer.api}", flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
