"""The formatter lays out every line of Python: nowhere is it switched off."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
OFF = re.compile(r"#\s*(?:fmt|yapf)\s*:\s*(?:skip|off)")


def test_nowhere_is_it_switched_off() -> None:
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert len(files) > 500
    found = [
        f"{name}:{number}"
        for name in files
        if (ROOT / name).exists()
        for number, line in enumerate((ROOT / name).read_text("utf-8").splitlines(), 1)
        if OFF.search(line)
    ]
    assert found == []
