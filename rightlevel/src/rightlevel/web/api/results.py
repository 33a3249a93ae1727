"""Results over HTTP: one, a batch, a class sheet, one child's."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from flatwater.contract import Created, Declined
from flatwater.openapi import Problem
from flatwater.paging import Page, PageLimit, PageRequest
from rightlevel.programme.permissions import May, Subject
from rightlevel.programme.results import (
    GuidedTest,
    LockAnswer,
    ResultAnswer,
    ResultChange,
    ResultWrite,
    SheetRow,
    Standing,
    Step,
    StudentResult,
    WithoutBaseline,
    class_sheet,
    delete_result,
    enter_results,
    history_of_student,
    list_results,
    list_without_baseline,
    lock_results,
    lock_results_of_school,
    next_in_guided_test,
    read_guided_tests,
    read_result,
    results_of_student,
    unlock_results,
)
from rightlevel.programme.results.model import FORBIDDING, REFUSALS, CurrentResult
from rightlevel.web.application import PRECONDITION_FAILED
from rightlevel.web.call import CLASS_BODY, Ask, ByUuid, actor_of
from rightlevel.web.routes import Routes

routes = Routes("results")


class Batch(msgspec.Struct, frozen=True):
    """Up to 200 results; each is answered by itself."""

    ANSWERED_EACH: ClassVar = frozenset({"writes"})

    writes: list[ResultWrite]


class Answers(msgspec.Struct, frozen=True):
    """What became of each write, in the order sent."""

    answers: list[ResultAnswer]


class SheetQuery(msgspec.Struct, frozen=True):
    """Which class sheet is asked for."""

    school_id: int
    round_id: int
    subject: str
    class_id: int | None = None
    grade: int | None = None


class ResultRemoval(msgspec.Struct, frozen=True):
    """Which version is removed, and why."""

    version: int
    reason: str = ""


class GuidedSoFar(msgspec.Struct, frozen=True):
    """A guided test as it stands: the subject, and the steps taken so far."""

    subject: str
    steps: list[Step] = []


class GuidedTests(msgspec.Struct, frozen=True):
    """The guided tests of a result, the latest last."""

    tests: list[GuidedTest]


class ResultProblem(Problem):
    """Why a result was refused: with what is there, and what was sent."""

    current: CurrentResult | None = None
    yours: ResultWrite | None = None
    merged_into: str | None = None
    """With `merged`: the id of the child's record that was kept."""


class Locking(msgspec.Struct, frozen=True):
    """Which results are locked or unlocked, and why."""

    result_ids: list[str]
    reason: str


class LockAnswers(msgspec.Struct, frozen=True):
    """What became of each, in the order sent."""

    answers: list[LockAnswer]


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


class ResultSearch(msgspec.Struct, frozen=True):
    """Whose results are listed: of the school where they were made, of a round, of a subject; of all when not told."""

    school_id: int | None = None
    round_id: int | None = None
    subject: Subject | None = None


class BaselineSearch(msgspec.Struct, frozen=True):
    """Of which round, and of which school if told."""

    round_id: int
    school_id: int | None = None


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


@routes.post(
    "/api/v1/results",
    May("enter", "result"),
    statuses={
        201: "saved",
        409: "refused, with what is there",
        412: "stale, where the version came as If-Match",
    },
    refusals={code: _status(code) for code in REFUSALS},
)
async def enter_one_result(
    call: Ask, *, body: ResultWrite
) -> ResultAnswer | Created[ResultAnswer] | Declined[ResultProblem]:
    """Saves one result, or changes one; the same write again gets the same answer."""
    answer = (await enter_results(call.session, actor_of(call), [body], call.clock))[0]
    if answer.code == "saved":
        return Created(answer, f"/api/v1/results/{answer.result_id}")
    if answer.code == "changed":
        return answer
    is_matched = answer.code == "stale" and "if-match" in call.headers
    status = PRECONDITION_FAILED if is_matched else _status(answer.code)
    told = ResultProblem(
        "about:blank",
        "Refused",
        status,
        answer.code,
        answer.message,
        current=answer.current,
        yours=body,
        faults=msgspec.to_builtins(answer.faults),
        merged_into=answer.merged_into,
    )
    return Declined(told, status)


@routes.post("/api/v1/results/batch", May("enter", "result"), body_bytes=CLASS_BODY)
async def enter_many_results(call: Ask, *, body: Batch) -> Answers:
    """Saves up to 200 results; each is answered by itself, and one that is refused holds up no other."""
    return Answers(await enter_results(call.session, actor_of(call), body.writes, call.clock))


