"""What services refuse by themselves; `gossip.services` draws the whole tree."""

from gossip.core.errors import GossipError


class NoEngine(GossipError):
    """No node runs in this process."""

    def __init__(self) -> None:
        super().__init__(
            "no node runs in this process: use the HTTP API of a node by its URL, share one through"
            " Redis by `gossip.scaled.attached`, or embed it by serving gossipnode.asgi or"
            " `manage.py rungossip`"
        )


class UnknownKey(GossipError, KeyError):
    """The key was never written, or is deleted."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"Key '{self.key}' not found"


class UnknownMember(GossipError, KeyError):
    """No such member is listed."""

    def __str__(self) -> str:
        return f"Member '{self.args[0]}' is not listed"


class ForgetRefused(GossipError):
    """The member is here: stop it, and it leaves by itself."""
