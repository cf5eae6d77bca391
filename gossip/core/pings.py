"""Questions whether a member is there, and their answers, on its own link (M4).

Those that we ask for ourselves and those that we ask for others are numbered together, so that an
`ack` tells which of them it answers.
"""

from gossip.core import exchanges
from gossip.core.context import Context
from gossip.core.links import Link


class Pings:
    """Asks extended members, and answers them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._links = context.links
        self._numbers = 0

    def number(self) -> int:
        """The number of a new question."""
        self._numbers += 1
        return self._numbers

    def link_to(self, node_id: str) -> Link | None:
        """A link to an extended member that takes frames; the newest."""
        usable = (
            link
            for link in reversed(self._links.to(node_id))
            if link.usable and link.joined and link.extended and link.blocked_since is None
        )
        return next(usable, None)

    def ask(self, node_id: str, number: int) -> bool:
        """Ask on a link. False where there is none that can be used now."""
        link = self.link_to(node_id)
        if link is None:
            return False
        self._context.send([link], exchanges.ping(number))
        return True

    def is_heard(self, node_id: str, since: float) -> bool:
        """Whether a link to it carried a frame since then, which is an answer as well."""
        return any(link.received > since for link in self._links.to(node_id))

    def answer(self, link: Link, frame: bytes) -> None:
        """Answer a peer, unless it does not read: answers to it would pile up."""
        if link.blocked_since is None:
            self._context.send([link], frame)
        else:
            self._context.refuse("probe-blocked")
