"""To another school or class, a guardian's consent, where a child was, who it was erased, a school into the next year."""

from __future__ import annotations

import msgspec

from rightlevel.programme import enrolments
from rightlevel.web.enrolments import pages
from rightlevel.web.feature import Deeds
from rightlevel.web.language import N_, Language
from rightlevel.web.request import CLASS_BODY, ERASE_S, ROLL_S, WithReason


class Erasure(msgspec.Struct, frozen=True):
    """The child's code, typed again, and why who it was is erased for ever."""

    confirmation: str
    reason: str


class UndoForm(msgspec.Struct, frozen=True):
    """Why a school goes back."""

    school_id: int
    reason: str


def _followed(language: Language, amended: enrolments.PastAmended) -> str:
    return language.ngettext(
        "Saved. {n} result of that year followed.",
        "Saved. {n} results of that year followed.",
        amended.results,
    )


def _went_back(language: Language, undone: enrolments.Undone) -> str:
    return language.ngettext("{n} child went back.", "{n} children went back.", undone.back)


routes = Deeds("enrolments", "student")
routes.answers(
    "transfer_one_student",
    "POST /api/v1/students/{id}/transfer",
    enrolments.transfer_student,
    enrolments.Transfer,
    may="transfer",
    says="Moves a child to another school, class or grade; where it was is kept.",
)
routes.sends(
    "post_move_student",
    "/students/{id}/move/{school}",
    pages.move_to_school,
    pages.MoveForm,
    may="transfer",
    path=pages.ChildAndSchool,
    then="/students/{made.id}",
)
routes.does(
    enrolments.give_consent,
    enrolments.Consent,
    json=("give_guardian_consent", "PUT /api/v1/students/{id}/consent"),
    html=("post_give_consent", "/students/{id}/consent"),
    then="/students/{path.id}",
    says="Keeps a guardian's contact with the day of the consent.",
)
routes.does(
    enrolments.withdraw_consent,
    enrolments.Withdrawal,
    json=("withdraw_guardian_consent", "POST /api/v1/students/{id}/consent/withdraw"),
    html=("post_withdraw_consent", "/students/{id}/consent/withdraw"),
    then="/students/{path.id}",
    says="Takes the contact away with the consent to it.",
)
routes.does(
    enrolments.erase_identity,
    Erasure,
    json=("erase_one_identity", "POST /api/v1/students/{id}/erase"),
    html=("post_erase", "/students/{id}/erase"),
    may="erase",
    deadline_s=ERASE_S,
    then="/students",
    word=N_("Who this child was is erased."),
    says="Erases who a child was; what figures count by stays. It is not undone.",
)
routes.does(
    enrolments.amend_past_enrolment,
    enrolments.PastAmendment,
    json=("amend_one_past_enrolment", "PATCH /api/v1/students/{id}/past-enrolments/{enrolment_id}"),
    html=("post_amend", "/students/{id}/past/{enrolment_id}"),
    may="amend",
    path=pages.ByPast,
    then="/students/{path.id}/past",
    word=_followed,
    says="Says otherwise in which class, grade or sex a child was, with a reason; results of that year follow.",
)

rolling = Deeds("enrolments", "school", deeds={"read": "roll_over", "change": "roll_over"})
rolling.answers(
    "preview_one_roll_over",
    "POST /api/v1/schools/{id}/roll-over/preview",
    enrolments.preview_roll_over,
    enrolments.RollOverPlan,
    work="read",
    deadline_s=ROLL_S,
    body_bytes=CLASS_BODY,
)
rolling.answers(
    "roll_one_school_over",
    "POST /api/v1/schools/{id}/roll-over",
    enrolments.roll_over_school,
    enrolments.RollOverPlan,
    deadline_s=ROLL_S,
    body_bytes=CLASS_BODY,
    says="Takes a school into the next year in one step; the same write again changes nothing more.",
)
rolling.answers(
    "list_roll_overs_of_school", "GET /api/v1/schools/{id}/roll-overs", enrolments.list_roll_overs
)
rolling.does(
    enrolments.undo_roll_over,
    WithReason,
    json=("undo_one_roll_over", "POST /api/v1/roll-overs/{id}/undo"),
    html=("post_undo_roll_over", "/roll-overs/{id}/undo"),
    form=UndoForm,
    deadline_s=ROLL_S,
    then="/schools/{sent.school_id}/roll-over",
    word=_went_back,
    says="Takes a school back into the year it left, as long as the new one has no result.",
)
for each in (rolling, pages.routes):
    routes.include(each)
