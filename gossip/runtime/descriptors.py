"""File descriptors: every socket holds one, and who has none left can neither accept nor dial."""

import resource
from typing import Final

import structlog

from gossip.core.config import Limits

OTHERS: Final = Limits().links + 76
"""Descriptors for links that we dialed, and for files: some 30, rounded up."""

_log = structlog.get_logger("gossip")


def accepted_sockets(wanted: int) -> int:
    """Raise the process's limit for this many accepted sockets; return how many it has room for.

    Two thirds at least of what the system gives are for them. A warning says when that is less
    than wanted.
    """
    needed = wanted + OTHERS
    limit = _raise_limit(needed)
    if limit < needed:
        _log.warning("few_descriptors", limit=limit, wanted=needed, remedy="raise `ulimit -n`")
    return min(wanted, limit - min(OTHERS, limit // 3))


def _raise_limit(needed: int) -> int:
    """Raise the soft limit, if it is lower, to what is needed or else to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    return raised
