"""The formatter lays out every line of Python: nowhere is it switched off."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OFF = re.compile(r"#\s*(?:fmt|yapf)\s*:\s*(?:skip|off)")


def test_nowhere_is_it_switched_off() -> None:
    files = [
        file
        for folder in ("flatwater", "rightlevel", "simulation", "benchmarks")
        for file in (ROOT / folder).rglob("*.py")
    ]
    assert len(files) > 500
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in files
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if OFF.search(line)
    ]
    assert found == []
