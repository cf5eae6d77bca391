"""`gossip.secret`: the signing key is given, kept or made, in this order."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gossip.conf import NodeSettings, load
from gossip.secret import FILE_NAME, secret_key


def settings(data_dir: Path, **environ: str) -> NodeSettings:
    return load({"GOSSIP_DATA_DIR": str(data_dir)} | environ, Path("/"))


def test_a_given_key_is_used_and_nothing_written(tmp_path: Path) -> None:
    assert secret_key(settings(tmp_path, DJANGO_SECRET_KEY="k" * 50)) == "k" * 50
    assert list(tmp_path.iterdir()) == []


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    made = secret_key(settings(tmp_path))
    assert len(made) >= 50
    assert secret_key(settings(tmp_path)) == made
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(secret_key, [settings(tmp_path)] * 8))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_without_a_data_directory_nothing_is_created(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert len(secret_key(settings(absent))) >= 50
    assert not absent.exists()
