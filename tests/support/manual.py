"""What a manual says to type, so that a test can type it."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent


class Command(NamedTuple):
    """What a manual says to type, and what then appears; `…` stands for anything."""

    text: str
    shown: str

    @property
    def starts_a_node(self) -> bool:
        return self.text.endswith("make run")

    @property
    def variables(self) -> dict[str, str]:
        """What it sets before the command."""
        return dict(re.findall(r"(?:^|\s)([A-Z][A-Z0-9_]*)=(\S+)", self.text))

    def shows(self, output: str) -> bool:
        """Whether this is what the manual says."""
        expected = ".*".join(map(re.escape, self.shown.split("…")))
        return re.fullmatch(expected, output.strip(), re.DOTALL) is not None


def commands(manual: str) -> list[Command]:
    """All that the console blocks of a manual hold, such as `docs/migration.md`."""
    text = (ROOT / manual).read_text()
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    joined = "".join(blocks).replace("\\\n", "")
    typed = re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]
    return [Command(*each.strip().partition("\n")[::2]) for each in typed]
