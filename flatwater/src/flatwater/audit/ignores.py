"""Findings accepted in the source: `# flatwater: ignore[rule] because reason`, on the line, above it, or on a `def`."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from flatwater.audit.model import Finding, Ignored, Place
from flatwater.audit.source import FunctionNode, Module

LEAST_REASON: Final = 8
"""Characters. Shorter than "it is ok" is no reason that another reader could judge."""

WITHOUT_REASON: Final = "ignore-without-reason"
OF_NOTHING: Final = "ignore-of-nothing"
_COMMENT: Final = re.compile(r"#\s*flatwater:\s*ignore\[([a-z0-9, -]*)\]\s*(?:because\s+([^#]+))?")


class Ignore(Struct, frozen=True):
    """One comment that accepts findings: of which rules, in which lines, and why."""

    line: int
    rules: frozenset[str]
    reason: str
    first: int
    last: int

    def covers(self, finding: Finding) -> bool:
        return finding.rule in self.rules and self.first <= finding.where.line <= self.last


def ignores_in(module: Module) -> list[Ignore]:
    """The comments of a file that accept findings."""
    if "flatwater: ignore" not in module.text:
        return []
    found: list[Ignore] = []
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        told = _COMMENT.search(token.string) if token.type == tokenize.COMMENT else None
        if told is None:
            continue
        line = token.start[0]
        alone = not token.line[: token.start[1]].strip()
        first, last = _span(module, line, alone=alone)
        rules = frozenset(each.strip() for each in told[1].split(",") if each.strip())
        found.append(Ignore(line, rules, (told[2] or "").strip(), first, last))
    return found


def _span(module: Module, line: int, *, alone: bool) -> tuple[int, int]:
    """The lines that a comment speaks of: the statement it stands in or above; a `def` with its whole body."""
    statements = [each for each in module.nodes() if isinstance(each, ast.stmt)]
    if alone:
        after = [_first(each) for each in statements if _first(each) > line]
        line = min(after, default=line)
    holding = [each for each in statements if _first(each) <= line <= _last_of_head(each)]
    if not holding:
        return line, line
    chosen = max(holding, key=_first)
    if isinstance(chosen, FunctionNode):
        return _first(chosen), chosen.end_lineno or line
    return _first(chosen), _last_of_head(chosen)


def _first(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])


def _last_of_head(node: ast.stmt) -> int:
    """The last line of a simple statement, or of a compound one's head."""
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
        return max(node.lineno, _first(body[0]) - 1)
    return node.end_lineno or node.lineno


def sift(
    module: Module, findings: Iterable[Finding], known: frozenset[str]
) -> tuple[list[Finding], list[Ignored]]:
    """The findings that count, with those about the ignores themselves, and the ones accepted with a reason."""
    ignores = ignores_in(module)
    kept: list[Finding] = []
    accepted: list[Ignored] = []
    used: set[Ignore] = set()
    for finding in findings:
        by = next((each for each in ignores if each.covers(finding)), None)
        if by is None:
            kept.append(finding)
            continue
        used.add(by)
        if len(by.reason) >= LEAST_REASON:
            accepted.append(Ignored(finding, by.reason))
        else:
            kept.append(finding)
    kept += _about(module, ignores, used, known)
    return kept, accepted


def _about(
    module: Module, ignores: list[Ignore], used: set[Ignore], known: frozenset[str]
) -> Iterator[Finding]:
    for number, each in enumerate(ignores):
        strange = sorted(each.rules - known)
        if len(each.reason) < LEAST_REASON:
            yield _finding(
                module,
                each,
                number=number,
                rule=WITHOUT_REASON,
                priority="P2",
                saw="An ignore says no reason, so what it names is told all the same.",
                why="Whoever meets it later can't judge whether it still holds.",
                change="Write `# flatwater: ignore[rule] because …`, or mend what it hides.",
            )
        elif strange or each not in used:
            saw = (
                f"No rule is called {', '.join(strange)}."
                if strange
                else "An ignore covers nothing that a rule finds."
            )
            yield _finding(
                module,
                each,
                number=number,
                rule=OF_NOTHING,
                priority="P3",
                saw=saw,
                why="It would hide the next finding there, which nobody has judged.",
                change="Delete it, or correct the rule's name.",
            )


def _finding(
    module: Module, ignore: Ignore, number: int, rule: str, priority: str, saw: str, why: str, change: str
) -> Finding:
    return Finding(
        key=f"{rule}/{module.path}#{number + 1}",
        rule=rule,
        priority="P2" if priority == "P2" else "P3",
        where=Place(module.path, ignore.line, "(comment)"),
        route=None,
        saw=saw,
        why=why,
        change=change,
    )
