"""The manual's tables and `.env.example` say what the code says."""

import ast
import importlib
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gossip.conf import load
from gossip.core.config import Config, Limits
from gossip.variables import VARIABLES, Variable

ROOT = Path(__file__).parent.parent
MANUAL = (ROOT / "docs" / "configuration.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below this heading, without its head."""
    section = MANUAL.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def expected(variable: Variable[Any]) -> list[str]:
    default = f"`{variable.default}`" if variable.default else variable.unset
    return [
        f"`{variable.name}`",
        variable.unit,
        default,
        variable.kind.allowed,
        variable.description,
        variable.source,
    ]


def constants() -> list[tuple[str, str]]:
    """Fields of `Config` that no variable sets, and all limits, with their defaults as written."""
    given = load({"GOSSIP_BOOTSTRAP_PEERS": "ws://a/ws"}, Path("/")).core("id", "key")
    everything_else = load(_other_values(), Path("/")).core("other id", "other key")
    fields = [
        (field.name, field.default)
        for field in msgspec.structs.fields(Config)
        if field.name != "limits"
        and getattr(given, field.name) == getattr(everything_else, field.name)
    ]
    fields += [(f"limits.{field.name}", field.default) for field in msgspec.structs.fields(Limits)]
    return [(f"`{name}`", f"`{_written(value)}`") for name, value in fields]


def _written(value: object) -> str:
    match value:
        case tuple():
            return ", ".join(value)
        case float():
            return f"{value:g}"
    return str(value)


def _other_values() -> dict[str, str]:
    return {
        "PUBLIC_URL": "http://other",
        "GOSSIP_PUBLIC_URL": "none",
        "GOSSIP_REGION": "other",
        "GOSSIP_BOOTSTRAP_PEERS": "ws://b/ws",
        "GOSSIP_INTERVAL": "11",
        "GOSSIP_FANOUT": "11",
        "GOSSIP_MAX_TTL": "11",
        "GOSSIP_HEARTBEAT_INTERVAL": "11",
        "GOSSIP_SUSPICION_TIMEOUT": "12",
        "GOSSIP_CLEANUP_TIMEOUT": "13",
        "GOSSIP_PROBE_INTERVAL": "11",
        "GOSSIP_MAX_MESSAGE_HISTORY": "11",
        "GOSSIP_MAX_CLOCK_SKEW": "1001",
        "GOSSIP_TOMBSTONE_GRACE": "60001",
    }


def test_the_table_of_variables_is_the_one_of_the_code() -> None:
    assert rows("Variables") == [expected(variable) for variable in VARIABLES]


def test_the_table_of_constants_names_each_with_its_default() -> None:
    assert [(row[0], row[2]) for row in rows("Constants")] == constants()


RULES, CONNECTIONS, WATCHING = TABLES = (
    "Constants of the rules",
    "Constants of connections",
    "Constants of watching and of the page",
)


@pytest.mark.parametrize("heading", ["Constants", *TABLES])
def test_every_constant_has_a_meaning_and_a_source(heading: str) -> None:
    assert [row for row in rows(heading) if len(row) != 5 or not (row[3] and row[4])] == []


WIRE = {
    "gossip.core.entries.MAX_VERSION",
    "gossip.core.packing.CELL",
    "gossip.core.packing.ELEMENT",
    "gossip.core.packing.ITEM",
    "gossip.core.roots.MODULUS",
    "gossip.core.values.MAX_SAFE_INTEGER",
}
"""Numbers that are the wire's: section 10 has them."""


def test_every_public_number_of_the_core_is_in_the_table_or_on_the_wire() -> None:
    documented = {row[0].strip("`") for row in rows(RULES)}
    public = {name for name in numbers() if "._" not in name}
    assert public - documented == WIRE


def numbers() -> Iterator[str]:
    """The dotted names of the numbers that modules of the core define."""
    for path in (ROOT / "gossip" / "core").glob("*.py"):
        module = f"gossip.core.{path.stem}"
        for names in re.findall(r"^([A-Z_][A-Z_, ]*)(?:: \w+)? = ", path.read_text(), re.MULTILINE):
            for name in names.split(", "):
                if type(getattr(importlib.import_module(module), name)) in (int, float):
                    yield f"{module}.{name}"


def test_every_number_elsewhere_that_names_a_rule_is_in_the_table() -> None:
    documented = {row[0].strip("`") for row in rows(CONNECTIONS)}
    assert set(numbers_of_rules()) <= documented


def numbers_of_rules() -> Iterator[str]:
    """The dotted names of the public numbers beside the core whose docstring names a rule."""
    for path in (ROOT / "gossip").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if module.startswith("gossip.core."):
            continue
        for assigned, told in pairwise(ast.parse(path.read_text()).body):
            match assigned, told:
                case (
                    ast.Assign(targets=[ast.Name(name)], value=ast.Constant(int() | float()))
                    | ast.AnnAssign(target=ast.Name(name), value=ast.Constant(int() | float())),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ) if name[0] != "_" and re.search(r"\b[A-Z]\d\b", text):
                    yield f"{module}.{name}"


@pytest.mark.parametrize(
    "row", [row for table in TABLES for row in rows(table)], ids=lambda row: row[0]
)
def test_constants_of_modules_have_the_values_of_the_code(row: list[str]) -> None:
    module, _, name = row[0].strip("`").rpartition(".")
    assert row[2] == f"`{_written(getattr(importlib.import_module(module), name))}`"


def test_the_example_holds_every_variable_with_its_default() -> None:
    lines = re.findall(r"^#([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE)
    assert lines == [
        (variable.name, variable.default.replace("<PORT>", "3001"))
        for variable in VARIABLES
        if not variable.name.startswith("P2P_")
    ]


@pytest.mark.parametrize("name", re.findall(r"^#(\w+)=", EXAMPLE, re.MULTILINE))
def test_each_line_of_the_example_can_be_uncommented(name: str) -> None:
    uncommented = re.findall(rf"^#{name}=(.*)$", EXAMPLE, re.MULTILINE)[0]
    assert load({name: uncommented}, Path("/")).warnings == ()
