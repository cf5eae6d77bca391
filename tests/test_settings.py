"""The project's settings module, in processes of its own: what an operator sees."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gossip.variables import VARIABLES

ROOT = Path(__file__).parent.parent
OURS = {variable.name for variable in VARIABLES}


def run(cwd: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in OURS}
    return subprocess.run(
        [sys.executable, *command],
        check=False,
        cwd=cwd,
        env=inherited | environ,
        text=True,
        capture_output=True,
        timeout=60,
    )


def manage(cwd: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return run(cwd, str(ROOT / "manage.py"), *arguments, **environ)


@pytest.mark.parametrize(
    "command", [(str(ROOT / "manage.py"), "check"), ("-c", "import gossipnode.settings")]
)
def test_a_wrong_value_ends_the_process_with_one_line(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    ended = run(tmp_path, *command, PYTHONPATH=str(ROOT), GOSSIP_FANOUT="many")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == ("gossipnode: GOSSIP_FANOUT='many' must be an integer from 1 to 64\n")


def test_checks_pass_and_write_nothing(tmp_path: Path) -> None:
    production = {
        "HOST": "0.0.0.0",
        "PUBLIC_URL": "https://node.example",
        "GOSSIP_PUBLIC_URL": "wss://node.example/ws",
        "GOSSIP_API_TOKENS": "a-token-for-the-check",
    }
    ended = manage(tmp_path, "check", "--deploy", "--fail-level", "WARNING", **production)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "System check identified no issues (2 silenced).\n"
    assert list(tmp_path.iterdir()) == []


def test_models_and_migrations_agree(tmp_path: Path) -> None:
    ended = manage(
        tmp_path, "makemigrations", "--check", "--dry-run", GOSSIP_DATA_DIR=str(tmp_path)
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_warning_of_the_settings_reaches_the_operator(tmp_path: Path) -> None:
    ended = manage(tmp_path, "check", GOSSIP_FANUOT="4")
    assert ended.returncode == 0
    assert "(gossip.W001) GOSSIP_FANUOT is not a variable of this node" in ended.stderr


def test_the_database_is_durable_and_waits_for_its_turn(tmp_path: Path) -> None:
    script = (
        "from django.db import connection\n"
        "with connection.cursor() as cursor:\n"
        "    for name in ('journal_mode', 'synchronous', 'busy_timeout'):\n"
        "        print(cursor.execute(f'PRAGMA {name}').fetchone()[0])\n"
    )
    ended = manage(tmp_path, "shell", "--no-imports", "-c", script, GOSSIP_DATA_DIR=str(tmp_path))
    assert ended.stdout.split() == ["wal", "2", "5000"], ended.stderr
