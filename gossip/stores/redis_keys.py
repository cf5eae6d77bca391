"""The names of what a node keeps in Redis."""


class Keys:
    """All have the same hash tag, so that a script may use them together in a Redis Cluster."""

    def __init__(self, prefix: str) -> None:
        tag = f"{{{prefix}}}"
        self.epoch = f"{tag}:epoch"
        """The greatest epoch that wrote here."""
        self.lease = f"{tag}:lease"
        """Who is the active worker; empty: nobody since the last one stopped."""
        self.standby = f"{tag}:standby"
        """There while a standby polls."""
        self.report = f"{tag}:report"
        """A hash: `report`, and `at`, the milliseconds of Redis's clock when it was published."""
        self.entries = f"{tag}:entries"
        """A hash from keys to rows; see `gossip.stores.view`."""
        self.order = f"{tag}:order"
        """A sorted set of the same keys."""

    def filling(self, epoch: int, number: int) -> tuple[str, str]:
        """`entries` and `order` of a view that is being built."""
        suffix = f":filling:{epoch}:{number}"
        return self.entries + suffix, self.order + suffix
