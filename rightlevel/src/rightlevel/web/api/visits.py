"""Visits over HTTP: drafts, sending, locks, follow-ups, the plan, next week, photos."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from flatwater.contract import Created, Raw, Streamed, Upload
from flatwater.paging import Page, PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.photos import Photo, list_photos, remove_photo
from rightlevel.programme.visits import (
    FollowUp,
    LockAnswer,
    MonthOfVisits,
    NewFollowUp,
    NewPlannedVisit,
    NextWeek,
    PlannedVisit,
    SavedVisit,
    Visit,
    VisitRow,
    VisitSearch,
    VisitWrite,
    WeekRules,
    begin_export,
    cancel_planned_visit,
    close_follow_up,
    delete_visit,
    list_follow_ups,
    list_planned_visits,
    list_visits,
    lock_visits,
    lock_visits_of_school,
    move_planned_visit,
    plan_visit,
    raise_follow_up,
    rank_next_week,
    read_visit,
    save_visit,
    set_week_rules,
    visits_csv,
    visits_per_school_month,
)
from rightlevel.web.authority import write_as
from rightlevel.web.call import CLASS_BODY, READ_S, SMALL_BODY, WRITE_S, Ask, ByUuid, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent_photos import PHOTO_BODY, PHOTO_S, SentPhoto, add_photo

routes = Routes("visits")

VISIT_BODY = 4 * SMALL_BODY
"""Answers of 60,000 characters, written out in JSON."""


class SentVisit(msgspec.Struct, frozen=True):
    """A visit as it is sent. `write_id` is a UUID made for this one write; version 0 is a new visit; `submit` sends it for good.

    *Shape*: answers by the keys of the form. A new visit is asked the version in use, unless `form_version_id` says which one the device
    had while it was offline; later on a visit keeps its version. `after` are the write ids of tries that got no answer: this write goes on
    from whichever of them arrived all the same, and is not taken for stale.
    """

    write_id: str
    school_id: int
    subject: str
    visited_on: date
    answers: dict[str, Any] = {}
    teacher_id: int | None = None
    version: int = 0
    submit: bool = False
    form_version_id: int | None = None
    after: tuple[str, ...] = ()


class VisitDeletion(msgspec.Struct, frozen=True):
    """Which version is taken away, and why."""

    version: int
    reason: str = ""


class Locks(msgspec.Struct, frozen=True):
    """Up to 1,000 visits to lock or unlock, and why."""

    visit_ids: list[str]
    reason: str
    lock: bool = True


class SchoolLock(msgspec.Struct, frozen=True):
    """A school's submitted visits of a time to lock or unlock, and why."""

    school_id: int
    from_on: date
    to_on: date
    reason: str
    lock: bool = True


class LockAnswers(msgspec.Struct, frozen=True):
    """What became of each visit, in the order sent."""

    answers: list[LockAnswer]


class Changed(msgspec.Struct, frozen=True):
    """How many visits changed."""

    changed: int


class FollowUpSearch(msgspec.Struct, frozen=True):
    """Which follow-ups are asked for: `open`, `overdue` or `closed`; one's own; of a school; of a visit, all."""

    which: str = "open"
    own: bool = False
    school_id: int | None = None
    visit_id: str | None = None


class Ending(msgspec.Struct, frozen=True):
    """How a follow-up ended, `done` or `cancelled`, in words."""

    version: int
    state: str
    words: str


class PlanSearch(msgspec.Struct, frozen=True):
    """Which planned visits are asked for: `planned`, `overdue` or `all`."""

    which: str = "planned"
    mentor_id: int | None = None
    school_id: int | None = None


class NewDay(msgspec.Struct, frozen=True):
    """Another day for a planned visit."""

    version: int
    planned_on: date


class WhyNot(msgspec.Struct, frozen=True):
    """Why a planned visit won't be made."""

    version: int
    reason: str


class WeekSearch(msgspec.Struct, frozen=True):
    """Whose week; one's own if not told."""

    mentor_id: int | None = None


class MonthsSearch(msgspec.Struct, frozen=True):
    """Which months, at most 24; below one place if told."""

    from_on: date
    to_on: date
    place_id: int | None = None


class Months(msgspec.Struct, frozen=True):
    """Visits by month. Visits per school-month are visits over schools."""

    months: list[MonthOfVisits]


