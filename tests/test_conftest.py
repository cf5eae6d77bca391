"""The rule of `tests/conftest.py`, on a suite of one skipped test."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SUITE = "import pytest\ndef test_that_is_skipped():\n    pytest.skip('no such tool here')\n"


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("ci", "exit_code"), [("true", 1), ("", 0)])
def test_a_skipped_test_fails_in_ci_only(
    tmp_path: Path, ci: str, exit_code: int, workers: str
) -> None:
    suite = tmp_path / "test_suite.py"
    suite.write_text(SUITE)
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", os.devnull, "-n", workers),
            *("-p", "tests.conftest", str(suite)),
        ],
        check=False,
        cwd=tmp_path,
        env=os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == exit_code, ended.stdout
    assert ("1 skipped, which counts as failed" in ended.stdout) == bool(ci)
