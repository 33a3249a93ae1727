"""Planned visits, what is overdue, and a mentor's next week."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.days import COMING
from rightlevel.programme.errors import Conflict, Fault, Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import SUBJECTS, Actor, require
from rightlevel.programme.visits import plan_store
from rightlevel.programme.visits.model import (
    MAX_REASON,
    NewPlannedVisit,
    PlannedVisit,
    reaches,
    reason_faults,
)
from rightlevel.programme.visits.next_week import NextWeek, WeekRules, rules_faults
from rightlevel.programme.visits.plan_store import ToDo

WHICH: Final = ("planned", "overdue", "all")
LEADERS: Final = ("admin", "coordinator")


class AlreadyPlanned(Conflict):
    """This visit is planned for this day already."""

    code = "already_planned"


class NotPlannedAnyMore(Conflict):
    """This visit was made or cancelled already."""

    code = "not_planned_any_more"


async def plan_visit(session: Session, actor: Actor, new: NewPlannedVisit, clock: Clock) -> PlannedVisit:
    """A planned visit; mentors plan their own, leaders anybody's. The same id again gets the same answer.

    *Errors*: Forbidden; OutOfScope; Invalid; AlreadyPlanned. *Cost*: four statements.
    """
    require(actor, "plan", "visit")
    mentor_id = actor.person_id if new.mentor_id is None else new.mentor_id
    _require_own(actor, mentor_id)
    faults = _faults(new, today(clock))
    if faults:
        raise Invalid(faults=tuple(faults))
    if not reaches(actor, new.school_id, new.subject):
        raise OutOfScope
    if not await plan_store.may_go(
        session, mentor_id=mentor_id, school_id=new.school_id, subject=new.subject, planned_on=new.planned_on
    ):
        raise Invalid(faults=(Fault("mentor_id", "A mentor of this school and subject", str(mentor_id)),))
    values = {
        **msgspec.structs.asdict(new),
        "note": new.note.strip(),
        "mentor_id": mentor_id,
        "person_id": actor.person_id,
        "now": clock.now(),
    }
    if not await plan_store.insert_planned(session, values):
        return await _same(session, new, mentor_id)
    after = {"school_id": new.school_id, "mentor_id": mentor_id, "planned_on": new.planned_on}
    await write_audit(session, actor, "create", "planned_visit", new.id, after=after)
    return await plan_store.find_planned(session, new.id)


def _faults(new: NewPlannedVisit, now: date) -> list[Fault]:
    faults: list[Fault] = [] if is_uuid(new.id) else [Fault("id", "A UUID", new.id[:60])]
    if new.subject not in SUBJECTS:
        faults.append(Fault("subject", f"One of: {', '.join(SUBJECTS)}", new.subject[:60]))
    if len(new.note) > MAX_REASON:
        faults.append(Fault("note", f"At most {MAX_REASON} characters"))
    return faults + _day_faults(new.planned_on, now)


def _day_faults(planned_on: date, now: date) -> list[Fault]:
    return COMING.faults("planned_on", planned_on, now)


def _require_own(actor: Actor, mentor_id: int) -> None:
    if mentor_id != actor.person_id and actor.role not in LEADERS:
        raise Forbidden("Only a coordinator plans the visits of others.")


async def _same(session: Session, new: NewPlannedVisit, mentor_id: int) -> PlannedVisit:
    try:
        there = await plan_store.find_planned(session, new.id)
    except NotFound as error:
        raise AlreadyPlanned from error
    if (there.school_id, there.subject, there.mentor_id) != (new.school_id, new.subject, mentor_id):
        raise Conflict
    return there


async def move_planned_visit(
    session: Session, actor: Actor, planned_id: str, *, planned_on: date, version: int, clock: Clock
) -> PlannedVisit:
    """A planned visit on another day. *Errors*: NotFound, Forbidden, Invalid, NotPlannedAnyMore, Stale."""
    held = await _held(session, actor, planned_id)
    faults = _day_faults(planned_on, today(clock))
    if faults:
        raise Invalid(faults=tuple(faults))
    if not await plan_store.move_planned(session, planned_id, version, planned_on, clock.now()):
        raise Stale(current=msgspec.to_builtins(held))
    before, after = {"planned_on": held.planned_on}, {"planned_on": planned_on}
    await write_audit(session, actor, "change", "planned_visit", planned_id, before=before, after=after)
    return await plan_store.find_planned(session, planned_id)


async def cancel_planned_visit(
    session: Session, actor: Actor, planned_id: str, *, reason: str, version: int, clock: Clock
) -> PlannedVisit:
    """A planned visit that won't be made, and why. *Errors*: NotFound, Forbidden, Invalid, NotPlannedAnyMore, Stale."""
    held = await _held(session, actor, planned_id)
    faults = reason_faults(reason)
    if faults:
        raise Invalid(faults=tuple(faults))
    if not await plan_store.cancel_planned(session, planned_id, version, reason.strip(), clock.now()):
        raise Stale(current=msgspec.to_builtins(held))
    await write_audit(session, actor, "cancel", "planned_visit", planned_id, reason=reason.strip())
    return await plan_store.find_planned(session, planned_id)


