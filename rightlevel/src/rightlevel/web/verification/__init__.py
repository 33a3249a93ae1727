"""Re-tests: what waits, the re-test itself, decisions, samples, and how well tests agree."""

from __future__ import annotations

import msgspec

from flatwater.paging import PageLimit
from rightlevel.programme import verification
from rightlevel.programme.permissions import May
from rightlevel.web.feature import Deeds, Filters
from rightlevel.web.language import N_
from rightlevel.web.request import CLASS_BODY, VersionAndReason
from rightlevel.web.verification import pages

DECIDED = "/verification?state=disputed"


class QueueSearch(msgspec.Struct, frozen=True):
    """Which re-tests are asked for: `waiting`, `disputed`, `returned`, `under_way`, `settled` or `over`."""

    round_id: int
    state: str = "waiting"
    school_id: int | None = None
    subject: str | None = None
    draw_id: int | None = None


class Retests(msgspec.Struct, frozen=True):
    """Up to 200 re-tests; each is answered by itself."""

    writes: list[verification.Retest] = msgspec.field(name="retests")


class RetestAnswers(msgspec.Struct, frozen=True):
    """What became of each re-test, in the order sent."""

    answers: list[verification.RetestAnswer]


class Decisions(msgspec.Struct, frozen=True):
    """Up to 200 decisions; each is answered by itself."""

    decisions: list[verification.Decision]


class DecisionAnswers(msgspec.Struct, frozen=True):
    """What became of each decision, in the order sent."""

    answers: list[verification.DecisionAnswer]


class Which(msgspec.Struct, frozen=True):
    """Which level stands, `first` or `second`, and why."""

    version: int
    stands: str
    reason: str


class AgreementSearch(msgspec.Struct, frozen=True):
    """Whose agreement: of all, or by `teacher`, `school` or `tool`; in one school or below one place if told."""

    round_id: int
    subject: str
    by: str = "all"
    school_id: int | None = None
    place_id: int | None = None


class Groups(msgspec.Struct, frozen=True):
    """The agreement of each group; figures below ten re-tests are null."""

    groups: list[verification.AgreementOf]


routes = Deeds("verification", "verification", deeds={"change": "settle"})
routes.answers(
    "list_verifications",
    "GET /api/v1/verifications",
    verification.verification_queue,
    QueueSearch,
    page=PageLimit(50),
    says="The re-tests of a round to do, to decide, returned or settled. A pending one tells no level.",
)
routes.answers(
    "save_many_retests",
    "POST /api/v1/verifications/retests",
    verification.save_retests,
    Retests,
    may=May("verify", "result"),
    gives=RetestAnswers,
    body_bytes=CLASS_BODY,
    says="Saves up to 200 re-tests; each is answered by itself, and the first level is told only then.",
)
routes.answers(
    "list_returned_results",
    "GET /api/v1/verifications/returned",
    verification.list_returned,
    may=May("read", "returned"),
    says="Results that were returned to their teacher.",
)
routes.answers(
    "decide_many",
    "POST /api/v1/verifications/decisions",
    verification.resolve_many,
    Decisions,
    gives=DecisionAnswers,
    body_bytes=CLASS_BODY,
    says="Decides up to 200 re-tests whose levels differ; each is answered by itself.",
)
routes.answers("read_one_verification", "GET /api/v1/verifications/{id}", verification.read_verification)
routes.does(
    verification.resolve,
    Which,
    json=("resolve_one", "POST /api/v1/verifications/{id}/resolve"),
    html=("post_resolve", "/verification/{id}/resolve"),
    then=DECIDED,
    word=N_("Decided. The result is verified."),
    says="Decides which of two levels stands.",
)
routes.does(
    verification.return_to_teacher,
    VersionAndReason,
    json=("return_one", "POST /api/v1/verifications/{id}/return"),
    html=("post_return", "/verification/{id}/return"),
    may=May("verify", "result"),
    then=DECIDED,
    word=N_("Returned to the teacher."),
    says="Returns a result whose re-test differs to its teacher.",
)
routes.does(
    verification.answer_returned,
    VersionAndReason,
    json=("answer_one", "POST /api/v1/verifications/{id}/answer"),
    html=("post_answer", "/verification/{id}/answer"),
    may=May("enter", "result"),
    then="/verification/returned",
    word=N_("Noted. The child will be tested again."),
    says="The teacher stands by a returned result, which is then tested again.",
)
routes.does(
    verification.withdraw,
    VersionAndReason,
    json=("withdraw_one", "POST /api/v1/verifications/{id}/withdraw"),
    html=("post_withdraw", "/verification/{id}/withdraw"),
    then=DECIDED,
    word=N_("The re-test is withdrawn."),
)
routes.answers(
    "plan_one_draw",
    "POST /api/v1/verification-draws/plan",
    verification.plan_draw,
    verification.NewDraw,
    may="draw",
    work="read",
    deadline_s=pages.DRAW_S,
)
routes.answers(
    "draw_one_sample",
    "POST /api/v1/verification-draws",
    verification.draw_sample,
    verification.NewDraw,
    may="draw",
    deadline_s=pages.DRAW_S,
    made="/api/v1/verifications?round_id={made.round_id}&draw_id={made.id}",
    made_is="drawn",
    says="Draws a sample to test again, by school and level; the same seed draws the same children.",
)
routes.answers(
    "list_all_draws", "GET /api/v1/verification-draws", verification.list_draws, Filters, may="draw"
)
routes.answers(
    "read_all_agreement",
    "GET /api/v1/agreement",
    verification.read_agreement,
    AgreementSearch,
    may=May("read", "agreement"),
    gives=Groups,
    says="How re-tests agree with first tests: exact, within one level, weighted kappa with its interval, and bias.",
)
routes.include(pages.routes)
