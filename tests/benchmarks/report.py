"""The figures as a table, for the terminal and for the documentation."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.benchmarks import detector, repairing, sizes, split
from tests.benchmarks.targets import TARGETS, Target
from tests.simulation import detecting, splitting
from tests.simulation.sizes import Run
from tests.soak.record import Line, section

Figures = Mapping[str, Sequence[float]]
"""By name, one value for each run."""

INTRODUCTION = """\
# Benchmarks

`make bench` measures what follows, up to the simulated clusters, and writes this file. Nodes are \
real processes under `manage.py rungossip`, on the loopback address, at default settings; only \
repair is simulated, and the memory of a member is that of the core alone. A figure is the median \
of {runs} runs, each with new nodes; the range is the least and the greatest. Nodes and load share \
the machine. What clusters in simulation and soaks did is told from records, which `make prove-…` \
and `make soak` continue.

Machine: {machine}.

"Aim" is what we set out to reach, from what deployed nodes and other gossip libraries do on such \
a machine. "Deployed nodes" are those that this node is compatible with, measured on a machine \
with two cores as well."""

MISSED = """
## Aims that are missed, or nearly

Figures here that stand nowhere else were measured once, on such a machine, on 2026-11-29.

- **Memory of a node**: Python with Django, REST framework, Channels and Daphne in it takes 96 MB, \
before anything of ours; 68 MB of them with Daphne alone. So the aim cannot be met with what the \
node is built on.
- **Memory of a member** (`tests.benchmarks.cost.members`): 2.1 kB, where the aim is 1. Half of it \
are the words that its record came in and was told on in: these are remembered of the latest \
4,096, so that what many peers say alike is read and written once. Fewer of them would be the \
next step, at the cost of processor time in large clusters.
- **Processor time at rest**: [what a node wakes for](decisions.md#an-idle-node-wakes-once-a-\
second), and what would meet the aim.
- **A dead node is off the lists** within 65 s of its end among five, and of 50 nodes in \
simulation in 71 s on 99 of 100 lists and in 85 s on \
[all](simulator.md#gossip_cleanup_timeout-how-long-the-dead-stay-listed): who has no link to it \
counts from when news of its end came. To count from the end itself, news would have to tell when \
that was.
- **Forged lists**: a single liar brings nobody back who could be dialed. Two that lie together do \
in a crowd, until a dial fails, and one does with a node that nobody can dial ([what a peer's word \
is worth](decisions.md#what-one-peers-word-is-worth)): nothing is signed yet (K2).
- **Ten changed of 100,000**: chance says how many cells tell the sets apart. Eleven pairs of sets \
(`tests.benchmarks.repairing.session`, seeds 1 to 11) took 1,470 to 2,484 B, in the median 1,634 \
B; the table has the first."""

METHOD = """
## How it is measured

- **One write visible on all**: 100 writes, one at a time, at each node in turn. From sending the \
`POST` until a `GET` at each of the four others was answered with the value. The `GET`s begin when \
the `POST` is answered, on kept-alive connections, and are repeated until the answer is not 404; \
what they cost the nodes is in the figure: four answers take some 4 ms of two cores.
- **100 and 1,000 keys**: written on 32 connections. From the answer to the last `POST` until the \
counters of the four others say that all keys were applied; then the states are compared.
- **All equal**: from the last write until `GET /gossip/state` is the same on all five.
- **Planned stop, `kill -9`**: from the signal until `GET /gossip/peers?status=all` of the four \
others lists the node as inactive, or suspected.
- **Frozen**: each node in turn is stopped by SIGSTOP until all others list it as suspected, then \
goes on. What is measured ends when the last list says so.
- **Off the lists**: each list is asked for every 50 ms, from the `kill -9` on. None has the node \
again once it was off the last one.
- **All list each other**: from the first `/readyz` that says yes until the lists of the others \
have the node as active, and its own has all of them. Its id is given by `NODE_ID`; its key is \
another one. What the start before it takes is told beside, so that both together are the time \
from the start of the process.
- **Two halves**: a proxy before each node, which is what `GOSSIP_PUBLIC_URL` names. Between the \
halves whatever is sent is lost, and dials are not answered, for a minute in which four writes a \
second go to each half, half of them to the same keys. At the end of it no list has a node of the \
other half as active. Healing resets the connections. "Equal" is \
`GET /gossip/state`; what was acknowledged is then compared with it.
- **Twenty and thirty nodes**: writes, failures and freezes as with five. A minute of starving: \
four processes that do nothing but count, beside twenty nodes on two cores. During it and for 90 \
seconds more, in which whoever fell silent would be removed, one list is looked at each second, by \
turns, and all logs are read afterwards. A list lacks who is not on it, or on it as stopped; who \
is suspected is on it. Links of thirty: ten looks a second apart, a minute after the start. Then \
every second node is killed. Which of the others hold a connection to each other the kernel tells, \
again and again from the last end on, until all hang together; meanwhile a key is written at one \
of them and read at all.
- **With plain peers**: these are a double of the deployed nodes, in the process that measures; \
what it receives is counted as payload of WebSocket frames. For each key: 100 writes, 50 ms \
apart, at four nodes in turn; heartbeats and rounds of that time included. Among plain peers: 100 \
keys written at one of five, counted for a minute. Ties are seen when chance has the plain peer \
draw the key, or at the next fetch: until then nobody but that peer knows.
- **Frames, entries**: made before the clock starts, sent from a socket as fast as the node reads, \
until the node's counter says that all were applied. Processor time is that of the whole node, \
writing behind included.
- **One node in several processes**: a Redis-compatible server of its own, everything on this \
machine. Processor time is that of all its processes, the server included. Aims are those of five \
embedded nodes, twice. The write after `kill -9` is tried again and again at one web process.
- **Longest answer**: asked every few milliseconds while another process sends 40,000 frames.
- **100,000 keys**: another process asks for `/gossip/health` every few milliseconds meanwhile; \
the longest answer is what the event loop was held for, and a wait for one of two busy cores.
- **Admin**: the slowest of 20 looks at each page, logged in, once all entries are on disk.
- **Repair**: the real core in virtual time, on a link of 50 ms each way; values of 200 bytes. \
Differences appear at random ends, and the next round finds them. Bytes and frames are those of \
both directions, the round included, with node ids of 66 characters. "Missing": entries that the \
other end lacks; "changed": a newer version of an entry that both hold, which makes two \
differences of the sets, and the aim is twice as high. Processor time is that of both nodes and \
the simulator, sending the entries included.
- **Clusters in simulation**: all nodes start within two seconds, each as it would anywhere; then \
a minute at rest, 100 writes at five random nodes by turns, looked for every 5 ms, and six ends of \
random nodes, by turns of the process and of the host, looked for on every list every 50 ms. \
Copies: frames that carry the write, for each node. Frames count with 60 bytes of headers. Figures \
that miss their aim are bold.
- **Memory for each key**: 50,000 keys of some 10 bytes, once all is written behind. For each \
member: 2,000 of whom twenty peers tell, with ids of 66 characters, as `tracemalloc` counts it in \
the process that measures.
"""


def table(figures: Figures) -> Iterator[str]:
    """Markdown lines: the topics of which something was measured."""
    for topic, targets in TARGETS.items():
        measured = [target for target in targets if target.figure in figures]
        if measured:
            yield f"\n## {topic}\n"
            yield "| what | measured | range | aim | met | deployed nodes |"
            yield "|---|---|---|---|---|---|"
            yield from (_row(target, figures[target.figure]) for target in measured)


class Records(NamedTuple):
    """What long runs have kept on record."""

    clusters: Sequence[Run] = ()
    detected: Sequence[detecting.Run] = ()
    parted: Sequence[splitting.Run] = ()
    soaks: Sequence[Line] = ()


def document(figures: Figures, machine: str, records: Records) -> str:
    """The whole file."""
    runs = min(map(len, figures.values()))
    parts = [
        INTRODUCTION.format(runs=runs, machine=machine),
        *table(figures),
        *repairing.table(figures),
    ]
    simulated = [sizes.section(records.clusters)]
    if records.detected:
        simulated.append(detector.section(records.detected))
    if records.parted:
        simulated.append(split.section(records.parted))
    parts += [f"\n{text.rstrip()}" for text in simulated]
    return "\n".join([*parts, MISSED, METHOD, section(records.soaks)])


def _row(target: Target, values: Sequence[float]) -> str:
    median = statistics.median(values)
    write = target.unit.write
    aim = "" if target.aim is None else "at least " * target.at_least + write(target.aim)
    verdict = {True: "yes", False: "**missed**", None: ""}[target.met(median)]
    cells = (
        target.what,
        write(median),
        f"{write(min(values))} – {write(max(values))}",
        aim,
        verdict,
        target.deployed,
    )
    return "| " + " | ".join(cells) + " |"
