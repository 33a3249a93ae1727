"""Verification against a real database: blind, by somebody else, with another tool; every step there is, and every one there isn't."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast, actor_now, make_cast
from serving import OneDatabase

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.pool import Database
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, OutOfScope, ProgrammeError, Stale
from rightlevel.programme.results import (
    ResultWrite,
    class_sheet,
    enter_results,
    history_of_student,
    read_guided_tests,
    read_result,
    results_of_student,
)
from rightlevel.programme.results.guided import Step
from rightlevel.programme.rounds import lock_school
from rightlevel.programme.verification import (
    STATES,
    Decision,
    NewDraw,
    Retest,
    RetestAnswer,
    answer_returned,
    draw_sample,
    draws,
    list_draws,
    list_returned,
    plan_draw,
    read_agreement,
    read_verification,
    resolve,
    resolve_many,
    return_to_teacher,
    save_retests,
    verification_queue,
    withdraw,
)
from rightlevel.programme.verification.actions import NobodyToReturnTo, NoSuchVerificationStep
from rightlevel.programme.verification.draws import NothingToDraw, NotVerifiable
from rightlevel.programme.verification.model import STEPS

pytestmark = pytest.mark.anyio
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: count
-- How many re-tests a result has.
select count(*) from verification where result_id = %(id)s::uuid
-- name: state
-- Puts a re-test into a state.
update verification set state = %(state)s::verification_state, reason = 'test', first_rank = 4,
    ended_from = case %(state)s when 'ended' then state end, ended_at = case %(state)s when 'ended' then now() end,
    ended_why = case %(state)s when 'ended' then 'changed' end, rank = %(rank)s, tool = 2, verifier_id = %(by)s
where id = %(id)s::uuid
-- name: round_state
-- Puts a round into a state.
update round set state = %(state)s::round_state where id = %(id)s
-- name: drawn
-- Which results a draw took, in order.
select coalesce(string_agg(result_id::text, ',' order by result_id), '') from verification where draw_id = %(id)s
-- name: denied
-- How many denied re-tests were noted.
select count(*) from audit_entry where action = 'verify' and outcome = 'denied'
-- name: end_assignments
-- Ends what somebody was assigned.
update assignment set ended_at = now() where person_id = %(person)s and ended_at is null
-- name: assign
-- Assigns somebody.
insert into assignment (person_id, school_id, subject, from_on) values (%(person)s, %(school)s, %(subject)s::subject, '2026-01-01')
-- name: practice_child
-- Enrols a child at a school.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
values (%(school)s, %(year)s, %(code)s, %(code)s, lower(%(code)s), 1, 3) returning id::text as id
-- name: results_of
-- Adds a result for a child.
insert into result (id, student_id, round_id, school_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex, tool)
select new_id(), st.id, %(round)s, st.school_id, %(by)s, '2026-11-20', 'math', 'assessed', 'grid', %(rank)s, st.grade, st.sex, 1
from student st where st.id = %(student)s::uuid
returning id::text as id
""",
    origin="test_verification.py",
)


async def first(session: Session, cast: Cast, clock: StandingClock, number: int = 0, **more: Any) -> str:
    """A teacher's result of a child, with tool 1."""
    values: dict[str, Any] = {
        "subject": "math",
        "level": "subtraction",
        "tested_on": TODAY,
        "tool": 1,
        **more,
    }
    write = ResultWrite(id=str(uuid4()), student_id=cast.students_a[number], round_id=cast.round, **values)
    (answer,) = await enter_results(session, cast.teacher, [write], clock)
    assert answer.code == "saved"
    return write.id


def a_retest(result_id: str, **more: Any) -> Retest:
    values: dict[str, Any] = {"tested_on": TODAY, "level": "subtraction", "tool": 2, **more}
    return Retest(id=str(uuid4()), result_id=result_id, **values)


async def retest(
    session: Session, actor: Any, clock: StandingClock, result_id: str, **more: Any
) -> RetestAnswer:
    return (await save_retests(session, actor, [a_retest(result_id, **more)], clock))[0]


async def differing(session: Session, cast: Cast, clock: StandingClock, number: int = 0) -> RetestAnswer:
    result_id = await first(session, cast, clock, number)
    answer = await retest(session, cast.mentor, clock, result_id, level="division")
    assert answer.code == "disagreed"
    return answer


