"""How often somebody may guess a password."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Final

ATTEMPTS: Final = 10
"""Failed logins of one address in `WITHIN`; a guess: more than a person errs, less than a list."""
WITHIN: Final = 300.0
"""Seconds."""
ADDRESSES: Final = 10_000
"""Addresses remembered; the one that failed the longest ago makes room."""


class FailedLogins:
    """Counts failed logins by address, in this process, safely from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds until this address may try again; 0 where it may now."""
        with self._lock:
            times = self._failed.get(_network(address))
            if times is None or len(times) < ATTEMPTS:
                return 0.0
            return max(0.0, times[0] + WITHIN - self._clock())

    def failed(self, address: str) -> None:
        """A login of this address failed."""
        network = _network(address)
        with self._lock:
            times = self._failed.setdefault(network, deque(maxlen=ATTEMPTS))
            self._failed.move_to_end(network)
            times.append(self._clock())
            while len(self._failed) > ADDRESSES:
                self._failed.popitem(last=False)


def _network(address: str) -> str:
    """An address, or of IPv6 the network of one subscriber, who has all of its addresses."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ip_network((address, 64), strict=False))
