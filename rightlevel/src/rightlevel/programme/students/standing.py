"""Where a child may stand: one judge for everything that puts a child somewhere, or back."""

from __future__ import annotations

from typing import Final

from flatwater.transaction import Session
from rightlevel.programme.errors import Fault
from rightlevel.programme.students import store
from rightlevel.programme.students.model import Standing, Student, standing_of

REFUSALS: Final = {
    "no_school": "There is no such school",
    "school_deleted": "This school was deleted: restore it first",
    "school_closed": "This school is closed",
    "across_practice": "Between a practice school and a real one nobody moves",
    "no_year": "There is no such school year",
    "year_deleted": "This school year was deleted: restore it first",
    "class_elsewhere": "This class is not one of this school",
    "class_deleted": "This class was deleted: restore it first, or choose another",
    "class_of_another_year": "This class is of another school year",
    "class_of_another_grade": "This class is of another grade",
}
"""What the database's judge (function standing_faults) says, in words."""
OF_SCHOOL: Final = frozenset({"no_school", "school_deleted", "school_closed", "across_practice"})
OF_YEAR: Final = frozenset({"no_year", "year_deleted"})
FIELD_OF: Final = {
    each: "school_id" if each in OF_SCHOOL else "school_year_id" if each in OF_YEAR else "class_id"
    for each in REFUSALS
}


async def standing_faults(
    session: Session, to: Standing, was: Standing | None = None, *, hold: bool = True
) -> list[Fault]:
    """What speaks against a child standing there; with `was`, only what is new is judged.

    School, year and class are held as they are until the transaction ends, but for a mere look (`hold=False`). *Cost*: two statements, none where
    nothing is new.
    """
    if to == was:
        return []
    codes = await store.standing_faults(session, to, was.school_id if was else None, hold=hold)
    if was is not None and to.school_id == was.school_id:
        codes = [each for each in codes if each not in OF_SCHOOL]
        if to.school_year_id == was.school_year_id:
            codes = [each for each in codes if each not in OF_YEAR]
    return [_fault(each, to) for each in codes]


def _fault(code: str, to: Standing) -> Fault:
    field = FIELD_OF[code]
    return Fault(field, REFUSALS[code], str(getattr(to, field)))


async def faults_of_return(session: Session, student: Student) -> list[Fault]:
    """What speaks against a child being back where it stood: returned, restored, or made two of one again. *Cost*: two statements."""
    return await standing_faults(session, standing_of(student))