async def test_agreement_locks_the_result(session: Session, cast: Cast, clock: StandingClock) -> None:
    result_id = await first(session, cast, clock)
    answer = await retest(session, cast.mentor, clock, result_id)
    assert (answer.code, answer.first_level, answer.level) == ("agreed", "subtraction", "subtraction")
    assert (await read_result(session, cast.teacher, result_id)).is_verified
    change = ResultWrite(
        id=str(uuid4()),
        student_id=cast.students_a[0],
        round_id=cast.round,
        subject="math",
        level="division",
        tested_on=TODAY,
        version=2,
    )
    (refused,) = await enter_results(session, cast.teacher, [change], clock)
    assert refused.code == "verified"


async def test_a_re_test_is_by_somebody_else(session: Session, cast: Cast, clock: StandingClock) -> None:
    write = ResultWrite(
        id=str(uuid4()),
        student_id=cast.students_a[0],
        round_id=cast.round,
        subject="math",
        level="division",
        tested_on=TODAY,
    )
    await enter_results(session, cast.mentor, [write], clock)
    assert (await retest(session, cast.mentor, clock, write.id)).code == "own_result"
    assert await session.fetch_value(QUERIES["denied"], {}) == 1
    assert (await retest(session, cast.coordinator, clock, write.id)).code == "disagreed"


async def test_a_re_test_is_with_another_tool(session: Session, cast: Cast, clock: StandingClock) -> None:
    result_id = await first(session, cast, clock)
    assert (await retest(session, cast.mentor, clock, result_id, tool=1)).code == "same_tool"
    missing = await retest(session, cast.mentor, clock, result_id, tool=None)
    assert (missing.code, [fault.field for fault in missing.faults]) == ("invalid", ["tool"])


async def test_a_re_test_is_blind_until_it_is_saved(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    steps = [Step("subtractions", right=2), Step("division", right=0)]
    result_id = await first(session, cast, clock, method="guided", steps=steps, notes="sure")
    assert (await read_result(session, cast.mentor, result_id)).level == "subtraction"
    await draw_sample(
        session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.school_a, seed=1), clock
    )
    seen = await read_result(session, cast.mentor, result_id)
    assert (seen.level, seen.rank, seen.notes, seen.is_blind) == (None, None, None, True)
    listed = (await results_of_student(session, cast.mentor, cast.students_a[0], PageRequest())).items
    assert [(each.level, each.is_blind) for each in listed] == [(None, True)]
    sheet = await class_sheet(
        session, cast.mentor, PageRequest(), school_id=cast.school_a, round_id=cast.round, subject="math"
    )
    assert [(row.level, row.is_blind) for row in sheet.items if row.result_id] == [(None, True)]
    with pytest.raises(NotFound):
        await read_guided_tests(session, cast.mentor, result_id)
    second = ResultWrite(
        id=str(uuid4()),
        student_id=cast.students_a[0],
        round_id=cast.round,
        subject="math",
        level="division",
        tested_on=TODAY,
    )
    (conflict,) = await enter_results(session, cast.mentor, [second], clock)
    assert conflict.current is not None
    assert (conflict.code, conflict.current.level, conflict.current.is_blind) == ("conflict", None, True)
    (row,) = (await verification_queue(session, cast.mentor, PageRequest(), clock, round_id=cast.round)).items
    assert (row.state, row.first_rank, row.first_level, row.first_tool) == ("pending", None, None, 1)
    assert (await read_verification(session, cast.mentor, row.id, clock)).first_level is None
    # the teacher who entered it and the coordinators are not blind
    assert (await read_result(session, cast.teacher, result_id)).level == "subtraction"
    assert (await read_result(session, cast.coordinator, result_id)).level == "subtraction"
    answer = await retest(session, cast.mentor, clock, result_id, level="division")
    assert (answer.first_level, answer.level) == ("subtraction", "division")
    assert (await read_result(session, cast.mentor, result_id)).level == "subtraction"
    assert len(await read_guided_tests(session, cast.mentor, result_id)) == 1


