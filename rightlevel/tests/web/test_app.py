"""What the application gives beside its routes: static files, our own scripts without what only people read."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rightlevel.web import app
from rightlevel.web.app import STATIC, lean_script

OWN = sorted(each for each in STATIC.glob("*.js") if not each.name.endswith(".min.js"))


@pytest.mark.parametrize("script", OWN, ids=lambda script: script.name)
def test_a_lean_script_has_no_line_less_than_it_needs(script: Path) -> None:
    """No text of ours goes over several lines: taking lines and indentation away changes none."""
    for number, line in enumerate(script.read_text("utf-8").splitlines(), 1):
        assert line.count("`") % 2 == 0, f"{script.name}:{number}: a text that goes over lines"
    lean = lean_script(str(script))
    assert not any(line.startswith("//") for line in lean.splitlines())
    assert [line.strip() for line in lean.splitlines()] == [
        line.strip()
        for line in script.read_text("utf-8").splitlines()
        if line.strip() and not line.strip().startswith("//")
    ]


def test_all_scripts_together_fit_a_slow_network() -> None:
    """The goal of an issue, for who has 400 kbit/s: 60 KB over the wire."""
    minified = [each.read_bytes() for each in STATIC.glob("*.min.js")]
    worker = Path(app.__file__).parent / "offline" / "worker.js"
    lean = [lean_script(str(each)).encode() for each in OWN]
    assert sum(len(gzip.compress(each, 5)) for each in (*minified, *lean, worker.read_bytes())) <= 60_000
