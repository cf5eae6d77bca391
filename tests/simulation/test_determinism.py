"""Same seed, same trace: in one process and in another with other string hashes."""

import subprocess
import sys

from tests.simulation.acceptance import acceptance


def digest(seed: int) -> str:
    """The digest of a small run in which everything happens."""
    return acceptance(seed, size=5, minutes=0.5).run().world.trace.digest


def digest_elsewhere(seed: int, hash_seed: str) -> str:
    program = f"from {__name__} import digest; print(digest({seed}))"
    child = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.strip()


def test_the_same_seed_takes_the_same_course() -> None:
    assert digest(1) == digest(1)


def test_another_seed_takes_another_course() -> None:
    assert digest(1) != digest(2)


def test_the_course_does_not_depend_on_string_hashes() -> None:
    assert digest_elsewhere(1, hash_seed="1") == digest_elsewhere(1, hash_seed="2") == digest(1)
