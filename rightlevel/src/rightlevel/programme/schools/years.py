"""What is done to school years."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Conflict, Fault, InUse, Invalid, NotFound, Stale
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.schools import store
from rightlevel.programme.schools.model import NewYear, SchoolYear, YearChange, year_faults
from rightlevel.programme.schools.store import current_year, read_grades

__all__ = [
    "change_year",
    "create_year",
    "current_year",
    "delete_year",
    "list_years",
    "read_grades",
    "read_year",
    "restore_year",
]


class YearPastOutside(Conflict):
    """{sessions} sessions, {visits} visits and {moves} moves of children lie in the days that this year would lose. Confirm it if the days are right."""

    code = "year_past_outside"


class YearIsCurrent(Conflict):
    """This is the year we are in, and children are entered into it. Make another year the current one first."""

    code = "year_is_current"


async def list_years(
    session: Session, actor: Actor, page: PageRequest, *, deleted: bool = False
) -> Page[SchoolYear]:
    """School years, newest first. *Cost*: one statement."""
    require(actor, "restore" if deleted else "read", "school_year")
    return await store.page_of_years(session, page, deleted=deleted)


async def read_year(session: Session, actor: Actor, year_id: int) -> SchoolYear:
    """One school year. *Errors*: NotFound."""
    require(actor, "read", "school_year")
    return await store.find_year(session, year_id)


async def create_year(session: Session, actor: Actor, new: NewYear) -> SchoolYear:
    """A new school year; as the current one it takes another's turn. *Errors*: Invalid, AlreadyTaken."""
    require(actor, "create", "school_year")
    faults = year_faults(new.name, new.starts_on, new.ends_on)
    if faults:
        raise Invalid(faults=tuple(faults))
    if new.is_current:
        await store.no_year_is_current(session, but=0)
    fields = {**msgspec.structs.asdict(new), "name": new.name.strip()}
    try:
        year_id = await store.insert_year(session, fields)
    except ConstraintViolated as error:
        raise _collision(error, new.name) from error
    await write_audit(session, actor, "create", "school_year", year_id, after=msgspec.to_builtins(new))
    return await store.find_year(session, year_id)


def _collision(error: ConstraintViolated, name: str) -> Exception:
    if error.constraint == "school_years_do_not_overlap":
        return Invalid(faults=(Fault("starts_on", "Another school year has some of these days"),))
    return AlreadyTaken(
        faults=(Fault("name", "Another school year has this name (it may have been removed)", name),)
    )


async def change_year(session: Session, actor: Actor, year_id: int, change: YearChange) -> SchoolYear:
    """Changes name, days, or which year is current. *Errors*: NotFound, Stale with both, Invalid (also where a round of it would lie outside),
    AlreadyTaken; YearIsCurrent where none would be current any more; YearPastOutside with the numbers unless confirmed.
    """
    require(actor, "change", "school_year")
    year = await store.find_year(session, year_id, for_update=True)
    fields: dict[str, Any] = {
        "name": year.name if change.name is None else change.name.strip(),
        "starts_on": change.starts_on or year.starts_on,
        "ends_on": change.ends_on or year.ends_on,
        "is_current": year.is_current if change.is_current is None else change.is_current,
    }
    faults = year_faults(fields["name"], fields["starts_on"], fields["ends_on"])
    if faults:
        raise Invalid(faults=tuple(faults))
    if year.is_current and not fields["is_current"]:
        raise YearIsCurrent
    await _require_room(session, year, fields["starts_on"], fields["ends_on"], confirm=change.confirm)
    if fields["is_current"]:
        await store.no_year_is_current(session, but=year_id)
    try:
        changed = await store.change_year_row(session, year_id, change.version, fields)
    except ConstraintViolated as error:
        raise _collision(error, fields["name"]) from error
    if not changed:
        raise Stale(current=msgspec.to_builtins(year), yours=msgspec.to_builtins(change))
    before = {name: msgspec.to_builtins(getattr(year, name)) for name in fields}
    await write_audit(
        session, actor, "change", "school_year", year_id, before=before, after=msgspec.to_builtins(fields)
    )
    return await store.find_year(session, year_id)


async def _require_room(
    session: Session, year: SchoolYear, starts_on: date, ends_on: date, *, confirm: bool
) -> None:
    """Passes when every round of the year stays within it, and what else lies outside is confirmed. *Errors*: Invalid, YearPastOutside."""
    if starts_on <= year.starts_on and ends_on >= year.ends_on:
        return
    faults = [
        Fault(
            "starts_on" if each.starts_on < starts_on else "ends_on",
            f"The {each.kind} of this year lasts from {each.starts_on} to {each.ends_on}",
        )
        for each in await store.rounds_outside(session, year.id, starts_on, ends_on)
    ]
    if faults:
        raise Invalid(faults=tuple(faults))
    past = await store.past_outside(session, year, starts_on, ends_on)
    if not confirm and (past.sessions or past.visits or past.moves):
        raise YearPastOutside(sessions=past.sessions, visits=past.visits, moves=past.moves)


async def delete_year(session: Session, actor: Actor, year_id: int, *, reason: str, clock: Clock) -> None:
    """Takes a school year out of use, restorably. *Errors*: NotFound, InUse while rounds, classes or children stand in it, YearIsCurrent."""
    require(actor, "delete", "school_year")
    year = await store.find_year(session, year_id, for_update=True)
    if await store.count_year_uses(session, year_id):
        raise InUse("This school year has rounds, classes or children, so it can’t be removed.")
    if year.is_current:
        raise YearIsCurrent
    if not await store.delete_row(
        session, "year", year_id, by=actor.person_id, reason=reason, now=clock.now()
    ):
        raise NotFound
    await write_audit(session, actor, "delete", "school_year", year_id, reason=reason)


async def restore_year(session: Session, actor: Actor, year_id: int) -> SchoolYear:
    """Brings a school year back. *Errors*: NotFound; Invalid when another has its days by now."""
    require(actor, "restore", "school_year")
    try:
        if not await store.restore_row(session, "year", year_id):
            raise NotFound
    except ConstraintViolated as error:
        raise _collision(error, "") from error
    await write_audit(session, actor, "restore", "school_year", year_id)
    return await store.find_year(session, year_id)