class Photos(msgspec.Struct, frozen=True):
    """At most five photos."""

    photos: list[Photo]


@routes.get("/api/v1/visits", May("read", "visit"))
async def list_all_visits(call: Ask, *, query: VisitSearch, page: PageRequest) -> Page[VisitRow]:
    """Visits that the caller may look at, the latest first."""
    return await list_visits(call.session, actor_of(call), page, call.clock, query)


@routes.get("/api/v1/visits/{id}", May("read", "visit"))
async def read_one_visit(call: Ask, *, path: ByUuid) -> Visit:
    """One visit, whole."""
    return await read_visit(call.session, actor_of(call), path.id)


@routes.put("/api/v1/visits/{id}", May("change", "visit"), body_bytes=VISIT_BODY)
async def save_one_visit(call: Ask, *, path: ByUuid, body: SentVisit) -> SavedVisit:
    """Saves a draft, sends a visit, or corrects one that was sent; the same write again gets the same answer."""
    write = VisitWrite(
        path.id,
        body.write_id,
        body.school_id,
        body.subject,
        body.visited_on,
        body.answers,
        body.teacher_id,
        body.version,
        body.form_version_id,
        body.after,
    )
    return await save_visit(call.session, actor_of(call), write, call.clock, is_submitting=body.submit)


@routes.delete("/api/v1/visits/{id}", May("delete", "visit"))
async def delete_one_visit(call: Ask, *, path: ByUuid, query: VisitDeletion) -> None:
    """Takes a visit away: mentors their own drafts, leaders any, with a reason."""
    await delete_visit(
        call.session, actor_of(call), path.id, version=query.version, reason=query.reason, clock=call.clock
    )


@routes.post("/api/v1/visits/locks", May("lock", "visit"), body_bytes=CLASS_BODY)
async def lock_many_visits(call: Ask, *, body: Locks) -> LockAnswers:
    """Locks or unlocks up to 1,000 submitted visits; each is answered by itself."""
    return LockAnswers(
        await lock_visits(
            call.session,
            actor_of(call),
            body.visit_ids,
            reason=body.reason,
            clock=call.clock,
            is_lock=body.lock,
        )
    )


@routes.post("/api/v1/visits/locks-of-school", May("lock", "visit"))
async def lock_school_visits(call: Ask, *, body: SchoolLock) -> Changed:
    """Locks or unlocks a school's submitted visits of a time."""
    return Changed(
        await lock_visits_of_school(
            call.session,
            actor_of(call),
            school_id=body.school_id,
            from_on=body.from_on,
            to_on=body.to_on,
            reason=body.reason,
            clock=call.clock,
            is_lock=body.lock,
        )
    )


@routes.post(
    "/api/v1/visits-export",
    May("export", "visit"),
    work="none",
    deadline_s=READ_S,
    media=("text/csv; charset=utf-8",),
)
async def export_all_visits(call: Ask, *, body: VisitSearch) -> Streamed:
    """Submitted visits in scope as CSV; at most 50,000, practice schools left out."""
    forms = await write_as(
        call,
        lambda session, actor: begin_export(session, actor, body),
        deadline_s=WRITE_S,
        answer=lambda begun: begun,
        is_kept=False,
    )
    return Streamed(visits_csv(call.database, actor_of(call), body, forms), "text/csv; charset=utf-8")


@routes.get("/api/v1/visits-per-school-month", May("read", "figure"))
async def months_of_all_visits(call: Ask, *, query: MonthsSearch) -> Months:
    """Submitted visits by month beside the schools there are, and the mean fidelity. Practice schools count nowhere."""
    return Months(
        await visits_per_school_month(
            call.session, actor_of(call), from_on=query.from_on, to_on=query.to_on, place_id=query.place_id
        )
    )


@routes.post("/api/v1/visits/{id}/follow-ups", May("raise", "follow_up"), statuses={201: "raised"})
async def raise_one_follow_up(call: Ask, *, path: ByUuid, body: NewFollowUp) -> Created[FollowUp]:
    """Keeps a follow-up action of a visit: who does what until when."""
    made = await raise_follow_up(call.session, actor_of(call), path.id, body, call.clock)
    return Created(made, f"/api/v1/follow-ups?visit_id={made.visit_id}")


