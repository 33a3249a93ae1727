"""The audit's page in the docs tells every rule as the rules tell themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from flatwater.audit.dynamic.verdicts import RULES as DRIVEN
from flatwater.audit.rules import RULES

PAGE = Path(__file__).parents[3] / "docs" / "developers" / "audit.md"


@pytest.mark.skipif(not PAGE.exists(), reason="flatwater stands alone here, without the project's docs")
def test_the_page_has_every_rule_with_its_priority_reason_and_change() -> None:
    page = PAGE.read_text()
    rows = [f"| `{each.name}` | {each.priority} | {each.reason} | {each.change} |" for each in RULES]
    rows += [f"| `{name}` | {each.priority} | {each.why} | {each.change} |" for name, each in DRIVEN.items()]
    assert [each for each in rows if each not in page] == []
