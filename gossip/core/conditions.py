"""What a local write may depend on: compare and set.

This node alone is asked. What is compared is the entry that it holds, with the writes that wait
for their commit counted (E7); a write under way at another node may win over this one later.
"""

from typing import TypeAlias

import msgspec

from gossip.core.entries import Entry


class AtVersion(msgspec.Struct, frozen=True, tag=True):
    """The key has this version, be it deleted."""

    version: int
    """1 … 2^53 - 1."""

    def holds(self, entry: Entry | None, _wall: int) -> bool:
        """Whether that is so of what is stored."""
        return entry is not None and entry.version == self.version


class OneOf(msgspec.Struct, frozen=True, tag=True):
    """The key has a value, and its tag (`Entry.tag`) is one of these."""

    tags: frozenset[str]

    def holds(self, entry: Entry | None, wall: int) -> bool:
        """Whether that is so of what is stored, at this wall time."""
        return entry is not None and entry.lasts(wall) and entry.tag in self.tags


class Present(msgspec.Struct, frozen=True, tag=True):
    """The key has a value."""

    def holds(self, entry: Entry | None, wall: int) -> bool:
        """Whether that is so of what is stored, at this wall time."""
        return entry is not None and entry.lasts(wall)


class Absent(msgspec.Struct, frozen=True, tag=True):
    """The key has no value: it was never written, is deleted or has expired."""

    def holds(self, entry: Entry | None, wall: int) -> bool:
        """Whether that is so of what is stored, at this wall time."""
        return entry is None or not entry.lasts(wall)


Simple: TypeAlias = AtVersion | OneOf | Present | Absent


class All(msgspec.Struct, frozen=True, tag=True):
    """Each of these holds."""

    parts: tuple[Simple, ...]

    def holds(self, entry: Entry | None, wall: int) -> bool:
        """Whether that is so of what is stored, at this wall time."""
        return all(part.holds(entry, wall) for part in self.parts)


Condition: TypeAlias = Simple | All
