"""Many numbers as one short text: the cells and elements of section 5."""

from base64 import b64decode, b64encode
from collections.abc import Iterable

CELL = 11
"""Bytes of a cell of a sketch."""
ELEMENT = 8
"""Bytes of an element."""
ITEM = 15
"""Bytes of an element and a version behind it."""


def pack(numbers: Iterable[int], width: int) -> str:
    """Base64 of the numbers, each of so many bytes, big-endian."""
    return b64encode(b"".join(number.to_bytes(width, "big") for number in numbers)).decode()


def packed_size(count: int, width: int) -> int:
    """Characters that so many numbers take."""
    return (count * width + 2) // 3 * 4


def unpack(text: str, width: int) -> list[int]:
    """The inverse. Raises `ValueError`."""
    packed = b64decode(text, validate=True)
    if len(packed) % width:
        raise ValueError(f"not a multiple of {width} bytes")
    starts = range(0, len(packed), width)
    return [int.from_bytes(packed[start : start + width], "big") for start in starts]
