"""Every rule finds its bad example and is silent on its good one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flatwater.audit.app import App
from flatwater.audit.model import Finding
from flatwater.audit.routes import routes_in
from flatwater.audit.rule import Rule
from flatwater.audit.rules import RULES
from flatwater.audit.source import Module


def found_in(text: str, *, by: str | None = None) -> list[Finding]:
    module = Module(Path("service.py"), "service.py", "service", text)
    app = App([module], routes_in([module]))
    return [each for rule in RULES if by in {None, rule.name} for each in rule.look(module, app)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_finds_its_bad_example_and_nothing_in_its_good_one(rule: Rule) -> None:
    assert found_in(rule.bad, by=rule.name), "the bad example is not found"
    assert not found_in(rule.good, by=rule.name), "the good example is found"


def test_no_good_example_is_found_by_any_other_rule() -> None:
    found = {rule.name: [each.rule for each in found_in(rule.good)] for rule in RULES}
    assert {name: told for name, told in found.items() if told} == {}