@routes.get("/api/v1/follow-ups", May("read", "follow_up"))
async def list_all_follow_ups(call: Ask, *, query: FollowUpSearch, page: PageRequest) -> Page[FollowUp]:
    """Follow-up actions, the most urgent first."""
    return await list_follow_ups(
        call.session,
        actor_of(call),
        page,
        call.clock,
        which=query.which,
        own=query.own,
        school_id=query.school_id,
        visit_id=query.visit_id,
    )


@routes.post("/api/v1/follow-ups/{id}/close", May("settle", "follow_up"))
async def close_one_follow_up(call: Ask, *, path: ByUuid, body: Ending) -> FollowUp:
    """Ends a follow-up action, `done` or `cancelled`, in words."""
    return await close_follow_up(
        call.session,
        actor_of(call),
        path.id,
        state=body.state,
        words=body.words,
        version=body.version,
        clock=call.clock,
    )


@routes.post("/api/v1/planned-visits", May("plan", "visit"), statuses={201: "planned"})
async def plan_one_visit(call: Ask, *, body: NewPlannedVisit) -> Created[PlannedVisit]:
    """Plans a visit; mentors their own, leaders anybody's."""
    made = await plan_visit(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/planned-visits?school_id={made.school_id}")


@routes.get("/api/v1/planned-visits", May("read", "planned_visit"))
async def list_all_planned(call: Ask, *, query: PlanSearch, page: PageRequest) -> Page[PlannedVisit]:
    """Planned visits in scope by day."""
    return await list_planned_visits(
        call.session,
        actor_of(call),
        page,
        call.clock,
        which=query.which,
        mentor_id=query.mentor_id,
        school_id=query.school_id,
    )


@routes.post("/api/v1/planned-visits/{id}/move", May("plan", "visit"))
async def move_one_planned(call: Ask, *, path: ByUuid, body: NewDay) -> PlannedVisit:
    """Gives a planned visit another day."""
    return await move_planned_visit(
        call.session,
        actor_of(call),
        path.id,
        planned_on=body.planned_on,
        version=body.version,
        clock=call.clock,
    )


@routes.post("/api/v1/planned-visits/{id}/cancel", May("plan", "visit"))
async def cancel_one_planned(call: Ask, *, path: ByUuid, body: WhyNot) -> PlannedVisit:
    """Cancels a planned visit, and says why."""
    return await cancel_planned_visit(
        call.session, actor_of(call), path.id, reason=body.reason, version=body.version, clock=call.clock
    )


@routes.get("/api/v1/next-week", May("read", "planned_visit"))
async def read_next_week(call: Ask, *, query: WeekSearch) -> NextWeek:
    """A mentor's schools by how much a visit is called for, with what the rank was made of."""
    return await rank_next_week(call.session, actor_of(call), call.clock, mentor_id=query.mentor_id)


@routes.put("/api/v1/next-week/rules", May("change", "week_rules"))
async def set_next_week_rules(call: Ask, *, body: WeekRules) -> WeekRules:
    """Sets the weights of the reasons, and what each is measured against."""
    return await set_week_rules(call.session, actor_of(call), body)


@routes.get("/api/v1/visits/{id}/photos", May("read", "visit"))
async def list_visit_photos(call: Ask, *, path: ByUuid) -> Photos:
    """The photos of a visit."""
    return Photos(await list_photos(call.session, actor_of(call), path.id))


@routes.post(
    "/api/v1/visits/{id}/photos",
    May("change", "visit"),
    work="none",
    deadline_s=PHOTO_S,
    body_bytes=PHOTO_BODY,
)
async def add_visit_photo(call: Ask, *, path: ByUuid, form: SentPhoto, upload: Upload | None) -> Photo:
    """Adds a photo to a visit: JPEG, PNG or WebP, made small here; where it was taken is forgotten unless it is to be kept."""
    return await add_photo(call, path.id, form, upload)


@routes.get(
    "/api/v1/photos/{id}", May("read", "visit"), work="none", deadline_s=PHOTO_S, media=("image/jpeg",)
)
async def read_one_photo(call: Ask, *, path: ByUuid) -> Raw:
    """A photo's JPEG."""
    return Raw(await call.app.album.content(actor_of(call), path.id), "image/jpeg")


@routes.delete("/api/v1/photos/{id}", May("change", "visit"))
async def remove_one_photo(call: Ask, *, path: ByUuid) -> None:
    """Takes a photo off its visit."""
    await remove_photo(call.session, actor_of(call), path.id, call.clock)
