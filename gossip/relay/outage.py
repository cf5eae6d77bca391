"""Tells that something fails when it begins to, not at each try."""

import structlog

_log = structlog.get_logger("gossip")


class Outage:
    """Logs `<name>_failing` as it begins and `<name>_recovered` as it ends."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.lasts = False

    def begin(self, error: Exception) -> None:
        """A try failed."""
        if not self.lasts:
            self.lasts = True
            _log.warning(f"{self._name}_failing", detail=str(error))

    def end(self) -> None:
        """A try succeeded."""
        if self.lasts:
            self.lasts = False
            _log.info(f"{self._name}_recovered")
