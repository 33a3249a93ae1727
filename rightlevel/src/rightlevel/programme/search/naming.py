"""What ids are called: for pages that show ids which others wrote down, such as the audit log, whose rows hold no names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from flatwater.transaction import Session
from rightlevel.programme.permissions import Actor, may
from rightlevel.programme.search import store
from rightlevel.programme.search.model import Named

MOST_NAMED: Final = 1_000
"""Of each kind: what a page shows has fewer."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""As ids are written here; what somebody tried with may be written in any way."""
LARGEST_ID: Final = 2**63 - 1
BY_NUMBER: Final = ("school", "person", "class", "round", "place", "school_year")
BY_UUID: Final = ("student", "result", "visit", "planned_visit", "follow_up")
READ_AS: Final = {"visit": "visit", "result": "student"}
"""Whoever may read this may know what such a thing is called; everything else is asked for by its own kind."""
FIELDS: Final = {
    "school_id": "school",
    "class_id": "class",
    "round_id": "round",
    "place_id": "place",
    "parent_id": "place",
    "school_year_id": "school_year",
    "student_id": "student",
    "merged_into": "student",
    "result_id": "result",
    "visit_id": "visit",
    "person_id": "person",
    "mentor_id": "person",
    "teacher_id": "person",
    "owner_id": "person",
}
"""Of which kind the id in a field is."""


async def names_of(
    session: Session, actor: Actor, ids: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Named]:
    """What things are called, by kind and id. What has no name any more (an erased child), what is not there, and what the caller may not read
    or cannot reach is left out: so only whoever sees everything is told the names of children.

    *Cost*: one statement, none where nothing is asked that may be told.
    """
    asked: dict[str, list[str]] = {kind: [] for kind in (*BY_NUMBER, *BY_UUID)}
    if not actor.scope.is_everything:
        return {}
    for kind, text in set(ids):
        if kind in asked and _is_id(kind, text) and may(actor, "read", READ_AS.get(kind, kind)):
            asked[kind].append(text)
    if not any(asked.values()):
        return {}
    rows = await store.find_names(session, {kind: found[:MOST_NAMED] for kind, found in asked.items()})
    return {(row.kind, row.id): row for row in rows}


def _is_id(kind: str, text: str) -> bool:
    if kind in BY_UUID:
        return _UUID.fullmatch(text) is not None
    return (
        text.isascii()
        and text.isdigit()
        and int(text[:19]) <= LARGEST_ID
        and len(text) <= len(str(LARGEST_ID))
    )
