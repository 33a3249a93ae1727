"""A child that was given another child's name: seen, said to be the same child, or put back."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest, write_cursor
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.duplicates import store
from rightlevel.programme.duplicates.model import Rename
from rightlevel.programme.duplicates.names import read_name
from rightlevel.programme.duplicates.scoring import LEAST_LIKE, jaro_winkler, name_likeness
from rightlevel.programme.errors import Conflict, Invalid, NotFound, reason_faults
from rightlevel.programme.permissions import Actor, require, require_scope
from rightlevel.programme.students import Student, StudentChange, change_student, student_for_write

LOOKED_BACK: Final = timedelta(days=400)
"""A school year and what is left of the one before."""
LOOKED_AT: Final = 100
"""Changed names that one page looks through, in some 7 ms; the next page goes on from there."""
SAME_PART: Final = 0.9
GOES_BACK: Final = ("name", "code", "sex", "birth_on", "age")
"""What says who a child is. Where it stands stays: that is the business of moves."""


class RenameStands(Conflict):
    """The name was changed again since, or somebody decided already. Look at the child's history."""

    code = "rename_stands"


def is_another_name(before: str, after: str) -> bool:
    """Whether a changed name may be another child's: neither written nor sounding alike, and no part was only added or left out."""
    one, other = read_name(before), read_name(after)
    if name_likeness(one, other) >= LEAST_LIKE:
        return False
    short, long = sorted((one.sounds, other.sounds), key=len)
    is_part = bool(short) and all(max(jaro_winkler(a, b) for b in long) >= SAME_PART for a in short)
    return not (is_part and len(short) < len(long))


async def list_renames(
    session: Session, actor: Actor, page: PageRequest, clock: Clock, *, school_id: int | None = None
) -> Page[Rename]:
    """Children whose name became another one and of whom nobody has decided, the latest first, of the last 400 days.

    A page may hold fewer than were asked for and still have a next one. *Errors*: Forbidden. *Cost*: one statement, up to 100 rows.
    """
    require(actor, "settle", "student")
    after = page.key(tuple[datetime, int])
    since = clock.now() - LOOKED_BACK
    rows = await store.renames(session, since=since, after=after, rows=LOOKED_AT, school_id=school_id)
    found: list[Rename] = []
    for each in rows:
        if is_another_name(each.name_before, each.name_after):
            found.append(each)
            if len(found) == page.limit:
                break
    last = found[-1] if len(found) == page.limit else rows[-1] if rows else None
    is_over = last is None or (last is rows[-1] and len(rows) < LOOKED_AT)
    return Page(found, None if is_over or last is None else write_cursor((last.at, last.id)))


async def say_same_child(session: Session, actor: Actor, rename_id: int, clock: Clock) -> None:
    """Remembers that a child is the same under its new name. *Errors*: Forbidden, NotFound, RenameStands once it was decided."""
    require(actor, "settle", "student")
    change, student = await _held(session, actor, rename_id)
    await _settle(session, actor, change.id, "same", clock)
    await write_audit(
        session,
        actor,
        "confirm_name",
        "student",
        student.id,
        before={"rename": change.id},
        after={"settled_as": "same"},
    )


async def put_back_name(
    session: Session, actor: Actor, rename_id: int, *, version: int, reason: str, clock: Clock
) -> Student:
    """The child under its former name, with code, sex, birth and age of before where the same change took them and nothing has since.

    *Errors*: Forbidden, NotFound, Stale, RenameStands once the name is another again, Invalid without a reason, AlreadyTaken for the code.
    """
    require(actor, "settle", "student")
    if faults := reason_faults(reason):
        raise Invalid(faults=tuple(faults))
    change, student = await _held(session, actor, rename_id)
    if change.after["name"] != student.name:
        raise RenameStands
    there = msgspec.to_builtins(student)
    former = {
        name: _value(name, change.before[name])
        for name in GOES_BACK
        if name in change.before and there[name] == change.after[name]
    }
    back = await change_student(
        session, actor, student.id, StudentChange(version, reason=reason, **former), clock, deed="put_back"
    )
    await _settle(session, actor, change.id, "back", clock)
    return back


def _value(name: str, kept: Any) -> Any:
    return date.fromisoformat(kept) if name == "birth_on" and kept is not None else kept


async def _held(session: Session, actor: Actor, rename_id: int) -> tuple[store.NameChange, Student]:
    change = await store.name_change(session, rename_id)
    if change is None:
        raise NotFound
    student = await student_for_write(session, actor, change.student_id)
    require_scope(actor, student.school_id, class_id=student.class_id)
    return change, student


async def _settle(session: Session, actor: Actor, change_id: int, settled_as: str, clock: Clock) -> None:
    if not await store.settle_rename(
        session, change_id, settled_as=settled_as, by=actor.person_id, now=clock.now()
    ):
        raise RenameStands
