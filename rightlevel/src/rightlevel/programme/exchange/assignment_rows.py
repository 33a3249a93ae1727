"""Assignments of a file: begun, given another last day, ended, as on a person's page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.accounts import forget_assignments
from rightlevel.programme.assignments import (
    NewAssignment,
    change_last_day,
    create_assignment,
    end_assignment,
)
from rightlevel.programme.assignments.model import ASSIGNABLE
from rightlevel.programme.audit import write_audit
from rightlevel.programme.exchange.row_deeds import (
    QUERIES,
    UNCHANGED,
    Asking,
    Done,
    Kept,
    Row,
    RowKind,
    StandsOn,
    wrong,
)


class _Found(msgspec.Struct, frozen=True):
    person_id: int | None
    is_person_deleted: bool
    school_id: int | None
    class_id: int | None
    assignment_id: int | None
    is_another: bool
    """Whether the assignment with the row's number is of another person, school, subject, class or first day."""
    from_on: date | None
    to_on: date | None
    ended_at: datetime | None


async def _look_up(session: Session, asking: Asking, rows: Sequence[Row]) -> list[_Found]:
    values: dict[str, Any] = {
        f"{name}s": [row.cells[name] for row in rows]
        for name in (
            "username",
            "school_code",
            "subject",
            "grade",
            "section",
            "class_year_id",
            "from_on",
            "id",
        )
    }
    query = QUERIES["look_up_assignments"]
    return await session.fetch_all(query, values | {"today": today(asking.clock)}, into=_Found)


async def _do(session: Session, asking: Asking, row: Row, found: _Found) -> Done:
    cells = row.cells
    if found.person_id is None:
        raise wrong("username", "Nobody has this username", cells["username"])
    if found.school_id is None:
        raise wrong("school_code", "No school has this code", cells["school_code"])
    if cells["grade"] is None and cells["section"] is not None:
        raise wrong("grade", "The grade of the class is needed", cells["section"])
    if cells["grade"] is not None and found.class_id is None:
        raise wrong(
            "grade", "There is no such class at this school in this year: make it first", cells["grade"]
        )
    if cells["id"] is not None and found.assignment_id is None:
        raise wrong("id", "No assignment has this number", cells["id"])
    if found.is_another:
        rule = "The assignment with this number is another one: leave the number out, and this one begins"
        raise wrong("id", rule, cells["id"])
    if found.assignment_id is None:
        return await _begin(session, asking, row, found)
    if found.ended_at is not None:
        return _ended(asking, row, found)
    return await _change(session, asking, row, found)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


async def _begin(session: Session, asking: Asking, row: Row, found: _Found) -> Done:
    cells = row.cells
    if found.is_person_deleted:
        raise wrong("username", "This account was deleted: restore it first", cells["username"])
    if cells["state"] == "over" and not cells["to_on"]:
        raise wrong("to_on", "Say the last day of an assignment that is over", cells["state"])
    new = NewAssignment(
        found.person_id or 0,
        found.school_id or 0,
        cells["subject"],
        class_id=found.class_id,
        from_on=_day(cells["from_on"]),
        to_on=_day(cells["to_on"]),
    )
    made = await create_assignment(session, asking.actor, new, asking.clock)
    told = {"school_code", "subject", "grade", "section", "to_on"}
    after = {name: cells[name] for name in told if cells[name] is not None}
    after["from_on"] = made.from_on.isoformat()
    left = {"to_on": _told(made.to_on)}
    return Done("new", {}, after, (Kept("assignment", made.id, is_new=True, before=left),))


def _ended(asking: Asking, row: Row, found: _Found) -> Done:
    """A row of an assignment that was ended: as it was exported it says so, and nothing else is taken of it."""
    if row.cells["state"] != "over":
        rule = "This assignment was ended: give a later first day to begin it anew, or leave this row out"
        raise wrong("from_on", rule, _told(found.from_on))
    if "to_on" in asking.mapped and _day(row.cells["to_on"]) != found.to_on:
        raise wrong("to_on", "An assignment that was ended doesn't change", row.cells["to_on"])
    return UNCHANGED


async def _change(session: Session, asking: Asking, row: Row, found: _Found) -> Done:
    number, day = found.assignment_id or 0, today(asking.clock)
    to_on = _day(row.cells["to_on"]) if "to_on" in asking.mapped else found.to_on
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    kept: list[Kept] = []
    if to_on != found.to_on:
        await change_last_day(session, asking.actor, number, to_on, asking.clock)
        before["to_on"], after["to_on"] = _told(found.to_on), _told(to_on)
        left = {"to_on": _told(found.to_on), "left_to_on": _told(to_on)}
        kept.append(Kept("assignment", number, before=left))
    is_over = to_on is not None and to_on < day
    if row.cells["state"] == "over" and not is_over:
        await end_assignment(session, asking.actor, number, asking.clock)
        is_to_come = found.from_on is not None and found.from_on > day
        before["state"], after["state"] = "to_come" if is_to_come else "in_force", "over"
        kept.append(Kept("assignment", number, before={"ended_at": None}))
    return Done("changed", before, after, tuple(kept)) if kept else UNCHANGED


def _told(day: date | None) -> str | None:
    return day.isoformat() if day else None


class _Standing(msgspec.Struct, frozen=True):
    person_id: int
    is_person_in_use: bool
    role: str
    to_on: date | None
    ended_at: datetime | None
    has_worked: bool
    is_place_there: bool


async def undo_assignment(session: Session, asking: Asking, kept: Kept) -> None:
    """Takes an assignment away that a file began, or puts its days back. *Errors*: StandsOn, those of `change_last_day`."""
    asked = {"id": kept.thing_id}
    query = QUERIES["read_assignment_to_undo"]
    there = await session.fetch_one(query, asked | {"since": asking.since}, into=_Standing)
    if there is None:
        raise StandsOn("This assignment was changed since")
    if kept.is_new:
        if there.ended_at is not None or _told(there.to_on) != kept.before["to_on"]:
            raise StandsOn("This assignment was changed since")
        if there.has_worked:
            raise StandsOn("This person tested children at this school, or visited it, since")
        await session.execute(QUERIES["remove_assignment"], asked)
    elif "ended_at" in kept.before:
        await _run_again(session, there, asked)
    else:
        if there.ended_at is not None or _told(there.to_on) != kept.before["left_to_on"]:
            raise StandsOn("This assignment was changed since")
        await change_last_day(session, asking.actor, kept.thing_id, _day(kept.before["to_on"]), asking.clock)
        return
    forget_assignments(session, there.person_id)
    before = {"was_begun_by_file": kept.is_new}
    await write_audit(session, asking.actor, "undo", "assignment", kept.thing_id, before=before)


async def _run_again(session: Session, there: _Standing, asked: dict[str, Any]) -> None:
    if not there.is_person_in_use:
        raise StandsOn("This account is not in use")
    if there.role not in ASSIGNABLE:
        raise StandsOn("Only mentors and teachers are assigned to schools")
    if not there.is_place_there:
        raise StandsOn("The school or class was deleted since")
    try:
        async with session.savepoint():
            if not await session.execute(QUERIES["run_again"], asked):
                raise StandsOn("This assignment was changed since")
    except ConstraintViolated as error:
        raise StandsOn("The same was assigned to this person anew since") from error


ASSIGNMENTS = RowKind(
    "make_staged_assignments",
    _look_up,
    _do,
    key="username",
    columns={"person_id": "username", "school_id": "school_code", "class_id": "grade"},
)
