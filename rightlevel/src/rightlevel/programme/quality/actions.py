"""What is asked of a day's tests: who tested where and what to look into, and the tests behind it."""

from __future__ import annotations

from datetime import date

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import OutOfScope
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.quality import store
from rightlevel.programme.quality.model import (
    AssessorDay,
    AssessorTestsQuery,
    LookedAtTest,
    QualityQuery,
    looked_at,
)


async def assessors_of_day(
    session: Session, actor: Actor, asked: QualityQuery, page: PageRequest, clock: Clock
) -> Page[AssessorDay]:
    """Who tested on a day, school by school, with what to look into; of the schools and subjects that the actor holds as a whole.

    With `only_flagged` a page is short where few have something to look at. Practice schools are not there. A mentor is told nothing of what a
    re-test that waits would be judged by.

    *Errors*: Forbidden, OutOfScope. *Cost*: one statement over the tests of the page, however many there are of other days.
    """
    require(actor, "read", "data_quality")
    if asked.school_id is not None and not actor.scope.reaches_school(asked.school_id):
        raise OutOfScope
    on = asked.on or today(clock)
    found = await store.page_of_assessors(session, actor, asked, on, page)
    days = [looked_at(each, on) for each in found.items]
    return Page([each for each in days if each.looks or not asked.only_flagged], found.next)


async def last_day_of_tests(session: Session, actor: Actor, asked: QualityQuery, clock: Clock) -> date | None:
    """The latest day, today at most, on which somebody tested at the schools that the actor holds as a whole, in the programme where a place is
    asked for; None where nobody has for a term. *Errors*: Forbidden. *Cost*: one statement."""
    require(actor, "read", "data_quality")
    return await store.last_day_of_tests(session, actor, asked, today(clock))


async def tests_of_assessor(
    session: Session, actor: Actor, asked: AssessorTestsQuery, page: PageRequest
) -> Page[LookedAtTest]:
    """The tests that one person made on a day at a school in a subject, each with its child.

    *Errors*: Forbidden, OutOfScope. *Cost*: one statement over those tests.
    """
    require(actor, "read", "data_quality")
    if not actor.scope.is_everything and asked.school_id not in actor.scope.whole_schools(asked.subject):
        raise OutOfScope
    return await store.page_of_tests(session, actor, asked, page)
