"""Searching everywhere at once."""

from __future__ import annotations

from flatwater.transaction import Session
from rightlevel.programme.errors import Invalid
from rightlevel.programme.permissions import Actor, may, require
from rightlevel.programme.search import store
from rightlevel.programme.search.model import (
    MOST_FOUND,
    Found,
    FoundPeople,
    FoundSchools,
    FoundStudents,
    search_faults,
    words_of,
)


async def search(session: Session, actor: Actor, *, search: str) -> Found:
    """Children, schools and people whose name or code holds every word of the text, in any script and in any order; 20 of each, the likeliest first.

    What the caller may not read is neither told nor counted: children and schools are those within their reach, people are for those who
    lead. *Errors*: Invalid for a blank text, or one of more than 100 characters. *Cost*: a statement for each kind.
    """
    require(actor, "read", "search")
    if faults := search_faults(search):
        raise Invalid(faults=tuple(faults))
    words, most = words_of(search), MOST_FOUND
    students = schools = people = None
    if may(actor, "read", "student"):
        rows = await store.find_students(session, words, actor.scope, most + 1)
        students = FoundStudents(tuple(rows[:most]), len(rows) > most)
    if may(actor, "read", "school"):
        schools_found = await store.find_schools(session, words, actor.scope, most + 1)
        schools = FoundSchools(tuple(schools_found[:most]), len(schools_found) > most)
    if may(actor, "read", "person"):
        people_found = await store.find_people(session, words, most + 1)
        people = FoundPeople(tuple(people_found[:most]), len(people_found) > most)
    return Found(students, schools, people)
