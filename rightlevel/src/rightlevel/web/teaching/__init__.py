"""Sessions held, attendance, and what children were taught."""

from __future__ import annotations

import msgspec

from flatwater.paging import PageLimit
from rightlevel.programme import teaching
from rightlevel.programme.permissions import May
from rightlevel.web.feature import Deeds, Filters
from rightlevel.web.request import CLASS_BODY, ByUuid, Request, actor_of
from rightlevel.web.teaching import pages


class OneSession(msgspec.Struct, frozen=True):
    """A session with its attendance."""

    session: teaching.SessionRow
    marks: list[teaching.SheetMark]


class DoseSearch(msgspec.Struct, frozen=True):
    """Of which school and subject."""

    school_id: int
    subject: str
    school_year_id: int | None = None


class OfGroup(msgspec.Struct, frozen=True):
    """What a group was taught, with its attendance: (present + late) ÷ marked, null of nothing; who was not marked (`expected` - `marked`) is not absent."""

    dose: teaching.GroupDose
    attendance: float | None


class OfGroups(msgspec.Struct, frozen=True):
    """Every group in use of a school; none of a practice school."""

    groups: list[OfGroup]
    attendance: float | None


routes = Deeds("teaching", "teaching", deeds={"change": "record"})
routes.answers(
    "record_one_session",
    "POST /api/v1/teaching-sessions",
    teaching.record_session,
    teaching.SessionWrite,
    body_bytes=CLASS_BODY,
    statuses={409: "there is one, or a newer version: with both"},
    says="Saves a session with the attendance of its whole group, or corrects that day's; each mark is answered by itself.",
)
routes.answers("list_teaching_sessions", "GET /api/v1/teaching-sessions", teaching.list_sessions, Filters)
routes.answers(
    "list_dose_of_children",
    "GET /api/v1/groups/{id}/dose",
    teaching.dose_of_children,
    Filters,
    page=PageLimit(50),
    says="What each child of a group was taught in a year beside how it moved.",
)
routes.answers(
    "list_dose_of_schools",
    "GET /api/v1/dose/schools",
    teaching.dose_of_schools,
    Filters,
    page=PageLimit(50),
)
routes.include(pages.routes)


@routes.get("/api/v1/teaching-sessions/{id}", May("read", "teaching"))
async def read_teaching_session(request: Request, *, path: ByUuid) -> OneSession:
    """A session with its attendance."""
    return OneSession(*await teaching.read_session(request.session, actor_of(request), path.id))


@routes.get("/api/v1/dose/groups", May("read", "teaching"))
async def read_dose_of_groups(request: Request, *, query: DoseSearch) -> OfGroups:
    """What each group of a school was taught in a year beside how its children moved."""
    rows = await teaching.dose_of_groups(
        request.session,
        actor_of(request),
        query.school_id,
        query.subject,
        school_year_id=query.school_year_id,
    )
    whole = teaching.attendance_share(sum(row.attended for row in rows), sum(row.marked for row in rows))
    return OfGroups([OfGroup(row, row.attendance) for row in rows], whole)
