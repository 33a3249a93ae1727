"""A test stands in the folder of the same name as what it tests; its file is named after the subject, which need not be one module."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
APART = {
    "flatwater/tests/examples": "the examples stand outside the source",
    "rightlevel/tests/joints": "where several features meet",
    "rightlevel/tests/journeys": "a browser, from page to page",
}


def test_every_folder_of_tests_is_a_folder_of_the_source_or_says_what_else_it_is() -> None:
    strangers: list[str] = []
    seen: set[str] = set()
    for building in ("flatwater", "rightlevel"):
        tests, source = ROOT / building / "tests", ROOT / building / "src" / building
        files = list(tests.rglob("test_*.py"))
        assert len(files) > 50
        for file in files:
            folder = str(file.parent.relative_to(ROOT))
            seen.add(folder)
            if folder not in APART and not (source / file.parent.relative_to(tests)).is_dir():
                strangers.append(str(file.relative_to(ROOT)))
    assert strangers == []
    assert set(APART) <= seen, "whose tests are gone needs no exception"
