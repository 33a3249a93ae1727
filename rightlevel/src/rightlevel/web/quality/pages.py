"""Each day's tests by who made them: who asks to be looked into and why, and the tests behind it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme.levels import scale_now, scale_of_round
from rightlevel.programme.permissions import SUBJECTS, May, Subject
from rightlevel.programme.quality import (
    AssessorTestsQuery,
    QualityQuery,
    assessors_of_day,
    last_day_of_tests,
    tests_of_assessor,
)
from rightlevel.web.figures.pages import address_at, where_of
from rightlevel.web.request import Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import render

routes = Routes("pages")
ROWS = PageLimit(50)
OF_SCHOOL = PageRequest(200)
"""Who tests at one school on one day: more than that nobody has seen."""


class QualityWanted(msgspec.Struct, frozen=True):
    """Whose tests: of a day, a subject, somewhere; all, or only where there is something to look at."""

    on: date | None = None
    subject: str = ""
    place: int | None = None
    school: int | None = None
    flagged: str = ""


def address(query: QualityWanted, **changes: Any) -> str:
    """The address of another day or place."""
    return address_at("/data-quality", query, **changes)


@routes.get("/data-quality", May("read", "data_quality"), page=ROWS)
async def data_quality_page(request: Request, *, query: QualityWanted, page: PageRequest) -> Html:
    """Who tested on a day, with what to look into; where no day is asked for and nobody tested today, on the last day with tests."""
    subject: Subject | None = next((each for each in SUBJECTS if each == query.subject), None)
    now = today(request.clock)
    wanted = QualityQuery(query.on, query.place, query.school, subject, only_flagged=bool(query.flagged))
    last = (
        None
        if query.on
        else await last_day_of_tests(request.session, actor_of(request), wanted, request.clock)
    )
    day = query.on or last or now
    query, asked = msgspec.structs.replace(query, on=day), msgspec.structs.replace(wanted, on=day)
    found = await assessors_of_day(request.session, actor_of(request), asked, page, request.clock)
    return render(
        request,
        "quality/day.html",
        query=query,
        page=found,
        days=[
            (each, _tests_at(AssessorTestsQuery(day, each.school_id, each.assessor_id, each.subject)))
            for each in found.items
        ],
        before=address(query, on=day - timedelta(days=1)) if day > date.min else None,
        after=address(query, on=day + timedelta(days=1)) if day < now else None,
        is_earlier=last is not None and last < now,
        printed_on=now,
        **await where_of(request, query, address),
    )


@routes.get("/data-quality/tests", May("read", "data_quality"), page=ROWS)
async def assessor_tests_page(request: Request, *, query: AssessorTestsQuery, page: PageRequest) -> Html:
    """The tests of one person on a day, each with its child and what to look into."""
    actor = actor_of(request)
    found = await tests_of_assessor(request.session, actor, query, page)
    wanted = QualityWanted(query.on, school=query.school_id)
    asked = QualityQuery(query.on, school_id=query.school_id, subject=query.subject)
    days = await assessors_of_day(request.session, actor, asked, OF_SCHOOL, request.clock)
    first = next((each.round_id for each in found.items), None)
    scale = scale_now(query.subject) if first is None else scale_of_round(first, query.subject)
    return render(
        request,
        "quality/tests.html",
        query=query,
        page=found,
        ranks=scale.ranks,
        scale=scale,
        back=address(wanted),
        day=next((each for each in days.items if each.assessor_id == query.assessor_id), None),
        **await where_of(request, wanted, address),
    )


def _tests_at(asked: AssessorTestsQuery) -> str:
    return address_at("/data-quality/tests", asked)
