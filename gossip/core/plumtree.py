"""On which links an entry is pushed where not everybody is linked to everybody: trees (S3).

Theory of operation (Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees", 2007, section 3). An
entry that is pushed on all links reaches a node as often as it has links. So who is pushed what two
other peers pushed before says `prune`, and is pushed no more for a while of what comes from the
same origin: the links left make a tree for that origin, in which a node has two parents. Whose
link to a parent closes says `graft` to somebody else, and has a parent again.

Unlike in the paper

- there is a tree for each origin and not one for all, so that its paths stay as short as those of
  a flood, whatever becomes of the links;
- there are two parents, so that a node that fails, or a packet that is lost, keeps nothing from
  those behind it;
- a tree lasts for `Config.rewire_interval`, in which many links were exchanged (L1): the next entry
  is flooded and makes a new one. What an origin writes that seldom writes is always flooded;
- nothing is offered on the links left out: what a broken tree does not bring is found by rounds
  (section 5), as everything else that was lost.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import sha256

import msgspec

from gossip.core import exchanges
from gossip.core.context import Context
from gossip.core.entries import Entry
from gossip.core.events import LinkId
from gossip.core.links import Link

PARENTS = 2
"""Measured with 100 nodes and 5 % loss: with one, the slowest write of a hundred takes five times
as long; the second costs one copy of each entry."""


@lru_cache(maxsize=4_096)
def tree_of(origin: str | None) -> int:
    """64 bits that name the tree of the entries that were written there (section 10)."""
    return int.from_bytes(sha256((origin or "").encode()).digest()[:8], "big")


class _Parents(msgspec.Struct, frozen=True):
    """Whom we have the entries of one origin from."""

    links: tuple[LinkId, ...]
    """First the one that brought the last entry; at most `PARENTS`."""
    time: float
    """Monotonic seconds of that."""
    active: bool
    """Another entry came not long before it."""


class Plumtree:
    """The place of one node in all trees; there are none where everybody links to everybody."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._config = context.config
        self._pruned: dict[LinkId, dict[int, float]] = {}
        """The trees in which the peer of this link wants nothing from us, and until when."""
        self._parents: dict[int, _Parents] = {}
        """By tree; the one of which an entry came longest ago is first."""

    def eager(self, links: Iterable[Link], entry: Entry) -> list[LinkId]:
        """Those of these links on which an entry is to be pushed."""
        if not self._context.members.crowded:
            return [link.id for link in links]
        tree, now = tree_of(entry.origin), self._context.now.monotonic
        return [link.id for link in links if self._pruned.get(link.id, {}).get(tree, now) <= now]

    def pruned(self, link: Link, trees: Iterable[int]) -> None:
        """The peer has what we push in these trees from others."""
        pruned = self._pruned.setdefault(link.id, {})
        until = self._context.now.monotonic + self._config.rewire_interval
        for tree in trees:
            pruned.pop(tree, None)
            pruned[tree] = until
        while len(pruned) > self._config.limits.trees:
            del pruned[next(iter(pruned))]

    def grafted(self, link: Link, trees: Iterable[int]) -> None:
        """The peer wants what we push in these trees."""
        pruned = self._pruned.get(link.id, {})
        for tree in trees:
            pruned.pop(tree, None)

    def came(self, entry: Entry, link: Link) -> None:
        """An entry that was new here was pushed on this link."""
        if not self._context.members.crowded:
            return
        tree, now = tree_of(entry.origin), self._context.now.monotonic
        before = self._parents.pop(tree, None)
        others: tuple[LinkId, ...] = ()
        active = False
        if before is not None:
            others = tuple(other for other in before.links if other != link.id)
            active = now - before.time < self._config.rewire_interval
        self._parents[tree] = _Parents((link.id, *others)[:PARENTS], now, active)
        if len(self._parents) > self._config.limits.trees:
            del self._parents[next(iter(self._parents))]

    def is_superfluous(self, entry: Entry, link: Link) -> bool:
        """Whether this link has no place in the tree of an entry that it pushed, and others before.

        What a repair brought first tells nothing of that.
        """
        tree = tree_of(entry.origin)
        parents = self._parents.get(tree)
        if parents is None or not parents.active or link.id in parents.links:
            return False
        if len(parents.links) < PARENTS:
            self._parents[tree] = msgspec.structs.replace(parents, links=(*parents.links, link.id))
            return False
        return True

    def prune(self, link: Link, trees: Iterable[int]) -> None:
        """Tell a peer in which trees we need nothing from it."""
        if not link.closing:
            self._tell(link, exchanges.prune, sorted(trees))

    def closed(self, link: Link) -> None:
        """A link is gone: have another parent in the trees in which it led to ours."""
        self._pruned.pop(link.id, None)
        lacking = []
        for tree, parents in list(self._parents.items()):
            if link.id in parents.links:
                left = tuple(other for other in parents.links if other != link.id)
                self._parents[tree] = msgspec.structs.replace(parents, links=left)
                if parents.active:
                    lacking.append(tree)
        others = [other for other in self._context.links.best() if other.extended]
        if others and self._context.members.crowded:
            self._tell(self._context.rng.choice(others), exchanges.graft, lacking)

    def _tell(self, link: Link, say: Callable[[Sequence[int]], bytes], trees: list[int]) -> None:
        most = self._config.limits.slice_entries
        for start in range(0, len(trees), most):
            self._context.send([link], say(trees[start : start + most]))
