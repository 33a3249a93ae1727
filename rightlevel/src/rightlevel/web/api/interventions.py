"""Interventions over HTTP: programmes, and the children in them."""

from __future__ import annotations

import msgspec

from flatwater.contract import Created
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.interventions import (
    Enrolment,
    EnrolmentAnswer,
    EnrolmentChange,
    EnrolmentPast,
    EnrolmentWrite,
    Intervention,
    InterventionWrite,
    change_enrolment,
    change_intervention,
    create_intervention,
    delete_intervention,
    enrol_children,
    list_enrolment_changes,
    list_enrolments,
    list_interventions,
    read_enrolment,
    read_intervention,
    restore_intervention,
)
from rightlevel.programme.permissions import May
from rightlevel.web.call import (
    CLASS_BODY,
    Ask,
    ById,
    ByUuid,
    Deletion,
    actor_of,
)
from rightlevel.web.routes import Routes

routes = Routes("interventions")


class InterventionSearch(msgspec.Struct, frozen=True):
    """Which programmes are asked for."""

    deleted: bool = False


class EnrolmentSearch(msgspec.Struct, frozen=True):
    """Of which school, if told."""

    school_id: int | None = None


class Enrolling(msgspec.Struct, frozen=True):
    """Up to 200 children; each is answered by itself."""

    writes: list[EnrolmentWrite]


class EnrolmentAnswers(msgspec.Struct, frozen=True):
    """What became of each, in the order sent."""

    answers: list[EnrolmentAnswer]


@routes.get("/api/v1/interventions", May("read", "intervention"), page=PageLimit(50))
async def list_all_interventions(
    call: Ask, *, query: InterventionSearch, page: PageRequest
) -> Page[Intervention]:
    """Programmes, the latest first."""
    return await list_interventions(call.session, actor_of(call), page, deleted=query.deleted)


@routes.post("/api/v1/interventions", May("change", "intervention"))
async def create_one_intervention(call: Ask, *, body: InterventionWrite) -> Created[Intervention]:
    """Adds a programme."""
    made = await create_intervention(call.session, actor_of(call), body, call.clock)
    return Created(made, f"/api/v1/interventions/{made.id}")


@routes.get("/api/v1/interventions/{id}", May("read", "intervention"))
async def read_one_intervention(call: Ask, *, path: ById) -> Intervention:
    """One programme."""
    return await read_intervention(call.session, actor_of(call), path.id)


@routes.put("/api/v1/interventions/{id}", May("change", "intervention"))
async def change_one_intervention(call: Ask, *, path: ById, body: InterventionWrite) -> Intervention:
    """Changes a programme; a stale version gets 409 with both."""
    return await change_intervention(call.session, actor_of(call), path.id, body, call.clock)


@routes.delete("/api/v1/interventions/{id}", May("change", "intervention"))
async def delete_one_intervention(call: Ask, *, path: ById, query: Deletion) -> None:
    """Takes a programme out of use; its enrolments stay readable."""
    await delete_intervention(call.session, actor_of(call), path.id, reason=query.reason, clock=call.clock)


@routes.post("/api/v1/interventions/{id}/restore", May("change", "intervention"))
async def restore_one_intervention(call: Ask, *, path: ById) -> Intervention:
    """Brings a programme back."""
    return await restore_intervention(call.session, actor_of(call), path.id)


@routes.get("/api/v1/interventions/{id}/enrolments", May("read", "intervention"), page=PageLimit(50))
async def list_intervention_enrolments(
    call: Ask, *, path: ById, query: EnrolmentSearch, page: PageRequest
) -> Page[Enrolment]:
    """The children in a programme whom the caller may see."""
    return await list_enrolments(
        call.session, actor_of(call), page, intervention_id=path.id, school_id=query.school_id
    )


@routes.post("/api/v1/interventions/{id}/enrolments", May("enrol", "intervention"), body_bytes=CLASS_BODY)
async def enrol_many_children(call: Ask, *, path: ById, body: Enrolling) -> EnrolmentAnswers:
    """Enrols up to 200 children; each is answered by itself."""
    return EnrolmentAnswers(
        await enrol_children(call.session, actor_of(call), path.id, body.writes, call.clock)
    )


@routes.get("/api/v1/students/{id}/interventions", May("read", "intervention"))
async def list_student_interventions(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[Enrolment]:
    """The programmes that a child is or was in."""
    return await list_enrolments(call.session, actor_of(call), page, student_id=path.id)


@routes.get("/api/v1/enrolments/{id}", May("read", "intervention"))
async def read_one_enrolment(call: Ask, *, path: ByUuid) -> Enrolment:
    """One child in one programme."""
    return await read_enrolment(call.session, actor_of(call), path.id)


@routes.patch("/api/v1/enrolments/{id}", May("enrol", "intervention"))
async def change_one_enrolment(call: Ask, *, path: ByUuid, body: EnrolmentChange) -> Enrolment:
    """Changes or ends an enrolment; a stale version gets 409 with both."""
    return await change_enrolment(call.session, actor_of(call), path.id, body, call.clock)


@routes.get("/api/v1/enrolments/{id}/changes", May("read", "intervention"))
async def list_one_enrolments_changes(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[EnrolmentPast]:
    """Every later change of an enrolment, in order."""
    return await list_enrolment_changes(call.session, actor_of(call), path.id, page)
