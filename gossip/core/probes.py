"""Asking members whether they are there, so that who fails is found in seconds (M4).

Theory of operation. Once a period the next member of a shuffled list is asked by `ping` on its
link; any frame of its own since then is an answer. If none came in time, up to three others are
asked to ask it (`ping-req`): an `ack` of theirs ends the probe, and a `nack` says that they hear
us and not the member. Then it is suspected. Where no helper could ask it, since in a crowd few are
linked to any one member, it is dialed anew: a connection that is stuck in repeating what was lost,
or that something on the way forgot, is not its failure. Who hears that a peer suspects a member
asks it as well, at once. From the first question on, in units of the time that an answer has:

    0 ──ping──▶ 1 ──ping, ping-req──▶ 2 ──a helper asked in vain──▶ suspected
                │                     └──none did──ping, dial──▶ 4 ──▶ suspected
                └──nobody to help──ping, dial──▶ 3 ──▶ suspected
    0 ──a peer suspects it: ping──▶ 2 ──▶ suspected

A node that is slow itself must not accuse others. So it measures its *self-doubt* (the local health
multiplier of Lifeguard): up for each helper of a failed probe that said neither `ack` nor `nack`,
a little for suspicions of ourselves, and for timers that came late; down for a probe that was
answered. Period and time-outs grow with it, and what was asked before a timer came late is
asked again.

    Das, Gupta, Motivala: SWIM (2002), sections 3.1 and 4.3.
    Dadgar, Phillips, Currey: Lifeguard (2017), section IV-A (local health) and nacks.
"""

from enum import Enum

import msgspec

from gossip.core import exchanges
from gossip.core.contacts import Contacts
from gossip.core.context import Context, following
from gossip.core.events import LinkId
from gossip.core.links import Link
from gossip.core.members import Status
from gossip.core.patience import Patience
from gossip.core.pings import Pings
from gossip.core.roster import Roster

PERIOD_TIMER = "probe"
ANSWER_TIMER = "probe-answer"

HELPERS = 3
"""Members asked to ask (SWIM, section 3.1)."""
WORST = 8
"""The greatest self-doubt (Lifeguard)."""
BLAMED = 2
"""Up to here others may make us doubt ourselves by suspecting us: a liar must not blind us."""


class _Phase(Enum):
    ASKED = "asked"
    """The member was asked."""
    HELPED = "helped"
    """It did not answer in time, and others were asked to ask it."""
    LAST = "last"
    """No helper could ask it, so we look further; or somebody suspects it already. What comes next
    is the verdict."""


class _Probe(msgspec.Struct):
    """A member that we ask for ourselves."""

    node_id: str
    seq: int
    asked_at: float
    """Monotonic seconds."""
    deadline: float
    phase: _Phase
    accused: bool
    """We ask because a peer suspects it."""
    sent: bool
    """We could send the question."""
    helpers: frozenset[LinkId] = frozenset()
    silent: set[LinkId] = msgspec.field(default_factory=set)
    """Helpers that said nothing yet."""
    confirmed: bool = False
    """A helper asked, and had no answer."""


