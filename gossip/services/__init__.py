"""What programs may ask of the node that runs in this process.

The API, the commands and host applications all come in here, and nothing passes them by. What
waits for the node comes in two forms: `aget`, `aset` and so on are coroutines for whichever event
loop; `get`, `set` and so on are for threads, and raise `RuntimeError` in the node's own event loop,
where waiting would stop the very node that they wait for.

    GossipError
    ├── NoEngine        no node runs in this process
    ├── Unavailable     the node cannot be asked now
    ├── UnknownKey      nothing to delete under this key; also a KeyError
    ├── EntryFault      the key or the value breaks the rules; nothing was written
    ├── UnknownMember   nobody to forget; also a KeyError
    ├── ForgetRefused   the member is connected
    ├── WriteRefused    the node did not write, and will not
    ├── WatchRefused    too many watch already, or the node stops
    ├── WatchEnded      the watch is over: its reader was too slow, or the node stops
    └── WriteUnanswered the node did not answer, or stops: the write may still happen
"""

from gossip.core.conditions import Absent, All, AtVersion, Condition, OneOf, Present, Simple
from gossip.runtime.feed import WatchCounts
from gossip.runtime.histogram import Distribution
from gossip.runtime.ports import Unavailable
from gossip.runtime.vitals import Vitals
from gossip.runtime.watch import Change, ChangeKind, Watch, WatchEnded, WatchRefused
from gossip.services.checks import LIMITS, LONGEST_TTL, checked_key
from gossip.services.cluster import (
    Health,
    PeerCounts,
    Readiness,
    aforget,
    ahealth,
    amembers,
    aoverview,
    avitals,
    forget,
    health,
    members,
    overview,
    ready,
    stale_for,
    vitals,
)
from gossip.services.data import (
    aaside,
    adelete,
    adrop_aside,
    aget,
    aset,
    aside,
    delete,
    drop_aside,
    get,
    set,  # noqa: A004  (the word that users know)
)
from gossip.services.errors import ForgetRefused, NoEngine, UnknownKey, UnknownMember
from gossip.services.listing import aentries, aslices, entries, slices
from gossip.services.watching import watch, watch_counts

__all__ = [
    "LIMITS", "LONGEST_TTL", "Absent", "All", "AtVersion", "Change", "ChangeKind", "Condition",
    "Distribution", "ForgetRefused", "Health", "NoEngine", "OneOf", "PeerCounts", "Present",
    "Readiness", "Simple", "Unavailable", "UnknownKey", "UnknownMember", "Vitals", "Watch",
    "WatchCounts", "WatchEnded", "WatchRefused", "aaside", "adelete", "adrop_aside", "aentries",
    "aforget", "aget", "ahealth", "amembers", "aoverview", "aset", "aside", "aslices", "avitals",
    "checked_key", "delete", "drop_aside", "entries", "forget", "get", "health", "members",
    "overview", "ready", "set", "slices", "stale_for", "vitals", "watch", "watch_counts",
]  # fmt: skip
