"""The same children in two rounds: what is told is what their results say, computed independently, for every choice of children."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, OutOfScope
from rightlevel.programme.levels import SCALES
from rightlevel.programme.movement import (
    MovedChildrenQuery,
    Movement,
    MovementQuery,
    StillQuery,
    dose_of_moved,
    moved_children,
    movement_apart,
    movement_below,
    read_movement,
    still_children,
)
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, delete_result, enter_results
from rightlevel.programme.students import delete_student

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: round
-- A planned round of the cast's year: what came before it is not fixed by it.
insert into round (school_year_id, kind, starts_on, ends_on, state)
values (%(year)s, %(kind)s::round_kind, %(starts_on)s, %(ends_on)s, 'planned') returning id
-- name: student
-- Enrols a child.
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade)
values (%(school)s, %(year)s, null, %(code)s, %(code)s, lower(%(code)s), %(sex)s, %(grade)s) returning id::text as id
-- name: result
-- What a child could do in a round; the cell is where the child stands.
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select gen_random_uuid(), st.id, %(round)s, st.school_id, st.class_id, %(by)s, %(on)s, %(subject)s::subject, %(outcome)s::outcome, 'direct',
    %(rank)s, st.grade, st.sex
from student st where st.id = %(student)s::uuid
-- name: move
-- Moves a child to another school.
update student set school_id = %(school)s, class_id = null where id = %(student)s::uuid
-- name: close_school
-- Moves a school to another district.
update school set place_id = %(place)s where id = %(school)s
-- name: fix
-- Fixes a round's roll.
select fix_roll(%(round)s::bigint, now())
-- name: check
-- A quick re-test.
insert into level_check (id, student_id, school_id, subject, rank, checked_on, person_id)
values (gen_random_uuid(), %(student)s::uuid, %(school)s, 'language', %(rank)s, %(on)s, %(by)s)
-- name: lesson
-- A lesson of a group of the school.
with grouping_made as (
    insert into grouping (school_id, subject, grade_from, grade_to, state, bands, target_size, made_by, made_at)
    values (%(school)s, 'language', 3, 3, 'proposed', '[[1, 2]]', 20, %(by)s, now()) returning id
), grouped as (
    insert into teaching_group (grouping_id, band, number) select id, 1, 1 from grouping_made returning id
)
insert into teaching_session (id, write_id, group_id, school_id, subject, held_on, minutes, expected, present, created_at, created_by, changed_at)
select gen_random_uuid(), gen_random_uuid(), id, %(school)s, 'language', %(on)s, 60, 5, 1, now(), %(by)s, now() from grouped returning id::text as id
-- name: came
-- A child came to a lesson.
insert into attendance (session_id, student_id, presence) values (%(lesson)s::uuid, %(student)s::uuid, 'present')
-- name: pending
-- A re-test of a child's result waits.
insert into verification (result_id, round_id, subject, school_id, state, visible_on, created_by, created_at)
select r.id, r.round_id, r.subject, r.school_id, 'pending', current_date, %(by)s, now() from result r
where r.student_id = %(student)s::uuid and r.round_id = %(round)s and r.deleted_at is null
""",
    origin="test_movement.py",
)
ENDLINE = date(2026, 12, 7)


async def make(session: Session, name: str, **values: Any) -> Any:
    return await session.fetch_value(QUERIES[name], values)


async def do(session: Session, name: str, **values: Any) -> None:
    await session.execute(QUERIES[name], values)


async def rounds_of(session: Session, cast: Cast) -> list[int]:
    """Baseline, midline and endline."""
    later = [
        await make(session, "round", year=cast.school_year, kind=kind, starts_on=starts, ends_on=ends)
        for kind, starts, ends in (
            ("midline", date(2026, 12, 1), date(2026, 12, 5)),
            ("endline", date(2026, 12, 6), date(2026, 12, 10)),
        )
    ]
    return [cast.round, *later]


async def result(
    session: Session, cast: Cast, round_id: int, student: str, rank: int | None, **more: Any
) -> None:
    values = {"subject": "language", "outcome": "assessed" if rank else "absent", "on": NOW.date()} | more
    await do(
        session, "result", round=round_id, student=student, rank=rank, by=cast.coordinator.person_id, **values
    )


def asked(rounds: list[int], **more: Any) -> MovementQuery:
    return MovementQuery(
        **{"round_id": rounds[0], "later_round_id": rounds[-1], "subject": "language", **more}
    )


def matrix(found: Movement) -> dict[tuple[int, int], int]:
    return {
        (row.rank, to_rank): count
        for row in found.rows
        for to_rank, count in enumerate(row.to or (), start=1)
        if count
    }


