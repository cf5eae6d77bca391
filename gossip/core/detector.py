"""When silence becomes suspicion, and suspicion removal (M2, M3).

Both of the operator's clocks run on our own evidence: frames from the member on its own links. A
member that we hold no link to stays active until a dial of it fails, which the node reports to
`suspect`; one that cannot be dialed at all is given two heartbeats, unless a peer vouches for it
(M8).
"""

from gossip.core.config import Config
from gossip.core.members import Member, Status


def judge(
    member: Member, *, linked: bool, vouched: bool = False, now: float, config: Config
) -> Status | None:
    """The status that this member deserves now; None when its time is over and it is removed.

    `vouched`: a peer that we are linked to holds a link to it.
    """
    silence = now - member.silent_since
    if member.status is not Status.ACTIVE:
        return member.status if silence < config.cleanup_timeout else None
    if linked and is_mute(plain=not member.record.extended, config=config):
        return Status.ACTIVE
    if linked:
        limit = config.suspicion_timeout
    elif member.record.gossip_endpoint is None and not vouched:
        limit = 2 * config.heartbeat_interval
    else:
        return Status.ACTIVE
    return Status.ACTIVE if silence < limit else Status.SUSPECTED


def is_mute(*, plain: bool, config: Config) -> bool:
    """Whether a peer's silence on an open link means nothing (M8).

    A plain peer sends only to those whose `join` names an endpoint. Where we have none, the pings
    of the end that dialed are all that tells of its life.
    """
    return plain and config.gossip_endpoint is None
