"""What makes the engine of one process the node of several."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import msgspec

from gossip.relay import report
from gossip.relay.duty import Duty
from gossip.relay.layer import RETRY, Layer, LayerFailed
from gossip.relay.mirror import Source, ViewMirror
from gossip.relay.outage import Outage
from gossip.relay.report import Report
from gossip.relay.worker_side import WorkerSide
from gossip.runtime.engine import Engine
from gossip.runtime.ports import TakenOver
from gossip.runtime.tasks import cancel
from gossip.stores.lease import Lease
from gossip.stores.redis_client import ViewUnavailable
from gossip.stores.view import SharedView, ViewLost


class Worker:
    """An active worker: its engine's view, lease and web processes. Create it once prepared.

    `outage` is that of the lease. `epoch_holds` says whether the epoch is still that of the
    database; it waits until it knows.
    """

    def __init__(
        self,
        engine: Engine,
        node: Source,
        epoch: int,
        *,
        layer: Layer,
        view: SharedView,
        lease: Lease,
        outage: Outage,
        epoch_holds: Callable[[], Awaitable[bool]],
    ) -> None:
        self._engine = engine
        self._mirror = ViewMirror(view, node)
        self._side = WorkerSide(layer, epoch, engine.hub, engine.port, self._mirror.settled)
        self._duty = Duty(
            lease,
            epoch,
            outage=outage,
            report=self._report,
            epoch_holds=epoch_holds,
            clock=monotonic,
        )

    async def prepare(self) -> None:
        """Fill the view, and be reached, once Redis lets us. The engine has not begun.

        Raises `EpochOver`.
        """
        outage = Outage("take_over")
        while True:
            try:
                await self._mirror.fill()
                await self._side.open()
                break
            except (ViewLost, ViewUnavailable, LayerFailed) as error:
                outage.begin(error)
                await asyncio.sleep(RETRY)
        outage.end()
        self._engine.share(self._mirror, self._duty, self._side.resign)

    async def run(self) -> None:
        """Serve until cancelled. Raises `TakenOver`."""
        work = (self._mirror.run(), self._duty.run(), self._side.run())
        tasks = [asyncio.create_task(each) for each in work]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        except TakenOver as over:
            # The driver may not have noticed.
            self._duty.end(over)
            raise
        finally:
            await cancel(*tasks)

    async def stop(self) -> None:
        """Let answers and last frames out; `run` goes on meanwhile. The engine has finished."""
        await self._side.stop()

    async def _report(self) -> bytes:
        port, side = self._engine.port, self._side
        vitals = msgspec.structs.replace(
            await port.vitals(), web_processes=side.web_processes, layer={"worker": side.counts}
        )
        said = Report.of(await port.overview(), await port.members(), vitals, await port.aside())
        return report.encode(said)
