"""Emptying a practice school and putting its class back."""

from __future__ import annotations

from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, NotFound
from rightlevel.programme.permissions import Actor, require, require_scope
from rightlevel.programme.practice import store
from rightlevel.programme.practice.model import MOST_CHILDREN, MOST_RESULTS, MOST_VISITS, PracticeReset
from rightlevel.programme.schools import current_year, read_grades


class NotPractice(Conflict):
    """Only a practice school can be reset. This is a real one, and nothing was changed."""

    code = "not_practice"


class WasReal(Conflict):
    """This school was a real one: it is in a frozen round, or its children have results at real schools. It can't be reset."""

    code = "was_real"


class TooMuchToReset(Conflict):
    """This practice school holds more than one class needs, too much to reset at once. Make a new practice school instead."""

    code = "too_much_to_reset"


class NoYearToReset(Conflict):
    """There is no current school year, so the practice class can't be put back. Choose one under School years."""

    code = "no_year_to_reset"


GUARDS: Final = {"school_is_for_practice": NotPractice, "school_was_real": WasReal}
"""What the database itself refuses, whatever this program thinks."""


async def reset_practice(session: Session, actor: Actor, school_id: int, clock: Clock) -> PracticeReset:
    """Takes everything out of a practice school that was entered there and puts its class of 24 invented children back. It is not undone.

    Staff, devices and the audit stay. Bytes of photos are taken out of the store by the next clean-up.
    *Errors*: Forbidden, OutOfScope, NotFound, NotPractice, WasReal, TooMuchToReset, NoYearToReset. *Cost*: about 30 statements, at most
    1,000 children, 2,000 visits and 20,000 results.
    """
    require(actor, "reset", "school")
    require_scope(actor, school_id)
    school = await store.hold_school(session, school_id)
    if school is None:
        raise NotFound
    if not school.is_practice:
        raise NotPractice
    year, grades = await current_year(session), await read_grades(session)
    if year is None:
        raise NoYearToReset
    try:
        async with session.savepoint():
            done = await _empty(session, school_id, clock)
            children = await store.put_class_back(
                session,
                school_id,
                school_year_id=year.id,
                grade=grades[0],
                person_id=actor.person_id,
                now=clock.now(),
            )
    except ConstraintViolated as error:
        if error.constraint not in GUARDS:
            raise
        raise GUARDS[error.constraint] from error
    done = msgspec.structs.replace(done, children=children)
    await write_audit(session, actor, "reset", "school", school_id, after=msgspec.to_builtins(done))
    return done


async def _empty(session: Session, school_id: int, clock: Clock) -> PracticeReset:
    children = await _held(session, "children", school_id, MOST_CHILDREN)
    visits = await _held(session, "visits", school_id, MOST_VISITS)
    results = await _held(session, "results", school_id, MOST_RESULTS, children=children)
    await store.empty_teaching(session, school_id, children)
    photos = await store.empty_visits(session, school_id, visits, clock.now())
    gone, removed = await store.empty_results(session, school_id, children, results)
    return PracticeReset(
        school_id=school_id,
        removed_children=removed,
        removed_results=gone,
        removed_visits=len(visits),
        removed_photos=photos,
        children=0,
    )


async def _held(
    session: Session, what: str, school_id: int, most: int, *, children: list[str] | None = None
) -> list[str]:
    more = {} if children is None else {"children": children}
    found = await store.hold(session, what, school_id, rows=most, **more)
    if len(found) > most:
        raise TooMuchToReset
    return found
