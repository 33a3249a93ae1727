"""Statements that take every column."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from flatwater.audit.app import App
from flatwater.audit.rule import Hit, Rule
from flatwater.audit.source import Module, called
from flatwater.audit.statements import CATALOG, sql_texts

_STAR: Final = re.compile(
    r"\bselect\s+(?:distinct\s+)?(?:(?P<of>\w+)\s*\.\s*)?\*\s*(?:,|\bfrom\s+(?P<source>\"?[\w.{}]+\"?|\()(?P<called>\s*\()?)|\breturning\s+\*",
    re.IGNORECASE,
)
_COMMON: Final = re.compile(
    r"(?:\bwith\s+(?:recursive\s+)?|,\s*)(\w+)\s*(?:\([^)]*\)\s*)?as\s+(?:not\s+)?(?:materialized\s+)?\(",
    re.IGNORECASE,
)
_INNER: Final = re.compile(r"\(\s*$")


def _seek(module: Module, app: App) -> Iterator[Hit]:
    for node, text in sql_texts(module):
        holder = module.parents.get(node)
        if isinstance(holder, ast.Call) and called(holder) == "raw":
            continue  # an ORM makes its objects of all columns
        own = {each.lower() for each in _COMMON.findall(text)}
        for star in _STAR.finditer(text):
            source = (star["source"] or "").lower()
            # The columns of a sub-query, of a WITH and of a function are named where it is written; those of a table whose
            # name is known only when it runs can't be named, and an inner star is cut down by what stands around it.
            if star["called"] or source.startswith(("(", "{", '"{')) or source in own:
                continue
            if star["of"] and re.search(rf"\)\s*(?:as\s+)?{star['of']}\b", text[star.end() :], re.IGNORECASE):
                continue  # all that a sub-query named
            if CATALOG.search(source) or _INNER.search(text[: star.start()]):
                continue
            yield Hit(node, f"`{' '.join(star[0].split())}` takes every column there is and ever will be.")
            break


RULE = Rule(
    name="select-star",
    priority="P2",
    reason="Each column added to the table is read, sent and held by everybody, wide ones too, and code breaks at a distance.",
    change="Name the columns that are used.",
    seek=_seek,
    bad="""
def pupil(connection, id):
    return connection.execute("SELECT * FROM pupil WHERE id = %s", [id]).fetchone()
""",
    good="""
def pupil(connection, id):
    return connection.execute("SELECT id, name FROM pupil WHERE id = %s", [id]).fetchone()

def is_known(connection, id):
    return connection.execute("SELECT EXISTS (SELECT * FROM pupil WHERE id = %s)", [id]).fetchone()

def found(connection, words):
    return connection.execute("SELECT * FROM search(%s::jsonb)", [words]).fetchone()

PROMPT = "Select a pupil from the list"
""",
)
