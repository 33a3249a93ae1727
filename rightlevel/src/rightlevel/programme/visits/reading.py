"""Which visits somebody may look at: one rule for reading, printing, photos, follow-ups and changing."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Protocol

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import SUBJECTS, Actor, require
from rightlevel.programme.visits import store
from rightlevel.programme.visits.model import (
    STALE_DRAFT_DAYS,
    MonthOfVisits,
    Visit,
    VisitRow,
    VisitSearch,
    reaches,
)

MAX_MONTHS = 24


class Seen(Protocol):
    """What tells who may look at a visit."""

    @property
    def school_id(self) -> int: ...

    @property
    def subject(self) -> str: ...

    @property
    def mentor_id(self) -> int: ...

    @property
    def teacher_id(self) -> int | None: ...

    @property
    def state(self) -> str: ...


def may_see(actor: Actor, visit: Seen) -> bool:
    """Whether somebody may look at a visit: leaders at all; mentors at their own and at sent ones in their schools and subjects;
    teachers at sent ones of their own lessons at their schools."""
    if actor.scope.is_everything:
        return True
    if actor.role == "teacher":
        is_theirs = visit.state == "submitted" and visit.teacher_id == actor.person_id
        return is_theirs and reaches(actor, visit.school_id, visit.subject)
    # What a mentor began stays theirs to read, but is out of reach once the school is.
    is_sent_or_own = visit.state == "submitted" or visit.mentor_id == actor.person_id
    return is_sent_or_own and reaches(actor, visit.school_id, visit.subject)


async def visible_visit(session: Session, actor: Actor, visit_id: str) -> Visit:
    """One visit. *Errors*: NotFound, also when out of reach. *Cost*: one statement."""
    if not is_uuid(visit_id):
        raise NotFound
    found = await store.find_visit(session, visit_id)
    if not may_see(actor, found):
        raise NotFound
    return found


async def read_visit(session: Session, actor: Actor, visit_id: str) -> Visit:
    """One visit. *Errors*: Forbidden; NotFound, also when out of reach."""
    require(actor, "read", "visit")
    return await visible_visit(session, actor, visit_id)


async def list_visits(
    session: Session, actor: Actor, page: PageRequest, clock: Clock, asked: VisitSearch
) -> Page[VisitRow]:
    """Visits that the actor may look at, the latest first; `incomplete` are drafts of two days ago and earlier. *Cost*: one statement."""
    require(actor, "read", "visit")
    check_search(asked)
    stale_on = today(clock) - timedelta(days=STALE_DRAFT_DAYS)
    return await store.page_of_visits(session, actor, page, asked, stale_on=stale_on)


def check_search(asked: VisitSearch) -> None:
    """Passes what can be asked for. *Errors*: Invalid."""
    faults: list[Fault] = []
    if asked.state not in (None, "draft", "submitted"):
        faults.append(Fault("state", "One of: draft, submitted", str(asked.state)[:60]))
    if asked.subject is not None and asked.subject not in SUBJECTS:
        faults.append(Fault("subject", f"One of: {', '.join(SUBJECTS)}", asked.subject[:60]))
    if faults:
        raise Invalid(faults=tuple(faults))


async def visits_per_school_month(
    session: Session, actor: Actor, *, from_on: date, to_on: date, place_id: int | None = None
) -> list[MonthOfVisits]:
    """Submitted visits by whole months, that of the first day to that of the last, beside the schools there are, and the mean fidelity.

    Practice schools count nowhere. *Cost*: one statement, from what is kept of places and months.

    *Errors*: Forbidden; Invalid for more than 24 months or the wrong way round.
    """
    require(actor, "read", "figure")
    months = (to_on.year - from_on.year) * 12 + to_on.month - from_on.month + 1
    if not 1 <= months <= MAX_MONTHS or to_on < from_on:
        raise Invalid(faults=(Fault("to_on", "Between 1 and 24 months", str(to_on)),))
    return await store.months_of_visits(session, actor, from_on=from_on, to_on=to_on, place_id=place_id)
