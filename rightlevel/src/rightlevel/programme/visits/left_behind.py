"""Drafts and plans of mentors who lost the school or left: leaders hand them over or close them, the school's new mentor takes them over."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.visits import plan_store, store
from rightlevel.programme.visits.model import PlannedVisit, Visit, reaches
from rightlevel.programme.visits.planning import LEADERS, AlreadyPlanned, NotPlannedAnyMore
from rightlevel.programme.visits.store import Choice, scope_values

_queries = load_queries(__package__ or "", "left_behind.sql")
KINDS: Final = ("visit", "planned_visit")


class LeftBehind(msgspec.Struct, frozen=True):
    """A draft (`visit`) or a plan (`planned_visit`) whose mentor does not work at its school for its subject any more."""

    kind: str
    id: str
    school_id: int
    school_name: str
    subject: str
    mentor_id: int
    mentor_name: str
    day: date
    version: int


class HandOver(msgspec.Struct, frozen=True):
    """To whom a draft or a plan goes: None is whoever asks, who then takes it over."""

    version: int
    mentor_id: int | None = None


async def list_left_behind(
    session: Session, actor: Actor, page: PageRequest, clock: Clock
) -> Page[LeftBehind]:
    """What mentors left behind, by day: for leaders everywhere, for a mentor at the schools and subjects they hold. *Cost*: one statement."""
    require(actor, "plan", "visit")
    after = page.key(tuple[date, str])
    return page_of(
        await _left(session, actor, clock, rows=page.rows_to_ask, after=after),
        page,
        lambda row: (row.day, row.id),
    )


async def _left(
    session: Session,
    actor: Actor,
    clock: Clock,
    *,
    rows: int,
    after: tuple[date, str] | None = None,
    one: str | None = None,
) -> list[LeftBehind]:
    held = {"held_schools": None} if actor.scope.is_everything else {}
    values: dict[str, Any] = {
        **scope_values(actor),
        **held,
        "today": today(clock),
        "id": one,
        "after_on": after[0] if after else None,
        "after_id": after[1] if after else None,
        "rows": rows,
    }
    return await session.fetch_all(_queries["list_left"], values, into=LeftBehind)


async def mentors_of_school(
    session: Session, actor: Actor, school_id: int, subject: str, clock: Clock
) -> list[Choice]:
    """To whom a leader may hand over what was left at a school; at most 200. *Errors*: Forbidden."""
    require(actor, "plan", "visit")
    if actor.role not in LEADERS:
        raise Forbidden
    values = {"school_id": school_id, "subject": subject, "today": today(clock)}
    return await session.fetch_all(_queries["mentors_of_school"], values, into=Choice)


async def hand_over_visit(session: Session, actor: Actor, visit_id: str, to: HandOver, clock: Clock) -> Visit:
    """A draft in other hands: a leader gives any draft to a mentor of its school and subject, a mentor takes over what was left there.

    *Errors*: Forbidden; NotFound; OutOfScope; Invalid; Stale. *Cost*: five statements.
    """
    held = await store.hold_visit(session, visit_id) if is_uuid(visit_id) else None
    if held is None or held.state != "draft":
        raise NotFound
    mentor_id = await _receiver(
        session, actor, which=held.id, school_id=held.school_id, subject=held.subject, to=to, clock=clock
    )
    values = {"id": held.id, "mentor_id": mentor_id, "version": to.version, "now": clock.now()}
    if not await session.execute(_queries["hand_over_visit"], values):
        raise Stale(current={"version": held.version, "mentor_id": held.mentor_id})
    await _audit(session, actor, kind="visit", which=held.id, before=held.mentor_id, after=mentor_id)
    return await store.find_visit(session, held.id)


async def hand_over_planned_visit(
    session: Session, actor: Actor, planned_id: str, to: HandOver, clock: Clock
) -> PlannedVisit:
    """A planned visit in other hands; otherwise as `hand_over_visit`. *Errors*: also AlreadyPlanned, NotPlannedAnyMore."""
    if not is_uuid(planned_id):
        raise NotFound
    held = await plan_store.find_planned(session, planned_id, is_held=True)
    mentor_id = await _receiver(
        session, actor, which=held.id, school_id=held.school_id, subject=held.subject, to=to, clock=clock
    )
    if held.state != "planned":
        raise NotPlannedAnyMore(current=msgspec.to_builtins(held))
    values = {"id": held.id, "mentor_id": mentor_id, "version": to.version, "now": clock.now()}
    try:
        async with session.savepoint():
            moved = await session.execute(_queries["hand_over_planned"], values)
    except ConstraintViolated as error:
        raise AlreadyPlanned from error
    if not moved:
        raise Stale(current=msgspec.to_builtins(held))
    await _audit(session, actor, kind="planned_visit", which=held.id, before=held.mentor_id, after=mentor_id)
    return await plan_store.find_planned(session, held.id)


async def _receiver(
    session: Session, actor: Actor, which: str, school_id: int, subject: str, to: HandOver, clock: Clock
) -> int:
    """Who gets it, if the actor may give or take it."""
    require(actor, "plan", "visit")
    mentor_id = actor.person_id if to.mentor_id is None else to.mentor_id
    if actor.role not in LEADERS:
        if mentor_id != actor.person_id:
            raise Forbidden("Only a coordinator hands over what others began.")
        if not await _left(session, actor, clock, rows=1, one=which):
            raise NotFound
        if not reaches(actor, school_id, subject):
            raise OutOfScope
    elif not await plan_store.may_go(
        session, mentor_id=mentor_id, school_id=school_id, subject=subject, planned_on=today(clock)
    ):
        raise Invalid(faults=(Fault("mentor_id", "A mentor of this school and subject", str(mentor_id)),))
    return mentor_id


async def _audit(session: Session, actor: Actor, kind: str, which: str, before: int, after: int) -> None:
    await write_audit(
        session,
        actor,
        "hand_over",
        kind,
        which,
        before={"mentor_id": before},
        after={"mentor_id": after},
    )