async def test_changes_of_a_blind_result_are_hidden_from_mentors(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await first(session, cast, clock)
    change = ResultWrite(
        id=str(uuid4()),
        student_id=cast.students_a[0],
        round_id=cast.round,
        subject="math",
        level="division",
        tested_on=TODAY,
        version=1,
    )
    await enter_results(session, cast.teacher, [change], clock)
    assert len((await history_of_student(session, cast.mentor, cast.students_a[0], PageRequest())).items) == 1
    await draw_sample(
        session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.school_a, seed=1), clock
    )
    assert (await history_of_student(session, cast.mentor, cast.students_a[0], PageRequest())).items == []
    assert (
        len((await history_of_student(session, cast.teacher, cast.students_a[0], PageRequest())).items) == 1
    )
    assert await session.fetch_value(QUERIES["count"], {"id": result_id}) == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"tested_on": TODAY + timedelta(days=1)}, "date_in_future"),
        ({"tested_on": TODAY - timedelta(days=1)}, "before_first"),
        ({"level": "letter"}, "invalid"),
        ({"level": None}, "invalid"),
        ({"outcome": "left", "level": None}, "invalid"),
        ({"outcome": "absent"}, "invalid"),
        ({"notes": "x" * 501}, "invalid"),
        ({"tool": 5}, "invalid"),
    ],
)
async def test_a_re_test_that_can_not_be_is_refused(
    session: Session, cast: Cast, clock: StandingClock, more: dict[str, Any], code: str
) -> None:
    result_id = await first(session, cast, clock)
    answer = await retest(session, cast.mentor, clock, result_id, **more)
    assert (answer.code, bool(answer.message)) == (code, True)
    assert await session.fetch_value(QUERIES["count"], {"id": result_id}) == 0


async def test_an_absent_child_has_nothing_to_verify_and_a_missing_one_waits_on(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    absent = await first(session, cast, clock, 1, outcome="absent", level=None)
    assert (await retest(session, cast.mentor, clock, absent)).code == "nothing_to_verify"
    await first(session, cast, clock)
    await draw_sample(session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.school_a), clock)
    (row,) = (await verification_queue(session, cast.mentor, PageRequest(), clock, round_id=cast.round)).items
    answer = await retest(session, cast.mentor, clock, row.result_id, outcome="absent", level=None)
    assert (answer.code, answer.verification_id) == ("missed", row.id)
    (again,) = (
        await verification_queue(session, cast.mentor, PageRequest(), clock, round_id=cast.round)
    ).items
    assert (again.missed, again.state) == (1, "pending")


