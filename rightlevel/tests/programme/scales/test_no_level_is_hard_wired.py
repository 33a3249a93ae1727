"""Levels are data: the code of a rung stands nowhere in the program but where the program's own scale and what came before scales by page are said."""

from __future__ import annotations

import re
from pathlib import Path

from rightlevel.programme.levels import SCALES

SOURCE = Path(__file__).parents[3] / "src" / "rightlevel"
CODES = {code for scale in SCALES.values() for code in scale.codes}
SHARED = {"paragraph", "story", "division", "word"}
"""Codes that are names of tasks, or plain words, too."""
SAYS = re.compile(rf"""["'](?:{"|".join(sorted(CODES - SHARED))})["']""")
JOINED = re.compile(r"join scale \w+ on \w+\.subject")
"""A join with the program's own scale, whatever a row's round is measured by."""
NOW = re.compile(r"SCALES\[|LANGUAGE_LEVELS|MATH_LEVELS")
MAY_SAY = {
    "programme/levels.py": "the program's own scale",
    "programme/accounts/blocklist.py": "words that passwords are not made of",
    "programme/exchange/fields.py": "how files spell the program's own levels; others bring their labels",
    "programme/figures/model.py": "what indicators of the program's own scale are called",
    "programme/exercises": "exercises come with the program and are of its own scale",
    "programme/forms": "the first visit form, which is data",
    "programme/scales": "the program's own split holds for its ladder",
    "programme/results/guided.py": "what the program's own test asks where nothing else is said",
    "programme/results/model.py": "writes of before rounds said a scale",
    "programme/figures/suppression.py": "cells of the program's own scale where a subject alone is told",
    "programme/groups/model.py": "the programme's split is of the program's own scale",
    "programme/resources": "the library speaks of the program's own levels",
    "web/resources": "the library speaks of the program's own levels",
    "web/exercises": "exercises come with the program and are of its own scale",
    "web/words.py": "labels of the program's own scale",
    "web/results/parts.html": "short labels of the program's own scale",
    "web/rounds": "what is chosen for a round first",
    "operations/sample_data": "the sample programme is measured by the program's own scale",
    "database": "the program's own scale as a row",
    "cldr.py": "no level",
}
"""Where it may, with the reason."""


def test_no_level_is_hard_wired() -> None:
    found: list[str] = []
    for path in sorted(
        [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.html"), *SOURCE.rglob("*.js"), *SOURCE.rglob("*.sql")]
    ):
        name = path.relative_to(SOURCE).as_posix()
        if any(name == each or name.startswith(f"{each}/") for each in MAY_SAY):
            continue
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            is_wired = SAYS.search(line) or (path.suffix == ".py" and NOW.search(line))
            if is_wired or JOINED.search(line):
                found.append(f"{name}:{number}: {line.strip()[:100]}")
    assert found == [], "ask scale_of_round, scale_now or the row's own scale instead"
