import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import DatabaseError, connections


@pytest.fixture
def no_collection() -> Iterator[None]:
    """The collector would tidy up now and then, and so hide what is left open."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_a_connection_that_cannot_be_set_up_leaves_no_file_open(file: Path, empty: str) -> None:
    file.write_bytes(b"no database, and long enough to be read as one" * 100)
    for _ in range(3):
        with pytest.raises(DatabaseError, match="not a database"):
            connections[empty].ensure_connection()
    assert _open_files().count(str(file)) == 0


def _open_files() -> list[str]:
    links = Path("/proc/self/fd").iterdir()
    return [str(link.readlink()) for link in links if link.is_symlink()]
