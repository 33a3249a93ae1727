"""How many pages a PDF has, read from the file itself (its objects lie in packed streams), and whether this machine can make one."""

from __future__ import annotations

import re
import zlib
from ctypes.util import find_library

import pytest

needs_pango = pytest.mark.skipif(
    find_library("pangoft2-1.0") is None,
    reason="Pango, which PDF is set with, is not installed here (on Debian: apt-get install libpangoft2-1.0-0 fonts-khmeros)",
)
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