@pytest.fixture
async def moved(session: Session, cast: Cast) -> tuple[Cast, list[int]]:
    """School A: beginner to word, word to word, story to letters, one refused and one without; school B: new at endline only, letter to story."""
    rounds = await rounds_of(session, cast)
    a, b = cast.students_a, cast.students_b
    for student, rank in ((a[0], 1), (a[1], 3), (a[2], 5), (a[3], 2), (a[4], 2), (b[0], 2)):
        await result(session, cast, rounds[0], student, rank)
    for student, rank in ((a[0], 3), (a[1], 3), (a[2], 2), (b[0], 5), (b[1], 4)):
        await result(session, cast, rounds[2], student, rank, on=ENDLINE)
    await result(session, cast, rounds[2], a[3], None, outcome="refused", on=ENDLINE)
    return cast, rounds


async def test_the_same_children_are_told_with_what_became_of_the_others(
    session: Session, moved: tuple[Cast, list[int]]
) -> None:
    cast, rounds = moved
    found = await read_movement(session, cast.coordinator, asked(rounds))
    assert matrix(found) == {(1, 3): 1, (3, 3): 1, (5, 2): 1, (2, 5): 1}
    assert (found.assessed, found.matched, found.improved, found.same, found.declined) == (6, 4, 2, 1, 1)
    assert (found.absent, found.refused, found.left, found.without_result) == (0, 1, 0, 1)
    assert found.attrition == 2 / 6
    assert (found.later.assessed, found.holds_different_children) == (5, True)
    assert (found.is_few, found.improved_share, found.mean_shift) == (True, None, None)
    of_a = await read_movement(session, cast.coordinator, asked(rounds, school_id=cast.school_a))
    assert (of_a.assessed, of_a.matched, of_a.improved) == (5, 3, 1)
    below = await movement_below(
        session, cast.coordinator, asked(rounds, place_id=cast.province), PageRequest()
    )
    assert [
        (each.name_local, each.movement.matched, each.movement.later.assessed) for each in below.items
    ] == [
        ("North District", 3, 3),
        ("South District", 1, 2),
    ]
    apart = await movement_apart(session, cast.coordinator, asked(rounds), by="sexes")
    assert sum(each.movement.matched or 0 for each in apart) == 4
    klass = await read_movement(session, cast.coordinator, asked(rounds, class_id=cast.class_3a))
    assert (klass.assessed, klass.matched, klass.declined) == (3, 3, 1)


async def test_only_two_rounds_in_order_are_compared(session: Session, moved: tuple[Cast, list[int]]) -> None:
    cast, rounds = moved
    with pytest.raises(Invalid):
        await read_movement(session, cast.coordinator, asked(rounds[::-1]))
    with pytest.raises(Invalid):
        await read_movement(session, cast.coordinator, asked([rounds[0], rounds[0]]))
    with pytest.raises(NotFound):
        await read_movement(session, cast.coordinator, asked([rounds[0], 10**9]))


async def test_field_staff_are_told_of_their_schools_and_subjects(
    session: Session, moved: tuple[Cast, list[int]]
) -> None:
    cast, rounds = moved
    assert (await read_movement(session, cast.teacher, asked(rounds))).matched == 3
    assert (await read_movement(session, cast.stranger, asked(rounds))).matched == 0
    for actor, more in (
        (cast.teacher, {"school_id": cast.school_b}),
        (cast.teacher_elsewhere, {"school_id": cast.school_b, "subject": "math"}),
    ):
        with pytest.raises(OutOfScope):
            await read_movement(session, actor, asked(rounds, **more))
    with pytest.raises(NotFound):
        await read_movement(session, cast.teacher_elsewhere, asked(rounds, class_id=cast.class_3a))
    with pytest.raises(Forbidden):
        await read_movement(session, cast.viewer, asked(rounds, class_id=cast.class_3a))
    with pytest.raises(Forbidden):
        await movement_apart(session, cast.viewer, asked(rounds), by="sexes")


async def names(session: Session, actor: Actor, query: MovedChildrenQuery) -> list[tuple[str, str | None]]:
    seen: list[tuple[str, str | None]] = []
    after = None
    while True:
        page = await moved_children(session, actor, query, PageRequest(2, after))
        seen += [(each.name, each.fate) for each in page.items]
        after = page.next
        if after is None:
            return seen


