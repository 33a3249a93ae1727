"""Every link of every page leads somewhere, and every page of the documentation is found from its index."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs/README.md"
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")],
    key=str,
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def targets(page: Path) -> set[Path]:
    """The files and folders of this repository that a page links to."""
    found = LINK.findall(FENCED.sub("", page.read_text("utf-8")))
    here = [
        unquote(each.split("#")[0]) for each in found if "://" not in each and not each.startswith("mailto:")
    ]
    return {(page.parent / each).resolve() for each in here if each}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert {str(each.relative_to(ROOT)) for each in targets(page) if not each.exists()} == set()


def test_every_page_of_the_documentation_is_found_from_its_index() -> None:
    found: set[Path] = set()
    waiting = [INDEX]
    while waiting:
        page = waiting.pop()
        if page in found:
            continue
        found.add(page)
        waiting += [each for each in targets(page) if each.suffix == ".md" and each.exists()]
    assert {
        str(each.relative_to(ROOT)) for each in (ROOT / "docs").rglob("*.md") if each not in found
    } == set()
