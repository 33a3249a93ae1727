"""Results: one child, a class grid, a batch; locks, guided tests, and results without a baseline."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from flatwater.contract import Created, Declined, Together
from flatwater.openapi import Problem
from flatwater.paging import PageLimit
from rightlevel.programme import results
from rightlevel.programme.permissions import May
from rightlevel.programme.results.model import FORBIDDING, REFUSALS, CurrentResult
from rightlevel.web.application import PRECONDITION_FAILED
from rightlevel.web.feature import Deeds, Filters
from rightlevel.web.request import CLASS_BODY, Request, actor_of
from rightlevel.web.results import entry, grid, of_round
from rightlevel.web.results.together import TAPS


class Batch(msgspec.Struct, frozen=True):
    """Up to 200 results; each is answered by itself."""

    ANSWERED_EACH: ClassVar = frozenset({"writes"})

    writes: list[results.ResultWrite]


class Answers(msgspec.Struct, frozen=True):
    """What became of each write, in the order sent."""

    answers: list[results.ResultAnswer]


class ResultRemoval(msgspec.Struct, frozen=True):
    """Which version is removed, and why."""

    version: int
    reason: str = ""


class GuidedSoFar(msgspec.Struct, frozen=True):
    """A guided test as it stands: the subject, and the steps taken so far."""

    subject: str
    steps: list[results.Step] = []


class GuidedTests(msgspec.Struct, frozen=True):
    """The guided tests of a result, the latest last."""

    tests: list[results.GuidedTest]


class ResultProblem(Problem):
    """Why a result was refused: with what is there, and what was sent."""

    current: CurrentResult | None = None
    yours: results.ResultWrite | None = None
    merged_into: str | None = None
    """With `merged`: the id of the child's record that was kept."""


class Locking(msgspec.Struct, frozen=True):
    """Which results are locked or unlocked, and why."""

    result_ids: list[str]
    reason: str


class LockAnswers(msgspec.Struct, frozen=True):
    """What became of each, in the order sent."""

    answers: list[results.LockAnswer]


class SchoolLocking(msgspec.Struct, frozen=True):
    """Whose results are locked or unlocked, and why: a school's in a round, of one subject or class if told."""

    school_id: int
    round_id: int
    reason: str
    subject: str | None = None
    class_id: int | None = None
    is_lock: bool = True


class Locked(msgspec.Struct, frozen=True):
    """How many results changed."""

    changed: int


_CONFLICTS = frozenset(
    {
        "conflict",
        "stale",
        "round_not_open",
        "round_frozen",
        "round_sealing",
        "school_locked",
        "result_locked",
        "verified",
        "exercise_due",
        "write_id_reused",
        "merged",
    }
)


def _status(code: str) -> int:
    if code in FORBIDDING:
        return 403
    if code == "not_found":
        return 404
    return 409 if code in _CONFLICTS else 422


def _one(request: Request, *, body: results.ResultWrite) -> results.Tap:
    """What a program sends is what is saved."""
    return results.Tap(body)


def _told(
    request: Request, tap: results.Tap, answer: results.ResultAnswer
) -> results.ResultAnswer | Created[results.ResultAnswer] | Declined[ResultProblem]:
    if answer.code == "saved":
        return Created(answer, f"/api/v1/results/{answer.result_id}")
    if answer.code == "changed":
        return answer
    is_matched = answer.code == "stale" and "if-match" in request.headers
    status = PRECONDITION_FAILED if is_matched else _status(answer.code)
    told = ResultProblem(
        "about:blank",
        "Refused",
        status,
        answer.code,
        answer.message,
        current=answer.current,
        yours=tap.write,
        faults=msgspec.to_builtins(answer.faults),
        merged_into=answer.merged_into,
    )
    return Declined(told, status)


routes = Deeds("results", "result", deeds={"change": "lock"})


@routes.post(
    "/api/v1/results",
    May("enter", "result"),
    statuses={
        201: "saved",
        409: "refused, with what is there",
        412: "stale, where the version came as If-Match",
    },
    refusals={code: _status(code) for code in REFUSALS},
    together=Together(TAPS, _one, _told),
)
async def enter_one_result(
    request: Request, *, body: results.ResultWrite
) -> results.ResultAnswer | Created[results.ResultAnswer] | Declined[ResultProblem]:
    """Saves one result, or changes one; the same write again gets the same answer."""
    answer = (await results.enter_results(request.session, actor_of(request), [body], request.clock))[0]
    return _told(request, results.Tap(body), answer)


routes.answers(
    "enter_many_results",
    "POST /api/v1/results/batch",
    results.enter_results,
    Batch,
    may="enter",
    gives=Answers,
    body_bytes=CLASS_BODY,
    says="Saves up to 200 results; each is answered by itself, and one that is refused holds up no other.",
)
routes.answers("list_all_results", "GET /api/v1/results", results.list_results, Filters)
routes.answers("read_one_result", "GET /api/v1/results/{id}", results.read_result)
routes.answers("delete_one_result", "DELETE /api/v1/results/{id}", results.delete_result, ResultRemoval)
routes.answers(
    "read_class_sheet", "GET /api/v1/class-sheet", results.class_sheet, Filters, page=PageLimit(50)
)
routes.answers(
    "list_student_results",
    "GET /api/v1/students/{id}/results",
    results.results_of_student,
    says="Every result of a child in the order of its rounds.",
)
routes.answers("list_student_history", "GET /api/v1/students/{id}/history", results.history_of_student)
routes.answers(
    "next_guided_task",
    "POST /api/v1/guided-tests/next",
    results.next_in_guided_test,
    GuidedSoFar,
    may="enter",
    work="read",
)
routes.answers(
    "list_guided_tests",
    "GET /api/v1/results/{id}/guided-tests",
    results.read_guided_tests,
    gives=GuidedTests,
)
routes.answers(
    "lock_many_results",
    "POST /api/v1/result-locks",
    results.lock_results,
    Locking,
    gives=LockAnswers,
    body_bytes=CLASS_BODY,
    says="Locks up to 1,000 results, with a reason; each is answered by itself.",
)
routes.answers(
    "unlock_many_results",
    "POST /api/v1/result-unlocks",
    results.unlock_results,
    Locking,
    gives=LockAnswers,
    body_bytes=CLASS_BODY,
    says="Unlocks up to 1,000 results, with a reason; each is answered by itself.",
)
routes.answers(
    "lock_results_of_one_school",
    "POST /api/v1/school-result-locks",
    results.lock_results_of_school,
    SchoolLocking,
    gives=Locked,
    says="Locks or unlocks all results of a school in a round, of one subject or class if told.",
)
routes.answers(
    "list_results_without_baseline",
    "GET /api/v1/data-quality/without-baseline",
    results.list_without_baseline,
    Filters,
    page=PageLimit(50),
)
for each in (entry.routes, grid.routes, of_round.routes):
    routes.include(each)
