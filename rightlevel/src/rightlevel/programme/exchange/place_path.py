"""A row's place as one path from the country down, made of however many columns name its levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from rightlevel.programme.exchange.cures import cure_of, filled_only
from rightlevel.programme.exchange.mapping import Source
from rightlevel.programme.exchange.row_plan import Explained
from rightlevel.programme.exchange.source_text import rule_broken, shown
from rightlevel.programme.exchange.values import NULL, Wrong, escaped, slug_of


class Part(msgspec.Struct, frozen=True):
    """One place field: where its cells stand among the path's cells, and how they are read."""

    label: str
    field: str
    start: int
    end: int
    source: Source
    convert: Callable[[Any], str]

    def raw(self, cells: tuple[str, ...]) -> Any:
        """This field's own cell, the tuple of its several, or its constant."""
        own = cells[self.start : self.end]
        return own if len(own) > 1 else own[0] if own else self.source.constant

    def text(self, cells: tuple[str, ...]) -> str:
        """The name or code, empty where the cells are. *Errors*: Wrong."""
        converted = self.convert(self.raw(cells))
        return "" if converted == NULL else converted


class Step(msgspec.Struct, frozen=True):
    """One level of the path: its kind, and its name and code where they are mapped."""

    kind: str
    name: Part | None
    code: Part | None

    def entry(self, cells: tuple[str, ...]) -> list[str]:
        """Kind, code, name and whether the code was given; empty for a level left blank. *Errors*: Wrong."""
        name = self.name.text(cells) if self.name else ""
        code = self.code.text(cells) if self.code else ""
        if not name and not code:
            if self.kind == "country":
                raise Wrong("The country is needed and is empty")
            return []
        return [self.kind, code or slug_of(name), name or code, "t" if code else "f"]


def path_text(steps: list[Step], cells: tuple[str, ...]) -> str:
    """The path as PostgreSQL writes an array of texts, escaped for COPY."""
    entries = [text for step in steps for text in step.entry(cells)]
    if len(entries) <= 4 and len(steps) > 1:
        raise Wrong("A place below the country is needed and is empty")
    # Names and codes were escaped for COPY, which doubled backslashes; inside an array each needs doubling once more.
    quoted = ('"' + text.replace("\\", "\\\\").replace('"', '\\\\"') + '"' for text in entries)
    return "{" + ",".join(quoted) + "}"


def path_faults(steps: list[Step], cells: tuple[str, ...]) -> Explained:
    """Everything that is wrong with the cells of a path, by the columns they stand in."""
    faults: Explained = []
    for step in steps:
        for part in (step.name, step.code):
            if part is not None:
                value = shown(part.raw(cells), part.source.joint)
                faults += [
                    (part.label, value, rule, cure_of(part.field, part.source, value, rule))
                    for rule in rule_broken(part.text, cells)
                ]
        if not faults:
            part = step.name or step.code or _NO_PART
            cure = filled_only(part.source)
            faults += [(part.label, "", rule, cure) for rule in rule_broken(step.entry, cells)]
    if not faults:
        last = steps[-1]
        cure = filled_only((last.name or last.code or _NO_PART).source)
        faults += [
            (last.kind, "", rule, cure) for rule in rule_broken(lambda key: path_text(steps, key), cells)
        ]
    return faults


_NO_PART: Final = Part(label="", field="", start=0, end=0, source=Source(), convert=escaped)
