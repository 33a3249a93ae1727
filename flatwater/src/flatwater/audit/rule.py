"""A rule of the static audit: what it looks for, why, what to do instead, and one example of each."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct

from flatwater.audit.app import App
from flatwater.audit.model import Finding, Place, Priority
from flatwater.audit.source import Module


class Hit(NamedTuple):
    """One place that a rule found: where, what it saw, and a priority where it differs from the rule's."""

    node: ast.AST
    saw: str
    priority: Priority | None = None


class Rule(Struct, frozen=True, kw_only=True, eq=False):
    """One thing that keeps a service from staying flat, and how its source shows it.

    *Shape*: `bad` and `good` are small modules; the tests prove that the first is found and the second is not.
    `in_requests` rules tell only of what a request reaches, so they say nothing where no route is known.
    What a person runs by hand (commands, scripts, bots) ends no service: there every rule only advises.
    """

    name: str
    priority: Priority
    reason: str
    change: str
    bad: str
    good: str
    seek: Callable[[Module, App], Iterable[Hit]]
    in_requests: bool = False
    hurts_requests_only: bool = False
    """Whether it harms by what it does to other requests: in a queue's worker, which does one thing at a time, it is advice."""
    is_one_setting: bool = False
    """Whether one setting mends every place: then the first is told gravely, and the others as advice."""

    def look(self, module: Module, app: App) -> Iterator[Finding]:
        """What it finds in one file, in the file's order."""
        seen: Counter[str] = Counter()
        for hit in sorted(self.seek(module, app), key=lambda each: _line(each.node)):
            route = app.route_of(module.function_of(hit.node))
            if self.in_requests and route is None:
                continue
            symbol = module.symbol_of(hit.node)
            seen[symbol] += 1
            again = f"#{seen[symbol]}" if seen[symbol] > 1 else ""
            yield Finding(
                key=f"{self.name}/{module.path}:{symbol}{again}",
                rule=self.name,
                priority="P3"
                if module.is_run_by_hand or (self.hurts_requests_only and module.is_of_workers)
                else hit.priority or self.priority,
                where=Place(module.path, _line(hit.node), symbol),
                route=route.name if route else None,
                saw=hit.saw,
                why=self.reason,
                change=self.change,
            )


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)
