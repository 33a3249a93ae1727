"""The pages that say which test holds which rule name tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(each for each in (ROOT / "docs/rules").glob("*.md") if each.name != "README.md")
DEFINED = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
NAMED = re.compile(r"\btest_\w+(?!\w|\.py)")


def defined_tests() -> dict[str, str]:
    """Test → the file it stands in."""
    found: dict[str, str] = {}
    for folder in ("rightlevel/tests", "flatwater/tests"):
        for path in (ROOT / folder).rglob("test_*.py"):
            found |= dict.fromkeys(
                DEFINED.findall(path.read_text()), path.relative_to(ROOT / folder).as_posix()
            )
            found[path.stem] = path.stem
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_named_test_is_there(page: Path) -> None:
    there, text = defined_tests(), page.read_text()
    named = set(NAMED.findall(text))
    assert named, "a page of rules names tests"
    assert sorted(named - set(there)) == []
    for path, name in re.findall(r"`([\w/]+\.py)::(test_\w+)`", text):
        files = [
            each
            for each in (ROOT / "rightlevel/tests").rglob(Path(path).name)
            if each.as_posix().endswith(path)
        ]
        assert any(name in DEFINED.findall(each.read_text()) for each in files), f"{name} is not in {path}"


def test_every_page_of_rules_is_in_the_index() -> None:
    index = (ROOT / "docs/rules/README.md").read_text()
    assert [page.name for page in PAGES if f"({page.name})" not in index] == []
