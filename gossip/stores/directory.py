"""The data directory of a node, which also the processes without its database use."""

import tempfile
from pathlib import Path

from gossip.core.errors import ConfigurationError


def prepare_directory(data_dir: Path) -> None:
    """Create the data directory, for its owner alone, and see that it can be written.

    Raises `ConfigurationError`.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"GOSSIP_DATA_DIR={data_dir} cannot be written ({error.strerror}): "
            "name a directory that this user may create or write"
        ) from error
