"""Enrolment over HTTP: moves, guardians' consent, a school's roll-over, erasing who a child was."""

from __future__ import annotations

import msgspec

from flatwater.paging import Page, PageRequest
from rightlevel.programme.enrolments import (
    Consent,
    PastAmended,
    PastAmendment,
    RollOver,
    RollOverPlan,
    RollOverPreview,
    Transfer,
    Undone,
    Withdrawal,
    amend_past_enrolment,
    erase_identity,
    give_consent,
    list_roll_overs,
    preview_roll_over,
    roll_over_school,
    transfer_student,
    undo_roll_over,
    withdraw_consent,
)
from rightlevel.programme.permissions import May
from rightlevel.programme.students import Student
from rightlevel.web.call import (
    CLASS_BODY,
    ERASE_S,
    ROLL_S,
    Ask,
    ById,
    ByUuid,
    actor_of,
)
from rightlevel.web.routes import Routes

routes = Routes("enrolments")


class Erasure(msgspec.Struct, frozen=True):
    """The child's code, typed again, and why who it was is erased for ever."""

    confirmation: str
    reason: str


class ByPast(msgspec.Struct, frozen=True):
    """A path with a child's id and the number of one of its past enrolments in it."""

    id: str
    enrolment_id: int


class Undoing(msgspec.Struct, frozen=True):
    """Why a roll-over is undone."""

    reason: str


@routes.post("/api/v1/students/{id}/transfer", May("transfer", "student"))
async def transfer_one_student(call: Ask, *, path: ByUuid, body: Transfer) -> Student:
    """Moves a child to another school, class or grade; where it was is kept."""
    return await transfer_student(call.session, actor_of(call), path.id, body, call.clock)


@routes.put("/api/v1/students/{id}/consent", May("change", "student"))
async def give_guardian_consent(call: Ask, *, path: ByUuid, body: Consent) -> Student:
    """Keeps a guardian's contact with the day of the consent."""
    return await give_consent(call.session, actor_of(call), path.id, body, call.clock)


@routes.post("/api/v1/students/{id}/consent/withdraw", May("change", "student"))
async def withdraw_guardian_consent(call: Ask, *, path: ByUuid, body: Withdrawal) -> Student:
    """Takes the contact away with the consent to it."""
    return await withdraw_consent(call.session, actor_of(call), path.id, body, call.clock)


@routes.post("/api/v1/students/{id}/erase", May("erase", "student"), deadline_s=ERASE_S)
async def erase_one_identity(call: Ask, *, path: ByUuid, body: Erasure) -> None:
    """Erases who a child was; what figures count by stays. It is not undone."""
    await erase_identity(
        call.session,
        actor_of(call),
        path.id,
        confirmation=body.confirmation,
        reason=body.reason,
        clock=call.clock,
    )


@routes.post(
    "/api/v1/schools/{id}/roll-over/preview",
    May("roll_over", "school"),
    work="read",
    deadline_s=ROLL_S,
    body_bytes=CLASS_BODY,
)
async def preview_one_roll_over(call: Ask, *, path: ById, body: RollOverPlan) -> RollOverPreview:
    """What a roll-over would do to each class; nothing is written."""
    return await preview_roll_over(call.session, actor_of(call), path.id, body, call.clock)


@routes.post(
    "/api/v1/schools/{id}/roll-over", May("roll_over", "school"), deadline_s=ROLL_S, body_bytes=CLASS_BODY
)
async def roll_one_school_over(call: Ask, *, path: ById, body: RollOverPlan) -> RollOver:
    """Takes a school into the next year in one step; the same write again changes nothing more."""
    return await roll_over_school(call.session, actor_of(call), path.id, body, call.clock)


@routes.get("/api/v1/schools/{id}/roll-overs", May("roll_over", "school"))
async def list_roll_overs_of_school(call: Ask, *, path: ById, page: PageRequest) -> Page[RollOver]:
    """The roll-overs of a school, the latest first."""
    return await list_roll_overs(call.session, actor_of(call), path.id, page)


@routes.post("/api/v1/roll-overs/{id}/undo", May("roll_over", "school"), deadline_s=ROLL_S)
async def undo_one_roll_over(call: Ask, *, path: ByUuid, body: Undoing) -> Undone:
    """Takes a school back into the year it left, as long as the new one has no result."""
    return await undo_roll_over(call.session, actor_of(call), path.id, reason=body.reason, clock=call.clock)


@routes.patch("/api/v1/students/{id}/past-enrolments/{enrolment_id}", May("amend", "student"))
async def amend_one_past_enrolment(call: Ask, *, path: ByPast, body: PastAmendment) -> PastAmended:
    """Says otherwise in which class, grade or sex a child was, with a reason; results of that year follow."""
    return await amend_past_enrolment(
        call.session, actor_of(call), path.id, path.enrolment_id, body, call.clock
    )
