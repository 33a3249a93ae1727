"""What the audit log keeps is told in words of the catalogues, never by a code of the program."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import rightlevel
from rightlevel.programme.audit import write_audit
from rightlevel.web.words import WORDS

ROOT = Path(rightlevel.__file__).parent
ACTION, RESOURCE = 2, 3


def _calls() -> Iterator[ast.Call]:
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == write_audit.__name__:
                yield node


def _texts(node: ast.expr) -> set[str]:
    """The texts that an expression may come to: itself, or both ends of a choice."""
    if isinstance(node, ast.IfExp):
        return _texts(node.body) | _texts(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def test_every_deed_thing_and_field_that_is_written_down_has_words() -> None:
    told: dict[str, set[str]] = {"deed": set(), "resource": set(), "field": set()}
    for call in _calls():
        told["deed"] |= _texts(call.args[ACTION])
        told["resource"] |= _texts(call.args[RESOURCE])
        for each in call.keywords:
            if each.arg in ("before", "after") and isinstance(each.value, ast.Dict):
                told["field"] |= set().union(*(_texts(name) for name in each.value.keys if name))
    assert min(len(each) for each in told.values()) > 20
    assert [(name, each) for name in told for each in sorted(told[name] - WORDS[name].keys())] == []
