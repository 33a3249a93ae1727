"""How many pages a PDF has, read from the file itself: its objects lie in packed streams."""

from __future__ import annotations

import re
import zlib

STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
PAGE = re.compile(rb"/Type\s*/Page\b")


def pages_of(pdf: bytes) -> int:
    """The page objects of a PDF."""
    parts = [pdf]
    for found in STREAM.finditer(pdf):
        try:
            parts.append(zlib.decompressobj().decompress(found[1]))
        except zlib.error:
            continue  # not packed: it is among the file's own bytes
    return sum(len(PAGE.findall(part)) for part in parts)
