"""Ids of members that were removed, and what it takes for one to be believed alive again (M3, M8).

Theory of operation. A buried id is not listed and not mentioned. Its own `join` takes it out at
once; what others say of it earns a dial now and then, and is believed by itself only of a later
incarnation, if two of them say so: anybody can make one up.
"""

import msgspec

from gossip.core.config import Config


class _Grave(msgspec.Struct):
    incarnation: int
    """The one that died."""
    dialable: bool
    """It had an endpoint."""
    dialed_at: float = float("-inf")
    """When a mention of this id earned a dial last."""
    named_by: str = ""
    """Who said first that a later incarnation lives."""


class Graveyard:
    """Bounded by `Limits.graveyard`: the oldest are forgotten."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._graves: dict[str, _Grave] = {}
        """By id, oldest first."""

    def bury(self, node_id: str, incarnation: int, *, dialable: bool) -> None:
        """A member was removed."""
        if len(self._graves) >= self._config.limits.graveyard:
            del self._graves[next(iter(self._graves))]
        self._graves[node_id] = _Grave(incarnation, dialable)

    def exhume(self, node_id: str) -> None:
        """A later incarnation is alive, or the node is here itself."""
        self._graves.pop(node_id, None)

    def incarnation(self, node_id: str) -> int | None:
        """The incarnation that is buried under this id; None where there is no grave."""
        grave = self._graves.get(node_id)
        return None if grave is None else grave.incarnation

    def may_return(self, node_id: str, incarnation: int, by: str) -> bool:
        """Whether this is believed of an id: one peer's word is worth a dial, two are enough."""
        grave = self._graves.get(node_id)
        if grave is None:
            return True
        if incarnation <= grave.incarnation:
            return False
        first = grave.named_by
        grave.named_by = first or by
        return first not in ("", by)

    def may_hide(self, node_id: str) -> bool:
        """Whether one peer is believed who says that this id lives and nobody can dial it.

        Not of one that could be dialed: to leave its address out would be the way around the dial
        that it does not answer.
        """
        grave = self._graves.get(node_id)
        return grave is None or not grave.dialable

    def earns_dial(self, node_id: str, now: float) -> bool:
        """Whether a mention of this id by somebody else is worth a dial.

        A buried id may be back, or those who mention it may be slow to bury it: it earns one dial
        in each `Config.mention_again`.
        """
        grave = self._graves.get(node_id)
        if grave is None:
            return True
        if now - grave.dialed_at < self._config.mention_again:
            return False
        grave.dialed_at = now
        return True
