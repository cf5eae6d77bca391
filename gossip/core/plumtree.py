"""On which links an entry is pushed where not everybody is linked to everybody: trees (S3).

Theory of operation (Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees", 2007, section 3). An
entry that is pushed on all links reaches a node as often as it has links. So who is pushed what two
other peers pushed before says `prune`, and is pushed no more for a while of what comes from the
same origin: the links left make a tree for that origin, in which a node has two parents. Whose
link to a parent closes says `graft` to somebody else, and has a parent again.

Unlike in the paper

- there is a tree for each origin and not one for all, so that its paths stay as short as those of
  a flood, whatever becomes of the links;
- only the first entry of each second of the origin's own clock shapes its tree. Where all did,
  nodes pruned on the evidence of different entries, which were under way at the same time, and
  made each other their parents;
- there are two parents, since a single one makes everybody behind it wait for each lost packet.
  They may have it from the same node, so they are no insurance against one that falls silent;
- a link is left out for `Config.rewire_interval`, in which many links were exchanged (L1): then an
  entry is flooded, and whoever brings it first is a parent. What an origin writes that seldom
  writes is always flooded, and so is what names no origin and may start anywhere;
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
_SHAPING = 1_000
"""Milliseconds of versions in which one entry of an origin shapes its tree: many times what an
entry takes to cross the cluster."""


@lru_cache(maxsize=4_096)
def tree_of(origin: str) -> int:
    """64 bits that name the tree of the entries that were written there (section 10)."""
    return int.from_bytes(sha256(origin.encode()).digest()[:8], "big")


class _Parents(msgspec.Struct, frozen=True):
    """Whom we have the entries of one origin from, by the last one that shaped its tree."""

    links: tuple[LinkId, ...]
    """First the one that brought that entry; at most `PARENTS`."""
    last: tuple[str, int]
    """Its key and version."""
    time: float
    """Monotonic seconds when it came."""
    active: bool
    """Another one came not long before it."""


class Plumtree:
    """The place of one node in all trees; there are none where everybody links to everybody."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._config = context.config
        self._lazy: dict[LinkId, dict[int, float]] = {}
        """By link: the trees in which its peer wants nothing from us, and until when."""
        self._parents: dict[int, _Parents] = {}
        """By tree; the one of which an entry came longest ago is first."""

    # Pushing

    def eager(self, links: Iterable[Link], entry: Entry) -> list[LinkId]:
        """Those of these links on which an entry that was pushed to us is pushed on."""
        if entry.origin is None or not self._context.members.crowded:
            return [link.id for link in links]
        tree, now = tree_of(entry.origin), self._context.now.monotonic
        return [link.id for link in links if self._lazy.get(link.id, {}).get(tree, now) <= now]

    def pruned(self, link: Link, trees: Iterable[int]) -> None:
        """The peer has what we push in these trees from others."""
        if not self._context.members.crowded:
            return
        limits = self._config.limits
        room = limits.prunes - sum(map(len, self._lazy.values()))
        lazy = self._lazy.setdefault(link.id, {})
        until = self._context.now.monotonic + self._config.rewire_interval
        for tree in trees:
            if lazy.pop(tree, None) is not None:
                pass
            elif len(lazy) >= limits.trees:
                del lazy[next(iter(lazy))]
            elif room <= 0:
                self._context.refuse("prunes")
                return
            else:
                room -= 1
            lazy[tree] = until

    def grafted(self, link: Link, trees: Iterable[int]) -> None:
        """The peer wants what we push in these trees."""
        lazy = self._lazy.get(link.id, {})
        for tree in trees:
            lazy.pop(tree, None)

    # Being pushed to

    def came(self, entry: Entry, link: Link) -> None:
        """An entry that was new here was pushed on this link."""
        if entry.origin is None or not self._may_be_parent(link):
            return
        self._forget_old()
        tree, now = tree_of(entry.origin), self._context.now.monotonic
        before = self._parents.get(tree)
        others: tuple[LinkId, ...] = ()
        if before is not None:
            if entry.version // _SHAPING <= before.last[1] // _SHAPING:
                return
            # It comes last of all again.
            del self._parents[tree]
            others = tuple(other for other in before.links if other != link.id)
        self._parents[tree] = _Parents(
            links=(link.id, *others)[:PARENTS],
            last=(entry.key, entry.version),
            time=now,
            active=before is not None,
        )
        if len(self._parents) > self._config.limits.trees:
            del self._parents[next(iter(self._parents))]

    def came_again(self, entry: Entry, link: Link) -> int | None:
        """An entry that was here already was pushed on this link.

        Returns its tree, if the link has no place in it. What a repair brought first tells nothing
        of that: only the last entry that shaped the tree does.
        """
        if entry.origin is None or not self._may_be_parent(link):
            return None
        tree = tree_of(entry.origin)
        if entry.origin == self._config.node_id:
            return tree
        parents = self._parents.get(tree)
        if (
            parents is None
            or not parents.active
            or parents.last != (entry.key, entry.version)
            or link.id in parents.links
        ):
            return None
        if len(parents.links) == PARENTS:
            return tree
        self._parents[tree] = msgspec.structs.replace(parents, links=(*parents.links, link.id))
        return None

    def prune(self, link: Link, trees: Iterable[int]) -> None:
        """Tell a peer in which trees we need nothing from it."""
        if link.usable:
            self._tell(link, exchanges.prune, sorted(trees))

    def closed(self, link: Link) -> None:
        """A link is gone: have another parent in the trees in which it led to ours."""
        self._lazy.pop(link.id, None)
        self._forget_old()
        candidates = self._candidates()
        wanted: dict[LinkId, list[int]] = {}
        for tree, parents in list(self._parents.items()):
            if link.id in parents.links:
                left = tuple(other for other in parents.links if other != link.id)
                self._parents[tree] = msgspec.structs.replace(parents, links=left)
                others = [other for other in candidates if other.id not in left]
                if others and parents.active:
                    chosen = self._context.rng.choice(others)
                    wanted.setdefault(chosen.id, []).append(tree)
        for candidate in candidates:
            self._tell(candidate, exchanges.graft, wanted.get(candidate.id, []))

    def _candidates(self) -> list[Link]:
        return [
            link
            for link in self._context.links.best()
            if self._may_be_parent(link) and link.blocked_since is None
        ]

    def _may_be_parent(self, link: Link) -> bool:
        """Whether it is an extended peer's, in a crowd; what it sent may outlive it."""
        return (
            self._context.members.crowded
            and link.extended
            and link.joined
            and self._context.links.get(link.id) is not None
        )

    def _forget_old(self) -> None:
        horizon = self._context.now.monotonic - self._config.rewire_interval
        while self._parents:
            oldest = next(iter(self._parents))
            if self._parents[oldest].time > horizon:
                return
            del self._parents[oldest]

    def _tell(self, link: Link, say: Callable[[Sequence[int]], bytes], trees: list[int]) -> None:
        most = self._config.limits.slice_entries
        for start in range(0, len(trees), most):
            self._context.send([link], say(trees[start : start + most]))
