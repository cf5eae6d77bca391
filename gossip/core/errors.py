"""What can go wrong, by whose fault.

    GossipError
    ├── ConfigurationError   the operator's: nothing was started
    ├── FrameFault           the peer's: the frame was dropped, no state changed
    │   └── EnvelopeFault    likewise, and on a plain link perhaps only a relay's
    ├── EntryFault           the peer's or the client's: that entry was dropped, the others were not
    ├── WriteRefused         nobody's or the node's: the write did not happen
    └── WriteUnanswered      likewise: nobody can tell whether the write happened

A fault of a peer is counted by `reason` and never leaves the core as an exception.
"""


class GossipError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigurationError(GossipError):
    """A setting is missing or wrong. The text is one line that names it and what is allowed."""


class FrameFault(GossipError):
    """A frame that breaks the wire rules (R1, R2). `reason` is a short stable word for counters."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class EnvelopeFault(FrameFault):
    """JSON that is no message of ours. Plain peers relay such frames in good faith (R2)."""


class EntryFault(GossipError):
    """One entry that breaks the rules of section 3. `reason` is a short word for counters."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class WriteRefused(GossipError):
    """A local write that did not happen and will not.

    `reason` is one of `condition` (what it depends on is not so), `clock` (our clock disagrees
    with most peers, E4), `exhausted` (no version above the stored one is left, R5), `journal` (it
    could not be made durable, E7), `overloaded` (too many writes wait) and `stopping`.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


class WriteUnanswered(GossipError):
    """A local write that nobody waited for to its end. It may still happen, or have happened.

    `why` says what came between; who wants to know reads the key before writing again.
    """

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: the write may still happen")
