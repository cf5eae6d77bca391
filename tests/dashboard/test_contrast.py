"""Text can be read in both schemes: WCAG 2.2 asks for a contrast of 4.5."""

import re
from itertools import product
from pathlib import Path

import pytest

from gossip.dashboard import apps

CSS = (Path(apps.__file__).parent / "static" / "gossip" / "status.css").read_text()
TEXT = ("ink", "soft", "accent", "good", "warn", "bad", "gone")
GROUND = ("paper", "card", "sunk")


def colours(part: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): #([0-9a-f]{6});", part))


LIGHT, DARK = (colours(part) for part in CSS.split("@media (prefers-color-scheme: dark)")[:2])


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), [*product(TEXT, GROUND)])
def test_text_stands_out(scheme: dict[str, str], text: str, ground: str) -> None:
    darker, lighter = sorted((luminance(scheme[text]), luminance(scheme[ground])))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