class Probes:
    """Asks members for ourselves, and judges by the answers."""

    def __init__(self, context: Context, roster: Roster, contacts: Contacts, pings: Pings) -> None:
        self._context = context
        self._config = context.config
        self._patience = Patience(context.config)
        self._links = context.links
        self._roster = roster
        self._contacts = contacts
        self._pings = pings
        self._probes: dict[str, _Probe] = {}
        """By node id."""
        self._turn: list[str] = []
        """Members to be asked before the list is shuffled anew."""
        self._period_due = 0.0
        self._answer_due = 0.0
        self._late_at: float | None = None
        self.self_doubt = 0
        """How much we doubt ourselves: 0 … 8."""

    def start(self) -> float:
        """Begin, not all nodes at the same moment. Returns in how many seconds."""
        first = self._context.rng.uniform(0, self._config.probe_interval)
        self._period_due = self._context.now.monotonic + first
        self._context.set_timer(PERIOD_TIMER, first)
        return first

    # Asking for ourselves

    def next_period(self) -> None:
        """Ask the next member that was silent for a period."""
        node_id = self._next()
        if node_id is not None:
            self._ask(node_id)
        if self._is_late(self._period_due):
            self._were_late()
        elif node_id is None:
            # Everybody is heard of without being asked.
            self._judge_ourselves(-1)
        self._rest(self.self_doubt + 1)

    def _rest(self, periods: int) -> None:
        now, interval = self._context.now.monotonic, self._config.probe_interval
        self._period_due = following(self._period_due, interval, now, periods)
        self._context.set_timer(PERIOD_TIMER, self._period_due - now)

    def _next(self) -> str | None:
        since = self._context.now.monotonic - self._config.probe_interval
        for _ in range(2):
            while self._turn:
                node_id = self._turn.pop()
                if node_id not in self._probes and self._is_silent(node_id, since):
                    return node_id
            self._turn = [link.peer for link in self._links.best() if link.extended and link.peer]
            self._context.rng.shuffle(self._turn)
        return None

    def doubt(self, node_id: str) -> None:
        """A peer suspects a member that we hold a link to: see for ourselves (M2)."""
        if node_id not in self._probes and self._pings.link_to(node_id) is not None:
            self._ask(node_id, accused=True)

    def were_suspected(self) -> None:
        """Somebody suspected us, who live: perhaps we are slow."""
        if self.self_doubt < BLAMED:
            self._judge_ourselves(+1)

    def _ask(self, node_id: str, *, accused: bool = False) -> None:
        number, now = self._pings.number(), self._context.now.monotonic
        if not accused:
            # The accused are no sample: they are more often those who answer late.
            self._patience.asked(number, node_id, now)
        self._probes[node_id] = _Probe(
            node_id=node_id,
            seq=number,
            asked_at=now,
            deadline=now + self.timeout * (2 if accused else 1),
            phase=_Phase.LAST if accused else _Phase.ASKED,
            accused=accused,
            sent=self._pings.ask(node_id, number),
        )
        self._await_answers()

    @property
    def timeout(self) -> float:
        """Seconds that an answer has now.

        Where all link to all, helpers can ask and a wrong suspicion is one frame to each: there it
        is not worth waiting for late answers.
        """
        patience = self._patience
        seconds = patience.seconds if self._context.members.crowded else patience.least
        return seconds * (self.self_doubt + 1)

    def _is_silent(self, node_id: str, since: float) -> bool:
        """Whether there is a link to it and none carried a frame since then."""
        return bool(self._links.to(node_id)) and not self._pings.is_heard(node_id, since)

    # Answers

    def _await_answers(self) -> None:
        """Look again when the next one is due."""
        deadlines = [probe.deadline for probe in self._probes.values()]
        # With none due, at a moment when we are awake anyway.
        self._answer_due = min(deadlines, default=self._period_due)
        self._context.set_timer(ANSWER_TIMER, self._answer_due - self._context.now.monotonic)

    def look(self) -> None:
        """See who answered in time."""
        now = self._context.now.monotonic
        if self._probes and self._is_late(self._answer_due):
            self._ask_again()
        for probe in list(self._probes.values()):
            if now >= probe.deadline:
                self._settle(probe)
        if self._probes:
            self._await_answers()
        else:
            # Nothing is due, so nothing that comes after this is late.
            self._answer_due = self._period_due

    def _ask_again(self) -> None:
        """It was us who were away: answers may lie in front of us, unread."""
        self._were_late()
        for node_id, probe in list(self._probes.items()):
            self._ask(node_id, accused=probe.accused)

    def _settle(self, probe: _Probe) -> None:
        """Its time is over: it answered, or helpers are asked, or it failed."""
        if not self._links.to(probe.node_id):
            # Its link broke meanwhile, which is judged for itself.
            del self._probes[probe.node_id]
        elif self._is_heard(probe):
            self._answered(probe)
        elif probe.phase is _Phase.ASKED and self._ask_helpers(probe):
            probe.phase = _Phase.HELPED
            probe.deadline += self.timeout
            probe.sent = self._pings.ask(probe.node_id, probe.seq) or probe.sent
        elif probe.phase is _Phase.LAST or probe.confirmed:
            self._failed(probe)
        else:
            self._look_further(probe)

    def _is_heard(self, probe: _Probe) -> bool:
        """Whether it spoke since it was asked, be it on a link that is closed again (L2)."""
        member = self._context.members.get(probe.node_id)
        spoke = member is not None and member.silent_since > probe.asked_at
        return spoke or self._pings.is_heard(probe.node_id, probe.asked_at)

    def _look_further(self, probe: _Probe) -> None:
        """No helper could ask it: is it the member that is silent, or our link to it?"""
        probe.phase = _Phase.LAST
        probe.deadline += 2 * self.timeout
        probe.sent = self._pings.ask(probe.node_id, probe.seq) or probe.sent
        member = self._context.members.get(probe.node_id)
        if member is not None and member.status is Status.ACTIVE:
            self._contacts.dial_anew(member)

    def _ask_helpers(self, probe: _Probe) -> bool:
        """Ask others to ask it. False where there is nobody to help."""
        others = [
            link
            for link in self._links.best()
            if link.extended and link.peer != probe.node_id and link.blocked_since is None
        ]
        # Those heard from last: who fell silent as well could not help, and would not say so.
        self._context.rng.shuffle(others)
        others.sort(key=lambda link: -link.received)
        chosen = others[:HELPERS]
        probe.helpers = frozenset(link.id for link in chosen)
        probe.silent = set(probe.helpers)
        self._context.send(chosen, exchanges.ping_request(probe.seq, probe.node_id))
        return bool(chosen)

    def _answered(self, probe: _Probe) -> None:
        del self._probes[probe.node_id]
        if not probe.accused:
            self._judge_ourselves(-1)

    def _failed(self, probe: _Probe) -> None:
        del self._probes[probe.node_id]
        # Who hears nothing from the helpers either may be the one who is deaf.
        self._judge_ourselves(len(probe.silent))
        member = self._context.members.get(probe.node_id)
        asked = probe.sent or probe.confirmed
        if asked and member is not None and member.status is Status.ACTIVE:
            self._context.stats.probes_failed += 1
            self._roster.suspect(member, "it does not answer")

    def _is_late(self, due: float) -> bool:
        bound = self._patience.least * (self.self_doubt + 1) / 2
        return self._context.now.monotonic - due > bound

    def _were_late(self) -> None:
        """A timer came late; of several at the same moment one tells it all."""
        self._patience.forget()
        now = self._context.now.monotonic
        if now != self._late_at:
            self._late_at = now
            self._judge_ourselves(+1)

    def _judge_ourselves(self, change: int) -> None:
        self.self_doubt = max(0, min(WORST, self.self_doubt + change))

    def acked(self, link: Link, seq: int) -> None:
        """A member answers that we asked, or a helper has reached one."""
        if self._is_late(min(self._period_due, self._answer_due)):
            # The answer may have been there for long; the timer that comes now judges us for it.
            self._patience.forget()
        self._patience.answered(seq, link.peer or "", self._context.now.monotonic)
        for probe in list(self._probes.values()):
            # Who is accused is not asked again at once: everybody else may accuse it, too.
            itself = link.peer == probe.node_id and not probe.accused
            if probe.seq == seq and (itself or link.id in probe.helpers):
                self._answered(probe)
                self._await_answers()

    def nacked(self, link: Link, seq: int, *, asked: bool) -> None:
        """A helper hears us, and not the member; or it could not ask it."""
        for probe in self._probes.values():
            if probe.seq == seq and link.id in probe.helpers:
                probe.silent.discard(link.id)
                probe.confirmed = probe.confirmed or asked
                if probe.phase is _Phase.HELPED and not (probe.silent or probe.confirmed):
                    # None of them is linked to it, as it happens in a crowd: why wait for them?
                    self._look_further(probe)
