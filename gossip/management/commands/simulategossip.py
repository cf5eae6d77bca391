"""`manage.py simulategossip`: a cluster that does not exist yet, in virtual time."""

import math
import os
import re
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gossip import conf
from gossip.core.config import Limits
from gossip.core.errors import ConfigurationError
from gossip.sim.conditions import Conditions
from gossip.sim.report import lines, picture
from gossip.sim.study import Plan, study

PRESETS = {
    "local": Conditions(latency=0.000_05, jitter=0.000_1),
    "lan": Conditions(latency=0.000_5, jitter=0.001),
    "wan": Conditions(latency=0.04, jitter=0.02),
}
"""One machine, one site, several sites."""
RESEND = 0.2
"""Seconds after which TCP sends again what was lost, at least."""
SETTINGS = (
    *("interval", "heartbeat_interval", "probe_interval", "suspicion_timeout", "cleanup_timeout"),
    "fanout",
)
"""Fields of `Config`, set and checked as the variables `GOSSIP_…` of these names."""


class Command(BaseCommand):
    """Simulates a cluster and says how it fares."""

    help = (
        "Simulate a cluster of real nodes in virtual time, and print how long it takes to form,"
        " what it sends at rest, how writes spread, and how soon failures are seen: to choose"
        " intervals and time-outs before there is a cluster."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Times in milliseconds, like the variables."""
        plan = Plan()
        parser.add_argument(
            "--nodes",
            type=int,
            default=plan.nodes,
            help=f"3 to {Limits().members} (default: %(default)s)",
        )
        parser.add_argument("--seed", type=int, default=plan.seed, help="chooses all chances")
        parser.add_argument(
            "--preset", choices=PRESETS, default="lan", help="the network (default: %(default)s)"
        )
        parser.add_argument("--latency", type=float, help="ms from one node to another, at least")
        parser.add_argument("--jitter", type=float, help="ms that may be added to it")
        parser.add_argument(
            "--loss",
            type=float,
            default=0.0,
            help="share of the frames lost, 0 to 1; sent again later",
        )
        parser.add_argument(
            "--no-resend",
            action="store_true",
            help="what is lost stays lost: harsher than TCP, and shows what repair takes",
        )
        parser.add_argument(
            "--churn", type=float, default=plan.churn, help="nodes a minute that crash and return"
        )
        parser.add_argument(
            "--quiet-seconds",
            type=float,
            default=plan.quiet,
            help="watched at rest (default: %(default)s)",
        )
        parser.add_argument(
            "--writes", type=int, default=plan.writes, help="keys (default: %(default)s)"
        )
        parser.add_argument(
            "--kills",
            type=int,
            help=f"nodes that are ended (default: {plan.kills}, or all but two)",
        )
        for field in SETTINGS:
            unit = "" if field == "fanout" else "ms, "
            parser.add_argument(_flag(field), help=f"{unit}as {_variable(field)}")
        parser.add_argument("--picture", type=Path, help="SVG file for the curves")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Simulate, with progress on standard error and the figures on standard output."""
        plan = _plan(options)
        began = time.monotonic()

        def tell(line: str) -> None:
            self.stderr.write(f"{time.monotonic() - began:6.1f} s  {line}")

        result = study(plan, tell)
        self.stdout.write("\n".join(lines(plan, result)))
        if options["picture"] is not None:
            try:
                options["picture"].write_text(picture(plan, result))
            except OSError as error:
                raise CommandError(f"{options['picture']}: {error.strerror}") from error


def _plan(options: dict[str, Any]) -> Plan:
    preset = PRESETS[options["preset"]]
    for name in ("latency", "jitter", "churn", "quiet_seconds", "writes", "kills"):
        if options[name] is not None and not 0 <= options[name] < math.inf:
            raise CommandError(f"{_flag(name)} must be a number that is not negative")
    if not 3 <= options["nodes"] <= Limits().members:
        raise CommandError(f"--nodes must be 3 to {Limits().members}")
    if not 0 <= options["loss"] < 1:
        raise CommandError("--loss must be at least 0 and less than 1")
    most = options["nodes"] - 2
    kills = min(Plan().kills, most) if options["kills"] is None else options["kills"]
    if kills > most:
        raise CommandError(f"--kills {kills} must leave two of {options['nodes']} nodes")
    _check_picture(options["picture"])
    latency, jitter = options["latency"], options["jitter"]
    return Plan(
        nodes=options["nodes"],
        seed=options["seed"],
        conditions=Conditions(
            latency=preset.latency if latency is None else latency / 1_000,
            jitter=preset.jitter if jitter is None else jitter / 1_000,
            loss=options["loss"],
            resend=None if options["no_resend"] else RESEND,
        ),
        settings=_settings(options),
        quiet=options["quiet_seconds"],
        churn=options["churn"],
        writes=options["writes"],
        kills=kills,
    )


def _check_picture(path: Path | None) -> None:
    """Better before the simulation than after it."""
    if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandError(f"{path}: cannot be written")


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    """What a node would make of these settings, or refuse at its start."""
    given = {field: options[field] for field in SETTINGS if options[field] is not None}
    environ = {_variable(field): str(value) for field, value in given.items()}
    try:
        config = conf.load(environ, Path.cwd()).core("", "")
    except ConfigurationError as error:
        # The line names variables, where options were given.
        raise CommandError(
            re.sub(r"GOSSIP_(\w+)", lambda name: _flag(name[1].lower()), str(error))
        ) from None
    return {field: getattr(config, field) for field in given}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(field: str) -> str:
    return f"GOSSIP_{field.upper()}"
