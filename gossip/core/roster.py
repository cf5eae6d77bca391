"""Changes of the member table, each with what follows from it (M1–M3, M6).

`Members` is the table; here stand the few ways in which it changes: somebody introduced itself,
spoke, fell silent, left, or was silent for too long. Each tells the operator and the store.
"""

import msgspec

from gossip.core import addresses
from gossip.core.context import Context
from gossip.core.effects import ForgetPeer, NoticeKind, StorePeer
from gossip.core.links import Link
from gossip.core.members import Member, PeerRecord, Status


class Roster:
    """The only one who changes members."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._members = context.members

    def introduced(self, record: PeerRecord, *, loopback: bool) -> bool:
        """Somebody introduced itself on its own link. False where there is no room for it."""
        now, wall = self._context.now
        endpoint = record.gossip_endpoint
        if endpoint is not None and addresses.names_loopback(endpoint) and not loopback:
            # It is alive, but its endpoint would lead us to ourselves (L4).
            self._context.refuse("loopback-endpoint")
            record = msgspec.structs.replace(record, gossip_endpoint=None)
        known = self._members.get(record.node_id)
        before = None if known is None else known.record
        try:
            status = self._members.joined(record, now, wall, loopback=loopback)
        except OverflowError:
            self._context.refuse("members-full")
            return False
        if status is None or status is Status.INACTIVE:
            self._context.notice(NoticeKind.PEER_JOINED, record.node_id, endpoint or "")
        elif status is Status.SUSPECTED:
            self._context.notice(NoticeKind.PEER_REFUTED, record.node_id)
        member = self._members.get(record.node_id)
        if member is not None and (before is None or before != member.record):
            self.store(member)
        return True

    def store(self, member: Member) -> None:
        """Have a member remembered across restarts, if it can be dialed then (M7)."""
        member.stored_at = self._context.now.monotonic
        if member.record.gossip_endpoint is None:
            return
        record = msgspec.structs.replace(member.record, last_seen=member.seen_wall)
        self._context.emit(StorePeer(record))

    def spoke(self, link: Link) -> None:
        """A frame came from a peer on its own link: that is evidence (M2)."""
        member = self._members.get(link.peer or "")
        if member is None:
            if link.record is not None:
                self.introduced(link.record, loopback=link.loopback)
        elif member.status is Status.SUSPECTED:
            self._members.revive(member, *self._context.now)
            self._context.notice(NoticeKind.PEER_REFUTED, member.record.node_id)
        else:
            member.silent_since, member.seen_wall = self._context.now

    def suspect(self, member: Member, why: str) -> None:
        """A member seems to have failed."""
        self._members.mark(member, Status.SUSPECTED)
        endpoint = member.record.gossip_endpoint or "no endpoint"
        detail = f"{why} ({endpoint})"
        self._context.notice(NoticeKind.PEER_SUSPECTED, member.record.node_id, detail)

    def left(self, member: Member) -> None:
        """A member said on its own link that it leaves."""
        self._members.mark(member, Status.INACTIVE)
        member.silent_since = self._context.now.monotonic
        node_id = member.record.node_id
        self._context.emit(ForgetPeer(node_id))
        self._context.notice(NoticeKind.PEER_LEFT, node_id, member.record.gossip_endpoint or "")

    def remove(self, member: Member) -> None:
        """A member was away for too long, or left long enough ago."""
        self._members.bury(member)
        if member.status is not Status.INACTIVE:
            endpoint = member.record.gossip_endpoint or ""
            self._context.notice(NoticeKind.PEER_REMOVED, member.record.node_id, endpoint)