async def test_out_of_scope_and_unknown_results_are_refused(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await first(session, cast, clock)
    assert (await retest(session, cast.mentor_elsewhere, clock, result_id)).code == "not_found"
    assert (await retest(session, cast.mentor, clock, str(uuid4()))).code == "not_found"
    for actor in (cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await retest(session, actor, clock, result_id)
    disagreed = await differing(session, cast, clock, 1)
    with pytest.raises(NotFound):
        await read_verification(session, cast.mentor_elsewhere, disagreed.verification_id or "", clock)


async def test_the_same_re_test_again_gets_the_same_answer_and_one_row(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await first(session, cast, clock)
    write = a_retest(result_id, level="division")
    once = await save_retests(session, cast.mentor, [write], clock)
    assert await save_retests(session, cast.mentor, [write], clock) == once
    other = await first(session, cast, clock, 1)
    (reused,) = await save_retests(
        session, cast.mentor, [Retest(write.id, other, TODAY, level="division", tool=2)], clock
    )
    assert reused.code == "write_id_reused"
    assert await session.fetch_value(QUERIES["count"], {"id": result_id}) == 1


async def test_many_re_tests_are_each_answered_for_themselves(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    results = [await first(session, cast, clock, number) for number in range(3)]
    answers = await save_retests(
        session,
        cast.mentor,
        [
            a_retest(results[0]),
            a_retest(results[1], level="beginner"),
            a_retest(results[2], tool=1),
            a_retest(str(uuid4())),
        ],
        clock,
    )
    assert [answer.code for answer in answers] == ["agreed", "disagreed", "same_tool", "not_found"]
    with pytest.raises(Invalid):
        await save_retests(session, cast.mentor, [], clock)
    with pytest.raises(Invalid):
        await save_retests(session, cast.mentor, [a_retest(str(uuid4())) for _ in range(201)], clock)
    with pytest.raises(Invalid):
        await save_retests(session, cast.mentor, [a_retest(results[0]), a_retest(results[0])], clock)


async def test_a_verified_result_and_one_that_awaits_a_decision_are_not_tested_again(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await first(session, cast, clock)
    await retest(session, cast.mentor, clock, result_id)
    assert (await retest(session, cast.coordinator, clock, result_id)).code == "already_verified"
    await differing(session, cast, clock, 1)
    (row,) = (
        await verification_queue(
            session, cast.mentor, PageRequest(), clock, round_id=cast.round, state="disputed"
        )
    ).items
    assert (row.first_level, row.level) == ("subtraction", "division")
    assert (await retest(session, cast.coordinator, clock, row.result_id)).code == "awaits_decision"


async def test_a_coordinator_decides_which_level_stands_and_figures_follow(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    kept, corrected = await differing(session, cast, clock), await differing(session, cast, clock, 1)
    for answer, stands, level in ((kept, "first", "subtraction"), (corrected, "second", "division")):
        done = await resolve(
            session,
            cast.coordinator,
            answer.verification_id or "",
            version=1,
            stands=stands,
            reason="seen both",
            clock=clock,
        )
        assert (done.state, done.stands, done.version) == ("resolved", stands, 2)
        found = await read_result(session, cast.teacher, done.result_id)
        assert (found.level, found.is_verified) == (level, True)
    (change,) = (await history_of_student(session, cast.teacher, cast.students_a[1], PageRequest())).items
    assert (change.before["level"], change.after["level"], change.reason) == (
        "subtraction",
        "division",
        "seen both",
    )


async def test_a_decision_needs_a_reason_a_known_level_and_a_coordinator(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    verification_id = (await differing(session, cast, clock)).verification_id or ""
    with pytest.raises(Invalid):
        await resolve(
            session, cast.coordinator, verification_id, version=1, stands="first", reason=" ", clock=clock
        )
    with pytest.raises(Invalid):
        await resolve(
            session, cast.coordinator, verification_id, version=1, stands="both", reason="x", clock=clock
        )
    with pytest.raises(Forbidden):
        await resolve(
            session, cast.mentor, verification_id, version=1, stands="first", reason="x", clock=clock
        )
    with pytest.raises(Stale):
        await resolve(
            session, cast.coordinator, verification_id, version=9, stands="first", reason="x", clock=clock
        )


async def test_many_decisions_are_each_answered_for_themselves(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    one, two = await differing(session, cast, clock), await differing(session, cast, clock, 1)
    answers = await resolve_many(
        session,
        cast.coordinator,
        [
            Decision(one.verification_id or "", 1, "second", "seen"),
            Decision(two.verification_id or "", 7, "first", "seen"),
            Decision(str(uuid4()), 1, "first", "seen"),
            Decision("x", 1, "first", "seen"),
        ],
        clock,
    )
    assert [answer.code for answer in answers] == ["resolved", "stale", "not_found", "not_found"]


async def test_a_returned_result_goes_to_its_teacher_and_a_change_brings_it_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    answer = await differing(session, cast, clock)
    verification_id = answer.verification_id or ""
    await return_to_teacher(
        session, cast.mentor, verification_id, version=1, reason="please test again", clock=clock
    )
    (asked,) = (await list_returned(session, cast.teacher, PageRequest(), clock)).items
    assert (asked.id, asked.reason) == (verification_id, "please test again")
    assert (await list_returned(session, cast.teacher_elsewhere, PageRequest(), clock)).items == []
    result_id = asked.result_id
    assert (await retest(session, cast.mentor, clock, result_id)).code == "returned"
    change = ResultWrite(
        id=str(uuid4()),
        student_id=cast.students_a[0],
        round_id=cast.round,
        subject="math",
        level="division",
        tested_on=TODAY,
        version=1,
        tool=1,
    )
    (changed,) = await enter_results(session, cast.teacher, [change], clock)
    assert changed.code == "changed"
    assert (await list_returned(session, cast.teacher, PageRequest(), clock)).items == []
    assert (await retest(session, cast.mentor, clock, result_id, level="division", tool=3)).code == "agreed"
    assert await session.fetch_value(QUERIES["count"], {"id": result_id}) == 2, "the first stays as it was"


async def test_a_teacher_may_stand_by_a_returned_result(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    verification_id = (await differing(session, cast, clock)).verification_id or ""
    await return_to_teacher(
        session, cast.coordinator, verification_id, version=1, reason="sure?", clock=clock
    )
    with pytest.raises(Invalid):
        await answer_returned(session, cast.teacher, verification_id, version=2, reason="", clock=clock)
    with pytest.raises(OutOfScope):
        await answer_returned(
            session, cast.mentor, verification_id, version=2, reason="not mine", clock=clock
        )
    await answer_returned(session, cast.teacher, verification_id, version=2, reason="I am sure", clock=clock)
    answered = await read_verification(session, cast.mentor, verification_id, clock)
    assert (answered.state, answered.ended_from, answered.ended_why) == ("ended", "returned", "answered")
    (waiting,) = (
        await verification_queue(session, cast.mentor, PageRequest(), clock, round_id=cast.round)
    ).items
    assert (waiting.result_id, waiting.state) == (answered.result_id, "pending")


async def test_a_mentor_returns_only_what_they_tested(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await first(session, cast, clock)
    answer = await retest(session, cast.coordinator, clock, result_id, level="beginner")
    with pytest.raises(Forbidden):
        await return_to_teacher(
            session, cast.mentor, answer.verification_id or "", version=1, reason="x", clock=clock
        )


async def test_withdrawing_a_re_test_frees_the_result(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await first(session, cast, clock)
    answer = await retest(session, cast.mentor, clock, result_id)
    done = await withdraw(
        session, cast.coordinator, answer.verification_id or "", version=1, reason="wrong child", clock=clock
    )
    assert done.state == "withdrawn"
    assert not (await read_result(session, cast.teacher, result_id)).is_verified
    assert (await retest(session, cast.mentor, clock, result_id)).code == "agreed"


DEEDS: dict[str, Callable[[Any, Any, Any, Any, Any], Awaitable[Any]]] = {
    "resolve": lambda s, c, v, n, k: resolve(
        s, c.coordinator, v, version=n, stands="first", reason="r", clock=k
    ),
    "return": lambda s, c, v, n, k: return_to_teacher(s, c.coordinator, v, version=n, reason="r", clock=k),
    "answer": lambda s, c, v, n, k: answer_returned(s, c.teacher, v, version=n, reason="r", clock=k),
    "withdraw": lambda s, c, v, n, k: withdraw(s, c.coordinator, v, version=n, reason="r", clock=k),
}
LEADS_TO = {"resolve": "resolved", "return": "returned", "answer": "ended", "withdraw": "withdrawn"}
FORBIDDEN = [(state, deed) for state, deed in product(STATES, DEEDS) if (state, LEADS_TO[deed]) not in STEPS]


@pytest.mark.parametrize(("state", "deed"), FORBIDDEN)
async def test_every_forbidden_step_is_refused(
    session: Session, cast: Cast, clock: StandingClock, state: str, deed: str
) -> None:
    verification_id = (await differing(session, cast, clock)).verification_id or ""
    values = {
        "id": verification_id,
        "state": state,
        "rank": 4 if state == "agreed" else 5,
        "by": cast.mentor.person_id,
    }
    await session.execute(QUERIES["state"], values)
    with pytest.raises(NoSuchVerificationStep):
        await DEEDS[deed](session, cast, verification_id, 1, clock)


async def test_drawing_takes_what_the_precision_needs_and_the_same_seed_the_same_children(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for number in range(60):
        child = await session.fetch_value(
            QUERIES["practice_child"],
            {"school": cast.school_a, "year": cast.school_year, "code": f"X{number}"},
        )
        await session.execute(
            QUERIES["results_of"],
            {"student": child, "round": cast.round, "rank": 1 + number % 6, "by": cast.teacher.person_id},
        )
    wanted = NewDraw(cast.round, "math", place_id=cast.province, margin=0.1, confidence=0.9, seed=7)
    plan = await plan_draw(session, cast.coordinator, wanted)
    assert (plan.population, plan.size, plan.schools) == (60, 33, 1)
    drawn = await draw_sample(session, cast.coordinator, wanted, clock)
    assert (drawn.size, drawn.added, drawn.seed) == (33, 33, 7)
    once = await session.fetch_value(QUERIES["drawn"], {"id": drawn.id})
    again = await draw_sample(session, cast.coordinator, wanted, clock)
    assert (again.size, again.added) == (33, 0), "those under re-test are left as they are"
    queue = await verification_queue(
        session, cast.mentor, PageRequest(100), clock, round_id=cast.round, draw_id=drawn.id
    )
    assert ",".join(sorted(row.result_id for row in queue.items)) == once
    for row in queue.items:
        await withdraw(session, cast.coordinator, row.id, version=1, reason="again", clock=clock)
    third = await draw_sample(session, cast.coordinator, wanted, clock)
    assert await session.fetch_value(QUERIES["drawn"], {"id": third.id}) == once
    assert [
        each.id for each in (await list_draws(session, cast.coordinator, cast.round, PageRequest())).items
    ] == [third.id, again.id, drawn.id]


async def test_the_mentor_sees_a_drawn_child_on_its_day(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await first(session, cast, clock)
    tomorrow = TODAY + timedelta(days=1)
    await draw_sample(
        session,
        cast.coordinator,
        NewDraw(cast.round, "math", school_id=cast.school_a, visible_on=tomorrow),
        clock,
    )
    assert (
        await verification_queue(session, cast.mentor, PageRequest(), clock, round_id=cast.round)
    ).items == []
    assert (await retest(session, cast.mentor, clock, result_id)).code == "not_yet"
    seen = await verification_queue(session, cast.coordinator, PageRequest(), clock, round_id=cast.round)
    assert len(seen.items) == 1
    later = StandingClock(NOW + timedelta(days=1))
    assert (
        len((await verification_queue(session, cast.mentor, PageRequest(), later, round_id=cast.round)).items)
        == 1
    )


async def test_practice_schools_are_never_drawn_and_count_in_no_agreement(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = await session.fetch_value(
        QUERIES["practice_child"], {"school": cast.practice_school, "year": cast.school_year, "code": "P1"}
    )
    values = {"student": child, "round": cast.round, "rank": 4, "by": cast.teacher.person_id}
    result_id = await session.fetch_value(QUERIES["results_of"], values)
    with pytest.raises(NothingToDraw):
        await draw_sample(
            session, cast.coordinator, NewDraw(cast.round, "math", school_id=cast.practice_school), clock
        )
    assert (await retest(session, cast.coordinator, clock, result_id)).code == "agreed"
    (all_,) = await read_agreement(session, cast.coordinator, round_id=cast.round, subject="math")
    assert all_.agreement.n == 0


async def test_only_open_and_closed_rounds_are_drawn_from(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    wanted = NewDraw(cast.round, "math", school_id=cast.school_a)
    with pytest.raises(NothingToDraw):
        await draw_sample(session, cast.coordinator, wanted, clock)
    await session.execute(QUERIES["round_state"], {"id": cast.round, "state": "planned"})
    with pytest.raises(NotVerifiable):
        await draw_sample(session, cast.coordinator, wanted, clock)
    with pytest.raises(Forbidden):
        await draw_sample(session, cast.mentor, wanted, clock)
    with pytest.raises(Invalid) as invalid:
        await draw_sample(session, cast.coordinator, NewDraw(cast.round, "dance", margin=0.0001), clock)
    assert {fault.field for fault in invalid.value.faults} == {"subject", "margin", "school_id"}


async def test_agreement_is_told_by_teacher_school_and_tool_and_hidden_below_ten(
    session: Session, cast: Cast, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        child = await session.fetch_value(
            QUERIES["practice_child"],
            {"school": cast.school_a, "year": cast.school_year, "code": f"X{number}"},
        )
        values = {"student": child, "round": cast.round, "rank": 3 + number % 2, "by": cast.teacher.person_id}
        result_id = await session.fetch_value(QUERIES["results_of"], values)
        level = "subtraction" if number % 2 or number == 0 else "number_2digit"
        assert (await retest(session, cast.mentor, clock, result_id, level=level)).is_saved
    for by, name in (("all", ""), ("teacher", "Teacher"), ("school", "Alpha School"), ("tool", "")):
        (group,) = await read_agreement(session, cast.mentor, round_id=cast.round, subject="math", by=by)
        assert (group.name, group.agreement.n) == (name, 12)
        assert group.agreement.exact is not None
        assert group.agreement.exact.value == pytest.approx(11 / 12)
        assert group.agreement.higher == pytest.approx(1 / 12)
    assert (await read_agreement(session, cast.mentor_elsewhere, round_id=cast.round, subject="math"))[
        0
    ].agreement.n == 0
    monkeypatch.setattr(draws, "MAX_ROWS", 1)
    with pytest.raises(Invalid) as refused:
        await read_agreement(session, cast.coordinator, round_id=cast.round, subject="math", by="school")
    assert [each.field for each in refused.value.faults] == ["by"], (
        "more than one answer may hold is told, not cut off"
    )
    (few,) = await read_agreement(session, cast.coordinator, round_id=cast.round, subject="language")
    assert (few.agreement.n, few.agreement.exact) == (0, None)
    with pytest.raises(Forbidden):
        await read_agreement(session, cast.viewer, round_id=cast.round, subject="math")


async def test_a_locked_school_is_not_tested_again_but_by_a_coordinator_with_a_reason(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    result_id = await first(session, cast, clock)
    await lock_school(session, cast.coordinator, cast.round, cast.school_a, reason="audit", clock=clock)
    assert (await retest(session, cast.mentor, clock, result_id, reason="please")).code == "school_locked"
    assert (await retest(session, cast.coordinator, clock, result_id)).code == "school_locked"
    assert (
        await retest(session, cast.coordinator, clock, result_id, reason="asked by the ministry")
    ).code == "agreed"


async def test_two_mentors_at_one_child_save_one_re_test(new_database: Callable[[], OneDatabase]) -> None:
    clock = StandingClock(NOW)
    async with Database(new_database().conninfo) as database:
        async with database.transaction(deadline_s=60) as session:
            cast = await make_cast(session)
            results = [await first(session, cast, clock, number) for number in range(5)]

        async def test_again(actor: Any) -> list[str]:
            async with database.transaction(deadline_s=60) as own:
                answers = await save_retests(
                    own, actor, [a_retest(each, level="division") for each in results], clock
                )
            return [answer.code for answer in answers]

        codes = await asyncio.gather(
            *(test_again(actor) for actor in (cast.mentor, cast.coordinator, cast.admin))
        )
        for by_result in zip(*codes, strict=True):
            assert sorted(by_result) == ["awaits_decision", "awaits_decision", "disagreed"]

        async def decide(stands: str) -> str:
            async with database.transaction(deadline_s=60) as own:
                page = await verification_queue(
                    own, cast.coordinator, PageRequest(), clock, round_id=cast.round, state="under_way"
                )
            row = page.items[0]
            try:
                async with database.transaction(deadline_s=60) as own:
                    await resolve(
                        own,
                        cast.coordinator,
                        row.id,
                        version=row.version,
                        stands=stands,
                        reason="r",
                        clock=clock,
                    )
            except ProgrammeError as error:
                return error.code
            return stands

        outcomes = await asyncio.gather(decide("first"), decide("second"))
        assert len([each for each in outcomes if each in ("first", "second")]) == 1
        async with database.transaction(deadline_s=60) as own:
            assert (await reconcile(own)).different == 0


async def test_a_returned_result_goes_to_the_present_teacher_where_its_tester_comes_no_more(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    verification_id = (await differing(session, cast, clock)).verification_id or ""
    await session.execute(QUERIES["end_assignments"], {"person": cast.teacher.person_id})
    with pytest.raises(NobodyToReturnTo):
        async with session.savepoint():
            await return_to_teacher(
                session, cast.mentor, verification_id, version=1, reason="again", clock=clock
            )
    await session.execute(
        QUERIES["assign"], {"person": cast.stranger.person_id, "school": cast.school_a, "subject": "math"}
    )
    await return_to_teacher(session, cast.mentor, verification_id, version=1, reason="again", clock=clock)
    present = await actor_now(session, "stranger")
    (asked,) = (await list_returned(session, present, PageRequest(), clock)).items
    assert asked.id == verification_id
    gone = await actor_now(session, "teacher")
    assert (await list_returned(session, gone, PageRequest(), clock)).items == []
    await answer_returned(session, present, verification_id, version=2, reason="it is right", clock=clock)
    assert (await list_returned(session, present, PageRequest(), clock)).items == []
