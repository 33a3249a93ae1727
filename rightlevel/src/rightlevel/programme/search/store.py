"""Reads what is searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flatwater.queries import like_text, load_queries
from flatwater.transaction import Session
from rightlevel.programme.permissions import Scope
from rightlevel.programme.search.model import FoundPerson, FoundSchool, FoundStudent, Named, Words

_queries = load_queries(__package__ or "")
SAMPLED = 3_000
"""Children that are looked at one by one first: what is everywhere is found among them, and an index is asked only for what is rare."""


def _values(words: Words, rows: int) -> dict[str, Any]:
    return {
        "code": words.code,
        "first": words.first,
        "last": words.last,
        "begins": f"{like_text(words.first)}%",
        "folded": words.folded,
        "plain": words.plain,
        "grams": words.grams or None,
        "rows": rows,
    }


async def find_students(session: Session, words: Words, scope: Scope, rows: int) -> list[FoundStudent]:
    values = _values(words, rows)
    if not scope.is_everything:
        values |= {"scope_schools": scope.whole_schools(), "scope_classes": scope.classes()}
        return await session.fetch_all(_queries["find_own_students"], values, into=FoundStudent)
    values["sampled"] = SAMPLED if words.grams else 0
    return await session.fetch_all(_queries["find_students"], values, into=FoundStudent)


async def find_schools(session: Session, words: Words, scope: Scope, rows: int) -> list[FoundSchool]:
    values = _values(words, rows)
    if not scope.is_everything:
        values["scope_schools"] = scope.schools()
        return await session.fetch_all(_queries["find_own_schools"], values, into=FoundSchool)
    return await session.fetch_all(_queries["find_schools"], values, into=FoundSchool)


async def find_people(session: Session, words: Words, rows: int) -> list[FoundPerson]:
    return await session.fetch_all(_queries["find_people"], _values(words, rows), into=FoundPerson)


async def find_names(session: Session, ids: Mapping[str, Sequence[str]]) -> list[Named]:
    return await session.fetch_all(
        _queries["find_names"], {kind: list(found) for kind, found in ids.items()}, into=Named
    )
