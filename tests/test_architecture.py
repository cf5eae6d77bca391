"""Who may import whom, read from the sources: a layer knows what is below it, and nothing else."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "gossip").rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "asgi": set(),
    "redis_url": set(),
    "kinds": {"core", "redis_url"},
    "database_url": {"kinds"},
    "variables": {"core", "database_url", "kinds"},
    "loopback": set(),
    "conf": {"core", "database_url", "kinds", "loopback", "variables"},
    "databases": {"core", "database_url", "stores"},
    "secret": {"conf"},
    "checks": {"conf"},
    "apps": {"checks"},
    "columns": set(),
    "models": {"columns", "core"},
    "migrations": set(),
    "runtime": {"asgi", "core"},
    "sim": {"core"},
    "transport": {"asgi", "core", "runtime", "conf", "kinds", "loopback"},
    "stores": {"columns", "core", "runtime", "models", "redis_url"},
    "relay": {"core", "runtime", "stores"},
    "services": {"core", "runtime", "transport", "stores"},
    "api": {"asgi", "core", "conf", "loopback", "services"},
    "dashboard": {"core", "services"},
    "admin": {"core", "models", "services", "dashboard"},
    # The composition root, and the commands that start it.
    "launch": {"admin", "core", "conf", "runtime", "transport", "stores"},
    "scaled": {"admin", "core", "conf", "launch", "relay", "runtime", "transport", "stores"},
    "management": {"core", "conf", "services", "launch", "scaled", "runtime", "sim", "stores"},
}
"""For each layer, module or package of `gossip`: the other layers that it may import."""

THIRD_PARTY_OF_CORE = {"msgspec", "rfc8785"}
IMPURE = {
    *("asyncio", "concurrent", "datetime", "io", "logging", "multiprocessing", "os", "pathlib"),
    *("secrets", "selectors", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile"),
    *("threading", "time"),
}
"""Of the standard library: what reads a clock, does I/O or makes randomness of its own."""
PURE_PART = {"random": {"Random"}, "uuid": {"UUID"}}
"""Modules of which the core may use these names only: the others draw from a global source."""


def layer(path: Path) -> str:
    return path.relative_to(ROOT / "gossip").parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Every imported name in full: `gossip.core.config.Config` for a `from` import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def upward(tree: ast.AST, importer: str) -> list[str]:
    """Imports that this layer may not have."""
    allowed = MAY_IMPORT[importer] | {importer, "__version__"}
    own = (name for name in imports(tree) if name.startswith(("gossip.", "gossipnode")))
    return [
        name for name in own if name.startswith("gossipnode") or name.split(".")[1] not in allowed
    ]


def impure(tree: ast.AST) -> list[str]:
    """What the core must not use: I/O, clocks, global randomness, packages but its two."""
    found = []
    for name in imports(tree):
        top, _, rest = name.partition(".")
        foreign = top not in sys.stdlib_module_names | THIRD_PARTY_OF_CORE | {"gossip"}
        if foreign or top in IMPURE or (rest and rest not in PURE_PART.get(top, {rest})):
            found.append(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, attribute = node.value.id, node.attr
            if attribute not in PURE_PART.get(module, {attribute}):
                found.append(f"{module}.{attribute}")
        elif isinstance(node, ast.Name) and node.id in {"open", "print", "input"}:
            found.append(node.id)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    if path.parent == ROOT / "gossip" and path.name == "__init__.py":
        assert list(imports(ast.parse(path.read_text()))) == []
    else:
        assert upward(ast.parse(path.read_text()), layer(path)) == []


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if layer(path) == "core"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_core_has_no_clock_no_randomness_and_no_io(path: Path) -> None:
    assert impure(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("source", "importer"),
    [
        ("import gossip.runtime.driver", "core"),
        ("from gossip import services", "runtime"),
        ("from gossip.runtime import driver", "sim"),
        ("def late():\n    from gossip.stores import journal", "api"),
        ("import gossipnode.settings", "launch"),
    ],
)
def test_an_upward_import_is_found(source: str, importer: str) -> None:
    assert len(upward(ast.parse(source), importer)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from datetime import datetime",
        "import asyncio",
        "from django.conf import settings",
        "import random\nrandom.random()",
        "from random import choice",
        "import uuid\nuuid.uuid4()",
        "open('x')",
    ],
)
def test_an_impure_core_is_found(source: str) -> None:
    assert len(impure(ast.parse(source))) == 1


def test_injected_randomness_is_pure() -> None:
    source = "import random\nfrom random import Random\ndef f(rng: random.Random): rng.random()"
    assert impure(ast.parse(source)) == []
