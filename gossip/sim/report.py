"""What a study found, for people: lines of text, and a picture of its curves."""

import statistics
from collections.abc import Iterator, Sequence
from html import escape

from gossip.sim.study import HEADERS, LOOK, LOOK_AT_LISTS, Plan, Study

_WIDTH, _HEIGHT, _MARGIN = 640, 320, 48
_SHARES = 0.5, 0.9, 0.99, 1.0
_COLOURS = ("#0b6e4f", "#b5402a", "#2a5db0")


def lines(plan: Plan, study: Study) -> Iterator[str]:
    """The figures, with what they mean."""
    conditions = plan.conditions
    for_good = " for good" if conditions.loss and conditions.resend is None else ""
    yield (
        f"{plan.nodes} nodes, {conditions.latency * 1e3:g} to"
        f" {(conditions.latency + conditions.jitter) * 1e3:g} ms from one to another,"
        f" {_percent(conditions.loss)} of the frames lost{for_good}, seed {plan.seed}"
    )
    formed = "not in time" if study.formed is None else f"{study.formed:.1f} s after the last start"
    yield f"  all list all: {formed}"
    if study.settled is None:
        yield "  then traffic fell for more than five minutes, and was not at rest yet"
    else:
        yield f"  at rest {study.settled:.0f} s later"
    yield f"  links of a node: {min(study.links)} to {max(study.links)}"
    yield (
        f"  at rest each node sends {study.frames:.1f} frames and {study.bytes:,.0f} bytes a second"
        f" ({HEADERS} bytes of headers for each frame included)"
    )
    if plan.churn:
        yield f"  nodes that crashed and came back meanwhile: {study.crashes}"
    yield from _written(study)
    yield _spread("end of a process seen on a list", study.noticed, study.missed)
    yield _spread("end of a host seen on a list", study.hosts_noticed, study.hosts_missed)
    if missed := study.missed + study.hosts_missed:
        yield f"  lists on which a dead node stayed active: {missed}"
    yield _spread("either off a list", study.gone)
    yield (
        f"  nodes that ran: suspected {study.suspected} times on some list,"
        f" removed {study.removed} times"
    )
    yield (
        f"  looked for writes every {LOOK * 1e3:g} ms, at lists every {LOOK_AT_LISTS * 1e3:g} ms:"
        " times are exact to that"
    )


def _written(study: Study) -> Iterator[str]:
    if not study.everywhere:
        return
    done = [time for time in study.everywhere if time is not None]
    yield _spread("a write is at a node", study.coverage)
    late = len(study.everywhere) - len(done)
    everywhere = f"{statistics.median(done) * 1e3:.0f} ms in the median" if done else "never"
    yield f"  a write is everywhere after {everywhere}" + (f", {late} were not" if late else "")
    for share in _SHARES:
        reached = study.reached(share)
        when = "never" if reached is None else f"after {_time(reached)}"
        yield f"    at {share:4.0%} of the nodes {when} in the median"
    if arrived := study.hops.total():
        hops = (f"{away} for {of / arrived:.1%}" for away, of in sorted(study.hops.items()))
        yield f"  hops from the writer to a node: {', '.join(hops)}"
    yield f"  it comes to a node {study.copies:.1f} times"


def _spread(what: str, times: Sequence[float], never: int = 0) -> str:
    if not times:
        return f"  {what}: {'never' if never else 'not measured'}"
    ordered = sorted(times)
    p99 = ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
    return (
        f"  {what}: {_time(statistics.median(ordered))} in the median, {_time(p99)} in 99 of 100"
        f" cases, {_time(ordered[-1])} at most"
    )


def _percent(share: float) -> str:
    return f"{share * 100:g}%"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def picture(plan: Plan, study: Study) -> str:
    """The shares of nodes that know of something after some time, as SVG."""
    curves = {
        "a write has arrived": (study.coverage, len(study.arrivals) * study.nodes),
        "the end of a process is seen": (study.noticed, len(study.noticed) + study.missed),
        "the end of a host is seen": (
            study.hosts_noticed,
            len(study.hosts_noticed) + study.hosts_missed,
        ),
    }
    longest = max((max(times) for times, _ in curves.values() if times), default=1.0)
    title = f"{plan.nodes} nodes, {_percent(plan.conditions.loss)} loss, seed {plan.seed}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}">',
        f"<title>{escape(title)}</title>",
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_MARGIN}" y="20">{escape(title)}: share of the nodes over time</text>',
        *_axes(longest),
    ]
    for number, (name, (times, of)) in enumerate(curves.items()):
        if of:
            colour = _COLOURS[number]
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in _points(times, of, longest))
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            )
            y = _HEIGHT - _MARGIN - 12 - 18 * (len(curves) - 1 - number)
            parts.append(
                f'<text x="{_WIDTH - _MARGIN}" y="{y}" text-anchor="end" fill="{colour}">'
                f"{escape(name)}</text>"
            )
    return "\n".join([*parts, "</svg>\n"])


def _axes(longest: float) -> Iterator[str]:
    bottom, right = _HEIGHT - _MARGIN, _WIDTH - _MARGIN
    yield (
        f'<path d="M{_MARGIN} {_MARGIN} V{bottom} H{right}" fill="none" stroke="black"/>'
        f'<text x="{_MARGIN - 6}" y="{_MARGIN + 4}" text-anchor="end">100 %</text>'
        f'<text x="{_MARGIN - 6}" y="{bottom}" text-anchor="end">0</text>'
    )
    for part in (0.25, 0.5, 0.75, 1.0):
        x = _MARGIN + part * (right - _MARGIN)
        label = escape(_time(part * longest))
        yield f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="middle">{label}</text>'


def _points(times: Sequence[float], of: int, longest: float) -> Iterator[tuple[float, float]]:
    """A step for every two hundredth of the times; `of` are all, those included that never came."""
    ordered = sorted(times)
    across, up = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    yield _MARGIN, _HEIGHT - _MARGIN
    for place in range(0, len(ordered), max(1, len(ordered) // 200)):
        yield _MARGIN + across * ordered[place] / longest, _HEIGHT - _MARGIN - up * (place + 1) / of
    highest = _HEIGHT - _MARGIN - up * len(ordered) / of
    if ordered:
        yield _MARGIN + across * ordered[-1] / longest, highest
    yield _MARGIN + across, highest
