"""Django's signing key: given by the operator, or made once and kept in the data directory."""

import os
import tempfile
from pathlib import Path

from django.core.management.utils import get_random_secret_key

from gossip.conf import NodeSettings

FILE_NAME = "secret_key"


def secret_key(settings: NodeSettings) -> str:
    """Return the key of these settings, or the kept one, which is made where there is none.

    The data directory itself is not created: a command that runs beside no node, such as `check`,
    gets a key that lasts as long as its process. Raises `OSError`.
    """
    if settings.secret_key is not None:
        return settings.secret_key
    kept = settings.data_dir / FILE_NAME
    if not kept.exists():
        made = get_random_secret_key()
        if not settings.data_dir.is_dir():
            return made
        _keep(made, kept)
    return kept.read_text().strip()


def _keep(key: str, path: Path) -> None:
    """Write the file whole or not at all; of several processes at once the first one wins."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        Path(temporary).unlink()
