"""Which state of the code a proof is about."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def revision(*paths: str) -> str:
    """The last commit that touched these paths, marked when the tree differs from it."""
    commit = _git("log", "-1", "--format=%h", "--", *paths)
    return f"{commit}+changes" if _git("status", "--porcelain", "--", *paths) else commit


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
