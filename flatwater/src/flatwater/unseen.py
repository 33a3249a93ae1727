"""Marks that nobody sees: which there are, and what each sort does. Whoever refuses, drops or keeps some says by these sorts which.

*Source*: Unicode TR36, "Unicode Security Considerations", 3.4; Unicode 16, general category Cf and the C0 and C1 controls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

STEERING: Final = (
    range(0x09),
    range(0x0B, 0x0D),
    range(0x0E, 0x20),
    range(0x7F, 0xA0),
    range(0x2028, 0x202A),
)
"""They steer a terminal or end a line somewhere, and nobody types them: ESC, NUL, DEL and their like."""
LINE_ENDS: Final = (range(0x09, 0x0B), range(0x0D, 0x0E))
"""Tab, line feed, carriage return: at home in texts of several lines, and in no name."""
TURNING: Final = (range(0x061C, 0x061D), range(0x200E, 0x2010), range(0x202A, 0x202F), range(0x2066, 0x206A))
"""They turn the direction of what follows."""
WIDTHLESS: Final = (
    range(0xAD, 0xAE),
    range(0x2060, 0x2066),
    range(0x206A, 0x2070),
    range(0xFEFF, 0xFF00),
    range(0xFFF9, 0xFFFC),
)
"""They take no room and mean nothing by themselves: soft hyphen, word joiner, byte-order mark, what stands around notes."""
JOINING: Final = (range(0x200B, 0x200E),)
"""The zero-width space and joiners: Khmer and Indic scripts are written with them, so that names keep them; codes don't differ in them."""

Sort = tuple[range, ...]


def any_of(*sorts: Sort) -> re.Pattern[str]:
    """Finds one mark of these sorts."""
    return re.compile(
        "[" + "".join(f"{chr(each.start)}-{chr(each.stop - 1)}" for each in _ranges(sorts)) + "]"
    )


def without(*sorts: Sort) -> dict[int, None]:
    """What `str.translate` takes to drop the marks of these sorts."""
    return {mark: None for each in _ranges(sorts) for mark in each}


def _ranges(sorts: Iterable[Sort]) -> Iterable[range]:
    return (each for sort in sorts for each in sort)
