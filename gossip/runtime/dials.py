"""The dials under way: one task each, and exactly one answer each."""

from collections.abc import Callable

import structlog

from gossip.core.effects import Dial
from gossip.core.events import DialFailed
from gossip.runtime.ports import Dialer, DialRefused, Hub, OpenLink, Wire
from gossip.runtime.tasks import Tasks

_log = structlog.get_logger("gossip")


class Dials:
    """Carries out `Dial` effects through the injected dialer.

    A dial's task lives as long as the connection that it opened. A dial that opened none is
    answered by `DialFailed`, whatever went wrong.
    """

    def __init__(self, dialer: Dialer, hub: Hub, failed: Callable[[DialFailed], None]) -> None:
        self._dialer = dialer
        self._hub = hub
        self._failed = failed
        self._tasks = Tasks()

    def start(self, dial: Dial) -> None:
        self._tasks.start(self._run(dial))

    async def stop(self) -> None:
        """Cancel every dial, as `Tasks.stop` does."""
        await self._tasks.stop()

    async def _run(self, dial: Dial) -> None:
        attempt = _Attempt(self._hub)
        refused = False
        try:
            await self._dialer(dial, attempt)
        except DialRefused as error:
            refused = error.refused
            _log.debug("dial_failed", url=dial.url, detail=str(error))
        except Exception:  # noqa: BLE001  # one dial's bug must not end the others; it is told
            _log.exception("dialer_failed", url=dial.url)
        finally:
            if attempt.link is not None:
                attempt.link.closed(None)
        if attempt.link is None:
            self._failed(DialFailed(dial.url, refused))


class _Attempt:
    """The hub of one dial, which remembers whether the connection came about."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.link: OpenLink | None = None

    def opened(
        self, wire: Wire, *, dialed: str | None = None, remote_is_loopback: bool = False
    ) -> OpenLink:
        self.link = self._hub.opened(wire, dialed=dialed, remote_is_loopback=remote_is_loopback)
        return self.link