async def test_each_child_is_named_with_what_became_of_it(
    session: Session, moved: tuple[Cast, list[int]]
) -> None:
    cast, rounds = moved
    query = MovedChildrenQuery(
        round_id=rounds[0], later_round_id=rounds[2], subject="language", school_id=cast.school_a
    )
    assert await names(session, cast.teacher, query) == [
        ("Bopha", "improved"),
        ("Chan", "same"),
        ("Dara", "declined"),
        ("Kosal", "refused"),
        ("ចាន់ដារ៉ា", "to_do"),
    ]
    await do(session, "move", student=cast.students_a[4], school=cast.school_b)
    gone = msgspec.structs.replace(query, fate="moved")
    assert await names(session, cast.coordinator, gone) == [("ចាន់ដារ៉ា", "moved")]
    found = await read_movement(session, cast.coordinator, asked(rounds, school_id=cast.school_a))
    assert found.without_result == 1
    with pytest.raises(Forbidden):
        await names(session, cast.viewer, query)
    with pytest.raises(OutOfScope):
        await names(session, cast.teacher_elsewhere, query)
    with pytest.raises(Invalid):
        await names(session, cast.coordinator, msgspec.structs.replace(query, fate="asleep"))


async def test_who_has_to_test_a_child_again_is_told_none_of_its_levels(
    session: Session, moved: tuple[Cast, list[int]]
) -> None:
    cast, rounds = moved
    await do(
        session,
        "pending",
        student=cast.students_a[0],
        round=rounds[2],
        by=cast.coordinator.person_id,
    )
    query = MovedChildrenQuery(
        round_id=rounds[0], later_round_id=rounds[2], subject="language", school_id=cast.school_a
    )
    first = (await moved_children(session, cast.mentor, query, PageRequest(1))).items[0]
    assert (first.name, first.is_blind, first.from_level, first.to_level, first.fate, first.tested_on) == (
        "Bopha",
        True,
        None,
        None,
        None,
        None,
    )
    improved = msgspec.structs.replace(query, fate="improved")
    assert await names(session, cast.mentor, improved) == []
    assert await names(session, cast.coordinator, improved) == [("Bopha", "improved")]


