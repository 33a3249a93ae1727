"""Exercises for testers: taken against the right answers, in versions, and asked for before results where the programme wants it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound
from rightlevel.programme.exercises import (
    Attempt,
    AttemptsUsedUp,
    Case,
    ExerciseFollowed,
    ExerciseKey,
    NewAttempt,
    NewExercise,
    RequirementChange,
    add_exercise_version,
    change_requirement,
    ensure_first_exercises,
    exercises_due,
    list_exercises,
    list_requirements,
    list_testers,
    read_attempt,
    read_exercise,
    read_exercise_key,
    take_exercise,
)
from rightlevel.programme.exercises.actions import first_exercises
from rightlevel.programme.exercises.model import MOST_ATTEMPTS, exercise_faults
from rightlevel.programme.permissions import Actor, Subject
from rightlevel.programme.results import ResultWrite, Tap, enter_results
from rightlevel.programme.results.actions import enter_together
from rightlevel.programme.verification import Retest, save_retests

pytestmark = pytest.mark.anyio
TODAY = NOW.date()

QUERIES = read_queries(
    """
-- name: change
-- Somebody writes over a version.
update exercise set needed = 1 where id = %(id)s
-- name: audit
-- What the audit says of exercises.
select action, person_id, after from audit_entry where resource in ('exercise', 'certification') order by id
-- name: child
-- Enrols a child at the practice school.
insert into student (school_id, school_year_id, code, name, name_key, sex, grade)
values (%(school)s, %(year)s, 'P1', 'Practice child', 'practice child', 1, 3) returning id::text as id
-- name: assign
-- Assigns somebody.
insert into assignment (person_id, school_id, subject, from_on) values (%(person)s, %(school)s, 'math', '2026-01-01')
""",
    origin="test_exercises.py",
)


class Said(msgspec.Struct, frozen=True):
    action: str
    person_id: int
    after: dict[str, Any]


async def newest(session: Session, cast: Cast, subject: Subject = "math") -> ExerciseKey:
    await ensure_first_exercises(session)
    rows = await list_exercises(session, cast.coordinator)
    row = next(each for each in rows if (each.subject, each.language) == (subject, "en"))
    return await read_exercise_key(session, cast.coordinator, row.id)


def answers_to(key: ExerciseKey, *, wrong: int = 0) -> NewAttempt:
    """The right answers, but for some of the first ones."""
    shown = key.to_take.cases
    return NewAttempt(
        [
            next(choice for choice in shown[number].choices if choice != case.answer)
            if number < wrong
            else case.answer
            for number, case in enumerate(key.cases)
        ]
    )


async def taken(
    session: Session, cast: Cast, actor: Actor, clock: StandingClock, *, wrong: int = 0
) -> Attempt:
    key = await newest(session, cast)
    return await take_exercise(session, actor, key.id, answers_to(key, wrong=wrong), clock)


def a_write(cast: Cast, student: str | None = None, **more: Any) -> ResultWrite:
    values = {"subject": "math", "level": "subtraction", "tested_on": TODAY, **more}
    return ResultWrite(str(uuid4()), student or cast.students_a[0], cast.round, **values)


async def entered(session: Session, actor: Actor, clock: StandingClock, *writes: ResultWrite) -> list[str]:
    return [each.code for each in await enter_results(session, actor, writes, clock)]


async def ask_for(session: Session, cast: Cast, clock: StandingClock, *, since: date | None = None) -> None:
    """Asks for the exercise of mathematics, passed on a day at the earliest."""
    await change_requirement(session, cast.coordinator, RequirementChange("math", True, since), clock)


def test_the_exercises_that_come_with_the_program_are_whole() -> None:
    for each in first_exercises():
        new = NewExercise(each.subject, each.language, each.needed, each.cases)
        assert not exercise_faults(new), (each.subject, each.language)
        assert each.needed * 10 >= len(each.cases) * 9, "more than nine of ten (decision 0033)"
    assert {(each.subject, each.language) for each in first_exercises()} == {
        (subject, language) for subject in ("language", "math") for language in ("en", "km")
    }


async def test_agreement_with_the_right_answers_is_told_and_kept(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    missed = await taken(session, cast, cast.teacher, clock, wrong=3)
    assert (missed.agreed, missed.cases, missed.is_passed) == (9, 12, False)
    assert [each.number for each in missed.differences] == [1, 2, 3]
    assert all(each.answered != each.answer and each.why for each in missed.differences)
    passed = await taken(session, cast, cast.teacher, clock, wrong=1)
    assert (passed.agreed, passed.is_passed, passed.taken_on) == (11, True, TODAY)
    rows = await list_exercises(session, cast.teacher)
    row = next(each for each in rows if each.id == passed.exercise_id)
    assert (row.attempts, row.agreed, row.passed_on) == (2, 11, TODAY)
    others = await list_exercises(session, cast.mentor)
    assert not any(each.attempts for each in others), "everybody sees their own"
    said = await session.fetch_all(QUERIES["audit"], {}, into=Said)
    assert [(each.action, each.person_id, each.after["agreed"]) for each in said] == [
        ("take", cast.teacher.person_id, 9),
        ("take", cast.teacher.person_id, 11),
    ]


async def test_nothing_tells_an_answer_before_it_was_given(session: Session, cast: Cast) -> None:
    key = await newest(session, cast)
    shown = msgspec.json.encode(await read_exercise(session, cast.teacher, key.id)).decode()
    for case in key.cases:
        assert case.why not in shown
    assert '"answer"' not in shown
    for actor in (cast.teacher, cast.mentor, cast.viewer):
        with pytest.raises(Forbidden):
            await read_exercise_key(session, actor, key.id)


async def test_a_try_is_read_by_whose_it_is_and_by_whoever_leads(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    attempt = await taken(session, cast, cast.teacher, clock, wrong=2)
    assert await read_attempt(session, cast.coordinator, attempt.id) == attempt
    for actor in (cast.mentor, cast.teacher_elsewhere):
        with pytest.raises(NotFound):
            await read_attempt(session, actor, attempt.id)


async def test_each_case_needs_an_answer_out_of_its_choices(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    key = await newest(session, cast)
    answers = answers_to(key).answers
    for sent, fields in (
        ([*answers[:3], "", *answers[4:]], ["case_4"]),
        (answers[:-2], ["case_11", "case_12"]),
        (["story", *answers[1:]], ["case_1"]),
        ([*answers, "right"], ["answers"]),
        ([], [f"case_{number}" for number in range(1, 13)]),
    ):
        with pytest.raises(Invalid) as refused:
            await take_exercise(session, cast.teacher, key.id, NewAttempt(sent), clock)
        assert [each.field for each in refused.value.faults] == fields
    with pytest.raises(NotFound):
        await take_exercise(session, cast.teacher, 2**40, NewAttempt(answers), clock)
    with pytest.raises(Forbidden):
        await take_exercise(session, cast.viewer, key.id, NewAttempt(answers), clock)


async def test_a_version_is_taken_so_often_and_no_more(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for _ in range(MOST_ATTEMPTS):
        await taken(session, cast, cast.teacher, clock, wrong=12)
    with pytest.raises(AttemptsUsedUp):
        await taken(session, cast, cast.teacher, clock)
    assert (await taken(session, cast, cast.mentor, clock)).is_passed, "another person's are their own"


async def test_a_version_follows_the_newest_and_is_what_is_taken_next(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    first = await newest(session, cast)
    new = NewExercise("math", "en", 10, first.cases[:10], follows=1)
    added = await add_exercise_version(session, cast.coordinator, new)
    assert (added.version, len(added.cases)) == (2, 10)
    with pytest.raises(ExerciseFollowed):
        await add_exercise_version(session, cast.coordinator, new)
    with pytest.raises(ExerciseFollowed):
        await take_exercise(session, cast.teacher, first.id, answers_to(first), clock)
    assert await ensure_first_exercises(session) == 0, "what was added stays the newest"
    assert (await newest(session, cast)).id == added.id
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await add_exercise_version(session, actor, msgspec.structs.replace(new, follows=2))


async def test_a_version_never_changes(session: Session, cast: Cast) -> None:
    key = await newest(session, cast)
    with pytest.raises(ConstraintViolated) as refused:
        await session.execute(QUERIES["change"], {"id": key.id})
    assert refused.value.constraint == "exercise_is_kept"


GOOD = [Case("words", f"word {number}", "right", heard="said") for number in range(5)]


@pytest.mark.parametrize(
    ("changed", "field", "rule"),
    [
        ({"cases": GOOD[:4], "needed": 4}, "cases", "Between 5 and 30 cases"),
        ({"needed": 0}, "needed", "Between 1 and the number of cases"),
        ({"needed": 6}, "needed", "Between 1 and the number of cases"),
        ({"language": "Khmer"}, "language", "A language code, for example km"),
        ({"cases": [*GOOD, GOOD[0]]}, "cases", "The same case stands here twice"),
        (
            {"cases": [*GOOD, Case("division", "8 ÷ 2", "right", heard="4")]},
            "cases",
            "Case 6: there is no such task",
        ),
        (
            {"cases": [*GOOD, Case("words", "sun", "story", heard="son")]},
            "cases",
            "Case 6: there is no such answer",
        ),
        ({"cases": [*GOOD, Case("level", "all", "right")]}, "cases", "Case 6: there is no such answer"),
        (
            {"cases": [*GOOD, Case("words", "sun", "right")]},
            "cases",
            "Case 6: what is shown or what the child did is missing",
        ),
        (
            {"cases": [*GOOD, Case("words", "s" * 601, "right", heard="sun")]},
            "cases",
            "Case 6: at most 600 characters",
        ),
        (
            {"cases": [*GOOD, Case("words", "s\0n", "right", heard="sun")]},
            "cases",
            "This holds a character that is no text",
        ),
    ],
)
async def test_what_can_not_be_taken_is_refused(
    session: Session, cast: Cast, changed: dict[str, Any], field: str, rule: str
) -> None:
    values: dict[str, Any] = {"subject": "language", "language": "vi", "needed": 5, "cases": GOOD, **changed}
    with pytest.raises(Invalid) as refused:
        await add_exercise_version(session, cast.coordinator, NewExercise(**values))
    assert (field, rule) in [(each.field, each.rule) for each in refused.value.faults]


async def test_nobody_is_asked_for_an_exercise_unless_the_programme_says_so(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    assert await list_requirements(session, cast.teacher) == []
    assert await exercises_due(session, cast.teacher) == []
    assert await entered(session, cast.teacher, clock, a_write(cast)) == ["saved"]


async def test_where_it_is_asked_for_levels_are_taken_from_who_has_passed(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await ask_for(session, cast, clock)
    assert await exercises_due(session, cast.teacher) == ["math"]
    write = a_write(cast)
    answers = await enter_results(session, cast.teacher, [write], clock)
    assert (answers[0].code, "under Exercises" in answers[0].message) == ("exercise_due", True)
    assert await enter_together(session, [(cast.teacher, Tap(write))], clock) == [None], "nor among others'"
    assert await entered(session, cast.mentor, clock, write) == ["exercise_due"]
    other = a_write(cast, subject="language", level="story")
    assert await entered(session, cast.teacher, clock, other) == ["saved"], "the other subject is free"
    away = a_write(cast, cast.students_a[1], outcome="absent", level=None)
    assert await entered(session, cast.teacher, clock, away) == ["saved"], (
        "that a child was away takes no skill"
    )
    await taken(session, cast, cast.teacher, clock, wrong=2)
    assert await entered(session, cast.teacher, clock, write) == ["exercise_due"], "taken is not passed"
    await taken(session, cast, cast.teacher, clock)
    assert await exercises_due(session, cast.teacher) == []
    assert await entered(session, cast.teacher, clock, write) == ["saved"], "the very same write"
    assert await entered(session, cast.mentor, clock, a_write(cast, cast.students_a[1])) == ["exercise_due"]


async def test_whoever_leads_enters_what_others_measured(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await ask_for(session, cast, clock)
    assert await entered(session, cast.coordinator, clock, a_write(cast)) == ["saved"]
    assert await exercises_due(session, cast.coordinator) == []


async def test_writes_of_several_are_each_judged_by_their_own_writer(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await ask_for(session, cast, clock)
    await taken(session, cast, cast.teacher, clock)
    taps = [
        (cast.mentor, Tap(a_write(cast, cast.students_a[0]))),
        (cast.teacher, Tap(a_write(cast, cast.students_a[1]))),
    ]
    answers = await enter_together(session, taps, clock)
    assert [each and each.code for each in answers] == [None, "saved"]


@pytest.mark.parametrize(("later", "code"), [(0, "saved"), (1, "exercise_due")])
async def test_what_was_passed_before_the_day_that_is_asked_for_does_not_count(
    session: Session, cast: Cast, clock: StandingClock, later: int, code: str
) -> None:
    await taken(session, cast, cast.teacher, clock)
    clock.advance(later * 86_400)
    await ask_for(session, cast, clock, since=TODAY + timedelta(later))
    assert await entered(session, cast.teacher, clock, a_write(cast)) == [code]
    page = await list_testers(session, cast.coordinator, PageRequest(), clock, subject="math")
    row = next(each for each in page.items if each.person_id == cast.teacher.person_id)
    assert (row.passed_on, row.counts) == (TODAY, code == "saved")


@pytest.mark.parametrize("since", [TODAY + timedelta(1), TODAY - timedelta(500)])
async def test_a_day_on_which_nobody_can_have_passed_is_refused(
    session: Session, cast: Cast, clock: StandingClock, since: date
) -> None:
    with pytest.raises(Invalid) as refused:
        await ask_for(session, cast, clock, since=since)
    assert [each.field for each in refused.value.faults] == ["since"]
    assert await list_requirements(session, cast.coordinator) == []


async def test_a_practice_school_is_for_trying(session: Session, cast: Cast, clock: StandingClock) -> None:
    values = {"school": cast.practice_school, "year": cast.school_year, "person": cast.teacher.person_id}
    child = str(await session.fetch_value(QUERIES["child"], values))
    await session.execute(QUERIES["assign"], values)
    scope = msgspec.structs.replace(
        cast.teacher.scope,
        held=(
            *cast.teacher.scope.held,
            msgspec.structs.replace(
                cast.teacher.scope.held[0], school_id=cast.practice_school, subject="math"
            ),
        ),
    )
    teacher = msgspec.structs.replace(cast.teacher, scope=scope)
    await ask_for(session, cast, clock)
    assert await entered(session, teacher, clock, a_write(cast, child)) == ["saved"]
    assert await entered(session, teacher, clock, a_write(cast)) == ["exercise_due"]


async def test_a_re_test_needs_the_exercise_too(session: Session, cast: Cast, clock: StandingClock) -> None:
    write = a_write(cast, tool=1)
    assert await entered(session, cast.teacher, clock, write) == ["saved"]
    await ask_for(session, cast, clock)
    again = Retest(str(uuid4()), write.id, TODAY, level="subtraction", tool=2)
    (answer,) = await save_retests(session, cast.mentor, [again], clock)
    assert answer.code == "exercise_due"
    (missed,) = await save_retests(
        session, cast.mentor, [Retest(str(uuid4()), write.id, TODAY, outcome="absent")], clock
    )
    assert missed.code == "missed"
    await taken(session, cast, cast.mentor, clock)
    (answer,) = await save_retests(session, cast.mentor, [again], clock)
    assert answer.code == "agreed"


async def test_asking_is_written_down_and_taken_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await ask_for(session, cast, clock, since=TODAY)
    told = await change_requirement(session, cast.coordinator, RequirementChange("math", False), clock)
    assert told == []
    assert await entered(session, cast.teacher, clock, a_write(cast)) == ["saved"]
    said = await session.fetch_all(QUERIES["audit"], {}, into=Said)
    assert [each.after for each in said] == [
        {"is_required": True, "since": "2026-11-23"},
        {"is_required": False, "since": None},
    ]
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await change_requirement(session, actor, RequirementChange("math", True), clock)
        with pytest.raises(Forbidden):
            await list_testers(session, actor, PageRequest(), clock)


async def test_the_list_of_testers_says_who_has_yet_to_pass(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await taken(session, cast, cast.teacher, clock, wrong=4)
    await taken(session, cast, cast.teacher, clock)
    page = await list_testers(session, cast.coordinator, PageRequest(), clock)
    assert {(each.person_id, each.subject) for each in page.items} >= {
        (cast.teacher.person_id, "language"),
        (cast.teacher.person_id, "math"),
        (cast.teacher_elsewhere.person_id, "language"),
    }
    assert not {each.role for each in page.items} - {"teacher", "mentor"}
    assert cast.stranger.person_id not in {each.person_id for each in page.items}, (
        "who holds nothing tests nobody"
    )
    row = next(
        each for each in page.items if (each.person_id, each.subject) == (cast.teacher.person_id, "math")
    )
    assert (row.attempts, row.first_agreed, row.last_agreed, row.last_cases, row.counts) == (
        2,
        8,
        12,
        12,
        True,
    )
    lacking = await list_testers(session, cast.coordinator, PageRequest(), clock, only_lacking=True)
    assert len(lacking.items) == len(page.items) - 1
    rows: list[tuple[int, str]] = []
    asked = PageRequest(1)
    while True:
        one = await list_testers(session, cast.coordinator, asked, clock)
        rows += [(each.person_id, each.subject) for each in one.items]
        if one.next is None:
            break
        asked = PageRequest(1, one.next)
    assert rows == [(each.person_id, each.subject) for each in page.items], "page by page the same"
