"""What the page says in words: what a state means, and what to do about it."""

from typing import NamedTuple


class Word(NamedTuple):
    """What a person needs to hear about one state."""

    name: str
    """As `GET /gossip/health` has it."""
    title: str
    meaning: str
    advice: str = ""


STATUSES = (
    Word(
        "healthy",
        "Healthy",
        "This node is connected to others and does its work.",
    ),
    Word(
        "degraded",
        "Degraded",
        "This node works, but not all is well: more members are silent than answer, or it found"
        " something wrong, which is named here.",
        "See which members are suspected below; each needs its process, its network and its address"
        " looked at.",
    ),
    Word(
        "isolated",
        "Alone",
        "No other node is connected. Reads and writes work here, and reach nobody else.",
        "If this node is meant to be the only one, all is well. Otherwise name a node that runs in"
        " GOSSIP_BOOTSTRAP_PEERS, or start one that names this node.",
    ),
)

OTHER = Word(
    "other",
    "Something else",
    "This node reports something that this page has no words for.",
    "The log of the node says more.",
)
REASONS = (
    Word(
        "bootstrap",
        "Nobody to join",
        "None of the nodes in GOSSIP_BOOTSTRAP_PEERS lets this one join.",
        "Check that they run and that their addresses are right. This node goes on trying.",
    ),
    Word(
        "clock",
        "Clocks differ",
        "The clock of this node differs from those of the others. Far off, it takes no writes.",
        "Synchronise the clocks of the machines, with NTP for example.",
    ),
    Word(
        "identity",
        "Another node has this id",
        "Peers met somebody else under the id of this node, perhaps from a copied data directory.",
        "Stop one of the two, and give it a data directory and a NODE_ID of its own.",
    ),
    Word(
        "journal",
        "The disk refuses writes",
        "What is written cannot be made durable, so writes are refused. Reads go on.",
        "Look for a full or broken disk, or for missing permissions, where GOSSIP_DATA_DIR is.",
    ),
    Word(
        "stopping",
        "The node is stopping",
        "It says goodbye to the others and takes no more writes.",
        "Nothing to do, if somebody meant it to stop.",
    ),
    Word(
        "worker",
        "No worker runs the node",
        "This node is several processes, and the one that runs it is silent. Writes are refused,"
        " and what is read may be old.",
        "A second worker takes over by itself within seconds. Look whether one runs, and Redis.",
    ),
    Word(
        "unknown-daphne",
        "Unknown version of Daphne",
        "The server in front of this node is a version that it does not know, so its protection"
        " against slow and greedy clients is off.",
        "Install a version of Daphne from requirements.txt.",
    ),
    OTHER,
)


def status_word(name: str) -> Word:
    return next(word for word in STATUSES if word.name == name)


def reason_word(reason: str) -> Word:
    """The words for a reason, which begins with the name of its kind."""
    name = reason.partition(":")[0]
    return next((word for word in REASONS if word.name == name), OTHER)


class Counter(NamedTuple):
    """One number of `GET /gossip/stats`."""

    name: str
    """As there."""
    label: str
    gauge: bool = False
    """It is a state, not a count, and has no rate."""


class Group(NamedTuple):
    title: str
    counters: tuple[Counter, ...]


COUNTERS = (
    Group(
        "Data",
        (
            Counter("writes", "Writes taken here"),
            Counter("writesRefused", "Writes refused here"),
            Counter("entriesApplied", "Updates learned from others"),
            Counter("entriesStale", "Updates that were known already"),
            Counter("setAside", "Updates from the future, waiting", gauge=True),
        ),
    ),
    Group(
        "Messages",
        (
            Counter("messagesSent", "Sent"),
            Counter("messagesReceived", "Received"),
            Counter("forwarded", "Passed on"),
            Counter("duplicates", "Seen before, ignored"),
        ),
    ),
    Group(
        "Repair",
        (
            Counter("gossipRounds", "Rounds of comparing notes"),
            Counter("pulls", "Repairs begun"),
            Counter("pagesServed", "Pages served to others"),
            Counter("tombstonesDropped", "Old deletions forgotten"),
        ),
    ),
    Group(
        "Connections",
        (
            Counter("links", "Open to members now", gauge=True),
            Counter("linksOpened", "Opened"),
            Counter("linksClosed", "Closed"),
            Counter("dials", "Tried"),
            Counter("dialsFailed", "Tried in vain"),
            Counter("probesFailed", "Peers that did not answer"),
            Counter("refutations", "Wrong suspicions of this node, refuted"),
            Counter("selfDoubt", "How slow this node finds itself, 0 to 8", gauge=True),
            Counter("answerTimeout", "What a peer has to answer, ms", gauge=True),
            Counter("watchers", "Watchers of events now", gauge=True),
        ),
    ),
)

REFUSED = {
    "answer-blocked": "Requests for data on a blocked connection",
    "answer-late": "Answers that nobody waits for any more",
    "api-endpoint": "Members whose HTTP address is not usable",
    "aside": "Updates from the future, set aside until their time",
    "aside-dropped": "Updates from the future that the operator does not want",
    "aside-full": "Updates from the future beyond what can be set aside",
    "aside-link-full": "Updates from the future, too many from one connection",
    "data": "Messages whose content is not as it should be",
    "deleted-value": "Deletions that carry a value",
    "depth": "Values nested too deeply",
    "entry": "Updates that are not as they should be",
    "envelope": "Messages that are not as they should be",
    "exchange": "Unknown kinds of exchange",
    "expiry": "Updates with an expiry that makes no sense",
    "fetch": "Answers over HTTP that could not be used",
    "floor": "Deletions so old that they were forgotten",
    "from": "Messages in somebody else's name",
    "incarnation": "Members that claim to come from the future",
    "join-sender": "Introductions in somebody else's name",
    "json": "Frames that are not JSON",
    "key": "Keys that are too long or empty",
    "leave-relayed": "Goodbyes that somebody else passed on",
    "links": "Connections over the bound",
    "loopback-endpoint": "Members that name an address of this very machine",
    "members-full": "Members over the bound",
    "names-blocked": "Requests for names on a blocked connection",
    "names-too-soon": "Requests for names that came too soon",
    "news": "News of members that is not as it should be",
    "not-forwarded": "Messages that could not be passed on",
    "not-joined": "Messages before an introduction",
    "own-name": "Messages in our own name that others made up",
    "peer-record": "Members whose description is not as it should be",
    "plain-peers": "Lists of peers over HTTP that could not be used",
    "plain-state": "States over HTTP that could not be used",
    "probe-blocked": "Questions whether we live, on a blocked connection",
    "prunes": "Requests to be sent less, beyond the bound",
    "pull-endless": "Answers without an end",
    "pull-timeout": "Answers that did not come in time",
    "rate": "Connections that sent too much for too long",
    "record": "Introductions that are not as they should be",
    "sketch-busy": "Requests for sketches while others wait",
    "size": "Frames that are too large",
    "type": "Unknown types of messages",
    "value-json": "Values that are not JSON",
    "value-size": "Values that are too large",
    "version": "Versions that are no versions",
}
"""For people; a reason that is not among them is shown by its name."""
