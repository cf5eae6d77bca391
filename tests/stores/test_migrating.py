import stat
from pathlib import Path

import pytest

from gossip.core.errors import ConfigurationError
from gossip.stores.directory import prepare_directory
from gossip.stores.loading import begin_life, load_entries
from gossip.stores.migrating import prepare_database
from tests.stores.databases import locked


def test_a_first_start_finds_its_tables(empty: str) -> None:
    prepare_database(alias=empty)
    assert list(load_entries(alias=empty)) == []


def test_the_directory_is_its_owners_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data" / "3001"
    prepare_directory(data_dir)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert list(data_dir.iterdir()) == []


def test_preparing_again_keeps_everything(empty: str) -> None:
    prepare_database(alias=empty)
    first = begin_life("me", 1_000, alias=empty)
    prepare_database(alias=empty)
    assert begin_life("me", 1_000, alias=empty).incarnation == first.incarnation + 1


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for data_dir in (tmp_path / "file", tmp_path / "file" / "data", Path("/proc/none/data")):
        with pytest.raises(ConfigurationError) as refusal:
            prepare_directory(data_dir)
        assert str(refusal.value).startswith(f"GOSSIP_DATA_DIR={data_dir} cannot be written")
        assert "\n" not in str(refusal.value)


def test_a_directory_in_which_no_file_can_be_made() -> None:
    with pytest.raises(ConfigurationError, match=r"^GOSSIP_DATA_DIR=/proc cannot be written"):
        prepare_directory(Path("/proc"))


def test_a_file_that_is_no_database(empty: str, file: Path) -> None:
    file.write_text("Dear diary, " * 100)
    with pytest.raises(
        ConfigurationError, match=r"gossip\.sqlite3 cannot be used: .*not a database"
    ):
        prepare_database(alias=empty)


def test_a_database_that_another_program_keeps_locked(empty: str, file: Path) -> None:
    with (
        locked(file),
        pytest.raises(ConfigurationError, match=r"gossip\.sqlite3 cannot be used: .*locked"),
    ):
        prepare_database(alias=empty)