@routes.get("/api/v1/results", May("read", "result"))
async def list_all_results(call: Ask, *, query: ResultSearch, page: PageRequest) -> Page[StudentResult]:
    """Every result within reach, in an order that stays; of one school (where it was made), round or subject if told."""
    return await list_results(
        call.session,
        actor_of(call),
        page,
        school_id=query.school_id,
        round_id=query.round_id,
        subject=query.subject,
    )


@routes.get("/api/v1/results/{id}", May("read", "result"))
async def read_one_result(call: Ask, *, path: ByUuid) -> StudentResult:
    """One result."""
    return await read_result(call.session, actor_of(call), path.id)


@routes.delete("/api/v1/results/{id}", May("delete", "result"))
async def delete_one_result(call: Ask, *, path: ByUuid, query: ResultRemoval) -> None:
    """Takes a result out of the figures; what it was is kept."""
    await delete_result(
        call.session, actor_of(call), path.id, version=query.version, reason=query.reason, clock=call.clock
    )


@routes.get("/api/v1/class-sheet", May("read", "result"), page=PageLimit(50))
async def read_class_sheet(call: Ask, *, query: SheetQuery, page: PageRequest) -> Page[SheetRow]:
    """The children of a class, grade or school by name, each with its result of a round and subject."""
    return await class_sheet(
        call.session,
        actor_of(call),
        page,
        school_id=query.school_id,
        round_id=query.round_id,
        subject=query.subject,
        class_id=query.class_id,
        grade=query.grade,
    )


@routes.get("/api/v1/students/{id}/results", May("read", "result"))
async def list_student_results(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[StudentResult]:
    """Every result of a child in the order of its rounds."""
    return await results_of_student(call.session, actor_of(call), path.id, page)


@routes.get("/api/v1/students/{id}/history", May("read", "result"))
async def list_student_history(call: Ask, *, path: ByUuid, page: PageRequest) -> Page[ResultChange]:
    """Every later change of a child's results, newest first."""
    return await history_of_student(call.session, actor_of(call), path.id, page)


@routes.post("/api/v1/guided-tests/next", May("enter", "result"), work="read")
async def next_guided_task(call: Ask, *, body: GuidedSoFar) -> Standing:
    """What to ask next in a guided test, or the level reached. Nothing is kept: send the steps again with the result."""
    return await next_in_guided_test(call.session, actor_of(call), body.subject, body.steps)


@routes.get("/api/v1/results/{id}/guided-tests", May("read", "result"))
async def list_guided_tests(call: Ask, *, path: ByUuid) -> GuidedTests:
    """What the guided tests of a result consisted of."""
    return GuidedTests(await read_guided_tests(call.session, actor_of(call), path.id))


@routes.post("/api/v1/result-locks", May("lock", "result"), body_bytes=CLASS_BODY)
async def lock_many_results(call: Ask, *, body: Locking) -> LockAnswers:
    """Locks up to 1,000 results, with a reason; each is answered by itself."""
    return LockAnswers(
        await lock_results(
            call.session, actor_of(call), body.result_ids, reason=body.reason, clock=call.clock
        )
    )


@routes.post("/api/v1/result-unlocks", May("lock", "result"), body_bytes=CLASS_BODY)
async def unlock_many_results(call: Ask, *, body: Locking) -> LockAnswers:
    """Unlocks up to 1,000 results, with a reason; each is answered by itself."""
    return LockAnswers(
        await unlock_results(
            call.session, actor_of(call), body.result_ids, reason=body.reason, clock=call.clock
        )
    )


@routes.post("/api/v1/school-result-locks", May("lock", "result"))
async def lock_results_of_one_school(call: Ask, *, body: SchoolLocking) -> Locked:
    """Locks or unlocks all results of a school in a round, of one subject or class if told."""
    changed = await lock_results_of_school(
        call.session,
        actor_of(call),
        school_id=body.school_id,
        round_id=body.round_id,
        reason=body.reason,
        clock=call.clock,
        subject=body.subject,
        class_id=body.class_id,
        is_lock=body.is_lock,
    )
    return Locked(changed)


@routes.get("/api/v1/data-quality/without-baseline", May("read", "result"), page=PageLimit(50))
async def list_results_without_baseline(
    call: Ask, *, query: BaselineSearch, page: PageRequest
) -> Page[WithoutBaseline]:
    """Results of a later round whose child was not assessed at the baseline. A page may hold few, or none, and still have a next one."""
    return await list_without_baseline(
        call.session, actor_of(call), page, round_id=query.round_id, school_id=query.school_id
    )
