"""Sessions, attendance and dose over HTTP."""

from __future__ import annotations

import msgspec

from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.teaching import (
    ChildDose,
    GroupDose,
    SchoolDose,
    SessionAnswer,
    SessionRow,
    SessionWrite,
    SheetMark,
    attendance_share,
    dose_of_children,
    dose_of_groups,
    dose_of_schools,
    list_sessions,
    read_session,
    record_session,
)
from rightlevel.web.call import CLASS_BODY, Ask, ById, ByUuid, actor_of
from rightlevel.web.routes import Routes

routes = Routes("teaching")


class SessionSearch(msgspec.Struct, frozen=True):
    """Of which school and subject, and of which group if told."""

    school_id: int
    subject: str
    group_id: int | None = None


class OneSession(msgspec.Struct, frozen=True):
    """A session with its attendance."""

    session: SessionRow
    marks: list[SheetMark]


class DoseSearch(msgspec.Struct, frozen=True):
    """Of which school and subject."""

    school_id: int
    subject: str
    school_year_id: int | None = None


class SubjectWanted(msgspec.Struct, frozen=True):
    """In which subject, and of which school year."""

    subject: str
    school_year_id: int | None = None


class YearWanted(msgspec.Struct, frozen=True):
    """Of which school year; without one the last in which there was something."""

    school_year_id: int | None = None


class OfGroup(msgspec.Struct, frozen=True):
    """What a group was taught, with its attendance: (present + late) ÷ marked, null of nothing; who was not marked (`expected` - `marked`) is not absent."""

    dose: GroupDose
    attendance: float | None


class OfGroups(msgspec.Struct, frozen=True):
    """Every group in use of a school; none of a practice school."""

    groups: list[OfGroup]
    attendance: float | None


@routes.post(
    "/api/v1/teaching-sessions",
    May("record", "teaching"),
    body_bytes=CLASS_BODY,
    statuses={409: "there is one, or a newer version: with both"},
)
async def record_one_session(call: Ask, *, body: SessionWrite) -> SessionAnswer:
    """Saves a session with the attendance of its whole group, or corrects that day's; each mark is answered by itself."""
    return await record_session(call.session, actor_of(call), body, call.clock)


@routes.get("/api/v1/teaching-sessions", May("read", "teaching"))
async def list_teaching_sessions(call: Ask, *, query: SessionSearch, page: PageRequest) -> Page[SessionRow]:
    """The sessions of a school (and group) in a subject, newest first."""
    return await list_sessions(
        call.session,
        actor_of(call),
        page,
        school_id=query.school_id,
        subject=query.subject,
        group_id=query.group_id,
    )


@routes.get("/api/v1/teaching-sessions/{id}", May("read", "teaching"))
async def read_teaching_session(call: Ask, *, path: ByUuid) -> OneSession:
    """A session with its attendance."""
    row, marks = await read_session(call.session, actor_of(call), path.id)
    return OneSession(row, marks)


@routes.get("/api/v1/groups/{id}/dose", May("read", "teaching"), page=PageLimit(50))
async def list_dose_of_children(
    call: Ask, *, path: ById, query: YearWanted, page: PageRequest
) -> Page[ChildDose]:
    """What each child of a group was taught in a year beside how it moved."""
    return await dose_of_children(
        call.session, actor_of(call), path.id, page, school_year_id=query.school_year_id
    )


@routes.get("/api/v1/dose/groups", May("read", "teaching"))
async def read_dose_of_groups(call: Ask, *, query: DoseSearch) -> OfGroups:
    """What each group of a school was taught in a year beside how its children moved."""
    rows = await dose_of_groups(
        call.session, actor_of(call), query.school_id, query.subject, school_year_id=query.school_year_id
    )
    whole = attendance_share(sum(row.attended for row in rows), sum(row.marked for row in rows))
    return OfGroups([OfGroup(row, row.attendance) for row in rows], whole)


@routes.get("/api/v1/dose/schools", May("read", "teaching"), page=PageLimit(50))
async def list_dose_of_schools(call: Ask, *, query: SubjectWanted, page: PageRequest) -> Page[SchoolDose]:
    """What the caller's schools taught in a subject in a year, by name; practice schools are left out."""
    return await dose_of_schools(
        call.session, actor_of(call), query.subject, page, school_year_id=query.school_year_id
    )