async def test_a_changed_and_a_removed_result_and_child_are_counted_no_more(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    rounds = await rounds_of(session, cast)
    student = cast.students_a[0]
    await result(session, cast, rounds[2], student, 4, on=ENDLINE)
    write = ResultWrite(str(uuid4()), student, rounds[0], "language", NOW.date(), "assessed", level="letter")
    assert (await enter_results(session, cast.coordinator, [write], clock))[0].code == "saved"
    assert matrix(await read_movement(session, cast.coordinator, asked(rounds))) == {(2, 4): 1}
    changed = msgspec.structs.replace(write, id=str(uuid4()), level="story", version=1)
    assert (await enter_results(session, cast.coordinator, [changed], clock))[0].code == "changed"
    assert matrix(await read_movement(session, cast.coordinator, asked(rounds))) == {(5, 4): 1}
    await delete_result(session, cast.coordinator, write.id, version=2, reason="test", clock=clock)
    assert matrix(await read_movement(session, cast.coordinator, asked(rounds))) == {}
    again = msgspec.structs.replace(write, id=str(uuid4()))
    assert (await enter_results(session, cast.coordinator, [again], clock))[0].code == "saved"
    assert matrix(await read_movement(session, cast.coordinator, asked(rounds))) == {(2, 4): 1}
    await delete_student(session, cast.coordinator, student, reason="test", clock=clock)
    found = await read_movement(session, cast.coordinator, asked(rounds))
    assert (found.assessed, found.matched) == (0, 0)
    assert (await reconcile(session)).different == 0


async def test_practice_schools_are_in_no_movement(session: Session, cast: Cast) -> None:
    rounds = await rounds_of(session, cast)
    student = await make(
        session, "student", school=cast.practice_school, year=cast.school_year, code="P", sex=1, grade=3
    )
    for round_id, rank in ((rounds[0], 1), (rounds[2], 4)):
        await result(session, cast, round_id, student, rank)
    found = await read_movement(session, cast.coordinator, asked(rounds))
    assert (found.assessed, found.matched) == (0, 0)
    own = await read_movement(session, cast.coordinator, asked(rounds, school_id=cast.practice_school))
    assert own.matched == 0


async def test_a_moved_school_takes_along_only_what_is_not_fixed(
    session: Session, moved: tuple[Cast, list[int]]
) -> None:
    cast, rounds = moved
    await do(session, "close_school", school=cast.school_a, place=cast.district_2)
    north = asked(rounds, place_id=cast.district_1)
    south = asked(rounds, place_id=cast.district_2)

    async def matched(query: MovementQuery) -> int | None:
        return (await read_movement(session, cast.coordinator, query)).matched

    assert (await matched(north), await matched(south)) == (0, 4)
    assert (await reconcile(session)).different == 0
    await session.fetch_value(QUERIES["fix"], {"round": rounds[0]})
    await do(session, "close_school", school=cast.school_a, place=cast.district_1)
    assert (await matched(north), await matched(south)) == (0, 4)
    today = [msgspec.structs.replace(each, boundaries="today") for each in (north, south)]
    assert [await matched(each) for each in today] == [3, 1]
    assert (await reconcile(session)).different == 0


async def test_who_stands_still_is_named_with_the_lessons_it_had(
    session: Session, moved: tuple[Cast, list[int]]
) -> None:
    cast, rounds = moved
    student, person = cast.students_a[1], cast.coordinator.person_id
    await do(
        session,
        "check",
        student=student,
        school=cast.school_a,
        rank=2,
        on=date(2026, 10, 1),
        by=person,
    )
    query = StillQuery(cast.school_a, "language", weeks=2)
    still = await still_children(session, cast.teacher, query, PageRequest())
    # Chan was at letters in October and reads words since: no rise in the last two weeks. Dara fell.
    assert [(each.name, each.level_before, each.level) for each in still.items] == [
        ("Chan", "word", "word"),
        ("Dara", "story", "letter"),
    ]
    lesson = await make(session, "lesson", school=cast.school_a, on=date(2026, 11, 30), by=person)
    await do(session, "came", lesson=lesson, student=student)
    still = await still_children(session, cast.teacher, query, PageRequest(1))
    assert [(each.name, each.sessions, each.minutes) for each in still.items] == [("Chan", 1, 60)]
    assert still.next is not None
    dose = await dose_of_moved(session, cast.teacher, asked(rounds, school_id=cast.school_a))
    assert [(each.fate, each.children, each.marked, each.mean_sessions) for each in dose] == [
        ("improved", 1, 0, None),
        ("same", 1, 1, 1.0),
        ("declined", 1, 0, None),
    ]
    longer = await still_children(
        session, cast.teacher, msgspec.structs.replace(query, weeks=9), PageRequest()
    )
    assert [each.name for each in longer.items] == []
    with pytest.raises(Invalid):
        await still_children(session, cast.teacher, msgspec.structs.replace(query, weeks=0), PageRequest())
    with pytest.raises(OutOfScope):
        await still_children(session, cast.teacher_elsewhere, query, PageRequest())


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_movement_equals_what_is_counted_independently(session: Session, cast: Cast, seed: int) -> None:
    """Children drawn at random over two schools, three rounds, grades and sexes; each choice counted again in plain Python."""
    chance = random.Random(seed)
    rounds = await rounds_of(session, cast)
    levels: dict[tuple[str, int], int | None] = {}
    cells: dict[str, tuple[int, int, int]] = {}
    for number in range(120):
        school, grade, sex = (
            chance.choice((cast.school_a, cast.school_b)),
            chance.choice((3, 4)),
            chance.choice((1, 2)),
        )
        student = await make(
            session, "student", school=school, year=cast.school_year, code=f"R{number}", sex=sex, grade=grade
        )
        cells[student] = (school, grade, sex)
        for round_id in rounds:
            if chance.random() < 0.8:
                rank = chance.choice((None, 1, 2, 3, 4, 5, 6, 7))
                levels[student, round_id] = rank
                await result(session, cast, round_id, student, rank)
    for first, second in ((0, 1), (1, 2), (0, 2)):
        pair = [rounds[first], rounds[second]]
        for more in (
            {},
            {"school_id": cast.school_a},
            {"grade": 3},
            {"sex": 2},
            {"place_id": cast.district_2},
        ):
            chosen = [
                student
                for student, (school, grade, sex) in cells.items()
                if more.get("school_id", school) == school
                and more.get("grade", grade) == grade
                and more.get("sex", sex) == sex
                and ("place_id" not in more or school == cast.school_b)
            ]
            pairs = Counter(
                (levels[each, pair[0]], levels[each, pair[1]])
                for each in chosen
                if levels.get((each, pair[0])) and levels.get((each, pair[1]))
            )
            found = await read_movement(session, cast.coordinator, asked(pair, **more))
            assert matrix(found) == dict(pairs), more
            assert found.assessed == sum(1 for each in chosen if levels.get((each, pair[0])))
            assert found.absent == sum(
                1 for each in chosen if levels.get((each, pair[0])) and levels.get((each, pair[1]), 0) is None
            )
            assert found.improved == sum(n for (a, b), n in pairs.items() if b > a)  # type: ignore[operator]
    assert len(SCALES["language"]) == len(found.rows)
    assert (await reconcile(session)).different == 0
