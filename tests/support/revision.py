"""Which state of the code a proof is about."""

import ast
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def revision(*paths: str, root: Path = ROOT) -> str:
    """The last commit that changed what these paths do, marked when the tree differs from them."""
    return revisions(*paths, root=root)[0]


def revisions(*paths: str, root: Path = ROOT) -> list[str]:
    """The same, and all commits since that touched these paths.

    These changed nothing but comments and docstrings, which do nothing: to mend them does not make
    hours of proofs a matter of the past. `paths` as Git takes them, in the repository at `root`.
    Raises `ValueError` where they name nothing that was ever committed.
    """
    commits = git(root, "log", "--format=%h", "--", *paths).split()
    if not commits:
        raise ValueError(f"no commit touched {', '.join(paths)}")
    if git(root, "status", "--porcelain", "--", *paths):
        return [f"{commits[0]}+changes"]
    last = next(at for at, commit in enumerate(commits) if _changes_code(root, commit, paths))
    return commits[last::-1]


def _changes_code(root: Path, commit: str, paths: tuple[str, ...]) -> bool:
    """Whether this commit changed more than words below these paths. So does the first of all."""
    show = ("diff-tree", "--no-commit-id", "--no-renames", "-r", "--name-status")
    changed = git(root, *show, commit, "--", *paths).splitlines()
    for status, name in (line.split("\t") for line in changed):
        if status != "M" or not name.endswith(".py"):
            return True
        if _code(root, f"{commit}^", name) != _code(root, commit, name):
            return True
    return not changed


def _code(root: Path, commit: str, name: str) -> str:
    """What is executed of this file at a commit: its syntax tree without texts that stand alone."""
    tree = ast.parse(git(root, "show", f"{commit}:{name}"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def git(root: Path, *arguments: str) -> str:
    """What Git says of the repository at `root`, whichever one we were started by."""
    run = subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    )
    return run.stdout.strip()