async def _held(session: Session, actor: Actor, planned_id: str) -> PlannedVisit:
    require(actor, "plan", "visit")
    if not is_uuid(planned_id):
        raise NotFound
    held = await plan_store.find_planned(session, planned_id, is_held=True)
    if held.mentor_id != actor.person_id and not reaches(actor, held.school_id, held.subject):
        raise NotFound
    _require_own(actor, held.mentor_id)
    if held.state != "planned":
        raise NotPlannedAnyMore(current=msgspec.to_builtins(held))
    return held


async def list_planned_visits(
    session: Session,
    actor: Actor,
    page: PageRequest,
    clock: Clock,
    *,
    which: str = "planned",
    mentor_id: int | None = None,
    school_id: int | None = None,
) -> Page[PlannedVisit]:
    """Planned visits in scope by day: those still `planned`, those `overdue`, or `all`. *Cost*: one statement."""
    require(actor, "read", "planned_visit")
    if which not in WHICH:
        raise Invalid(faults=(Fault("which", f"One of: {', '.join(WHICH)}", which[:60]),))
    return await plan_store.page_of_planned(
        session, actor, page, today=today(clock), which=which, mentor_id=mentor_id, school_id=school_id
    )


async def rank_next_week(
    session: Session, actor: Actor, clock: Clock, *, mentor_id: int | None = None
) -> NextWeek:
    """A mentor's schools by how much a visit is called for, with the reasons; mentors see their own, leaders anybody's. *Cost*: two statements."""
    require(actor, "read", "planned_visit")
    whose = actor.person_id if mentor_id is None else mentor_id
    if whose != actor.person_id and actor.role not in LEADERS:
        raise Forbidden
    rules = await plan_store.read_rules(session)
    return NextWeek(
        whose, today(clock), rules, await plan_store.rank_schools(session, whose, rules, today(clock))
    )


async def set_week_rules(session: Session, actor: Actor, rules: WeekRules) -> WeekRules:
    """The rules by which next week is ranked from now on. *Errors*: Forbidden, Invalid."""
    require(actor, "change", "week_rules")
    faults = rules_faults(rules)
    if faults:
        raise Invalid(faults=tuple(faults))
    before = msgspec.to_builtins(await plan_store.read_rules(session))
    await plan_store.keep_rules(session, rules)
    await write_audit(
        session, actor, "change", "setting", "next_week", before=before, after=msgspec.to_builtins(rules)
    )
    return rules


async def to_do_of(session: Session, actor: Actor, clock: Clock) -> ToDo:
    """What waits for a mentor: overdue visits, drafts, follow-ups. *Cost*: one statement."""
    require(actor, "read", "planned_visit")
    return await plan_store.count_to_do(session, actor, today(clock))
