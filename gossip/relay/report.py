"""What the worker says of its node, for web processes to show: published with each renewal."""

from collections import Counter
from typing import Any

import msgspec

from gossip.core.entries import Entry
from gossip.core.stats import MemberView, Overview
from gossip.runtime.vitals import Vitals
from gossip.stores.rows import EntryTuple, entry_from_row, entry_to_row


class Report(msgspec.Struct, frozen=True, array_like=True):
    """The node at one instant."""

    overview: Overview
    members: list[MemberView]
    vitals: Vitals
    aside: list[EntryTuple]

    @classmethod
    def of(
        cls, overview: Overview, members: list[MemberView], vitals: Vitals, aside: list[Entry]
    ) -> "Report":
        return cls(overview, members, vitals, [entry_to_row(entry) for entry in aside])

    def entries_aside(self) -> list[Entry]:
        """Versions of the future that wait to be applied."""
        return [entry_from_row(row) for row in self.aside]


def _decoded(kind: type, value: Any) -> Any:
    """What msgpack has no word for."""
    if kind is Counter or getattr(kind, "__origin__", None) is Counter:
        return Counter(value)
    raise NotImplementedError(kind)


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Report, dec_hook=_decoded).decode
