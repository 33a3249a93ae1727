from typing import Any
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid, OutOfScope
from rightlevel.programme.figures import (
    BehindQuery,
    FigureQuery,
    Figures,
    children_behind,
    figures_below,
    hold_different_children,
    read_breakdown,
    read_figures,
)
from rightlevel.programme.permissions import Actor
from rightlevel.programme.results import ResultWrite, TestingStatus, enter_results
from rightlevel.programme.students import NewStudent, create_student

pytestmark = pytest.mark.anyio

EXPLAIN = read_queries(
    "-- name: counts\n-- How often the rows of results were read.\nselect coalesce(sum(seq_tup_read + idx_tup_fetch), 0) from pg_stat_xact_user_tables where relname = 'result'",
    origin="test_figures.py",
)["counts"]

PENDING = read_queries(
    "-- name: pending\n-- A re-test of a child's result waits.\ninsert into verification (result_id, round_id, subject, school_id, state, visible_on, "
    "created_by, created_at) select r.id, r.round_id, r.subject, r.school_id, 'pending', current_date, %(by)s, now() from result r "
    "where r.student_id = %(student)s::uuid and r.round_id = %(round)s and r.deleted_at is null",
    origin="test_figures.py",
)["pending"]


async def enter(
    session: Session, cast: Cast, clock: StandingClock, subject: str, levels: dict[str, str | None]
) -> None:
    writes = [
        ResultWrite(
            str(uuid4()), student, cast.round, subject, NOW.date(), "assessed" if level else "absent", level
        )
        for student, level in levels.items()
    ]
    answers = await enter_results(session, cast.coordinator, writes, clock)
    assert {answer.code for answer in answers} == {"saved"}


@pytest.fixture
async def known(session: Session, cast: Cast, clock: StandingClock) -> Cast:
    """School A: beginner, word, story, story and one absent in language. School B: paragraph, and two not tested."""
    a, b = cast.students_a, cast.students_b
    await enter(
        session,
        cast,
        clock,
        "language",
        {
            a[0]: "beginner",
            a[1]: "word",
            a[2]: "story",
            a[3]: "comprehension1",
            a[4]: None,
            b[0]: "paragraph",
        },
    )
    await enter(session, cast, clock, "math", {a[0]: "division", a[1]: "subtraction"})
    return cast


async def figures(session: Session, actor: Actor, cast: Cast, **asked: Any) -> Figures:
    return await read_figures(
        session, actor, FigureQuery(**{"round_id": cast.round, "subject": "language", **asked})
    )


def levels(found: Figures) -> list[int]:
    return [level.count for level in found.levels]


def indicator(found: Figures, code: str) -> tuple[int, int]:
    each = next(each for each in found.indicators if each.code == code)
    return each.numerator, each.denominator


async def test_the_whole_country_is_what_was_entered(session: Session, known: Cast) -> None:
    found = await figures(session, known.coordinator, known)
    assert (found.assessed, found.absent, found.enrolled) == (5, 1, 8)
    assert found.coverage == 5 / 8
    assert levels(found) == [1, 0, 1, 1, 1, 1, 0]
    assert [level.share for level in found.levels][:2] == [0.2, 0.0]
    assert indicator(found, "reads_story") == (2, 5)
    assert indicator(found, "paragraph_up") == (3, 5)
    assert indicator(found, "cannot_read_words") == (1, 5)
    math = await figures(session, known.coordinator, known, subject="math")
    assert (indicator(math, "does_division"), indicator(math, "subtraction_up")) == ((1, 2), (2, 2))


async def test_without_children_there_is_no_share(session: Session, known: Cast) -> None:
    found = await figures(session, known.coordinator, known, subject="math", place_id=known.district_2)
    assert (found.assessed, found.enrolled) == (0, 3)
    assert {level.share for level in found.levels} == {None}
    assert {each.share for each in found.indicators} == {None}
    empty = await figures(session, known.coordinator, known, grade=5)
    assert (empty.coverage, empty.enrolled) == (None, 0)


async def test_places_schools_grades_and_sexes_narrow_the_choice(session: Session, known: Cast) -> None:
    assert (await figures(session, known.coordinator, known, place_id=known.district_1)).assessed == 4
    assert (await figures(session, known.coordinator, known, school_id=known.school_b)).assessed == 1
    assert (await figures(session, known.coordinator, known, grade=3)).assessed == 5
    male = await figures(session, known.coordinator, known, sex=1)
    female = await figures(session, known.coordinator, known, sex=2)
    assert (male.assessed + female.assessed, male.enrolled + female.enrolled) == (5, 8)


async def test_field_staff_get_figures_of_their_schools_and_subjects_only(
    session: Session, known: Cast
) -> None:
    assert (await figures(session, known.teacher, known)).assessed == 4
    assert (await figures(session, known.teacher_elsewhere, known)).assessed == 1
    assert (await figures(session, known.stranger, known)).assessed == 0
    assert (await figures(session, known.teacher_elsewhere, known, subject="math")).enrolled == 0
    assert (await figures(session, known.teacher, known, place_id=known.district_2)).assessed == 0
    with pytest.raises(OutOfScope):
        await figures(session, known.teacher, known, school_id=known.school_b)
    with pytest.raises(OutOfScope):
        await figures(session, known.teacher_elsewhere, known, school_id=known.school_b, subject="math")
    with pytest.raises(Invalid):
        await figures(session, known.coordinator, known, subject="physics")


async def test_drilling_down_adds_up(session: Session, known: Cast) -> None:
    async def below(actor: Actor, **asked: Any) -> list[tuple[bool, str, int]]:
        query = FigureQuery(**{"round_id": known.round, "subject": "language", **asked})
        seen: list[tuple[bool, str, int]] = []
        after: str | None = None
        while True:
            page = await figures_below(session, actor, query, PageRequest(1, after))
            seen += [(unit.is_school, unit.name_local, unit.figures.assessed) for unit in page.items]
            after = page.next
            if after is None:
                return seen

    assert await below(known.coordinator) == [(False, "Exampleland", 5)]
    assert await below(known.coordinator, place_id=known.country) == [(False, "First Province", 5)]
    assert await below(known.coordinator, place_id=known.province) == [
        (False, "North District", 4),
        (False, "South District", 1),
    ]
    assert await below(known.coordinator, place_id=known.district_1) == [(True, "Alpha School", 4)]
    assert await below(known.teacher) == [(True, "Alpha School", 4)]
    assert await below(known.stranger) == []


async def test_the_same_apart_by_grade_sex_and_round_adds_up(session: Session, known: Cast) -> None:
    whole = await figures(session, known.coordinator, known)
    for actor, expected in ((known.coordinator, whole.assessed), (known.teacher, 4)):
        for by in ("rounds", "grades", "sexes"):
            slices = await read_breakdown(session, actor, FigureQuery(known.round, "language"), by=by)  # type: ignore[arg-type]
            assert sum(each.figures.assessed for each in slices) == expected, by
    rounds = await read_breakdown(
        session, known.coordinator, FigureQuery(known.round, "language"), by="rounds"
    )
    assert [(each.label, each.figures.enrolled) for each in rounds] == [("baseline", 8)]
    grades = await read_breakdown(
        session, known.coordinator, FigureQuery(known.round, "language"), by="grades"
    )
    assert [(each.key, each.figures.enrolled) for each in grades] == [("3", 8)]


async def test_the_children_behind_a_figure_are_shown_to_those_who_may_see_them(
    session: Session, known: Cast
) -> None:
    async def names(actor: Actor, **asked: Any) -> list[str]:
        query = BehindQuery(
            **{"round_id": known.round, "subject": "language", "school_id": known.school_a, **asked}
        )
        return [child.name for child in (await children_behind(session, actor, query, PageRequest())).items]

    assert await names(known.teacher, rank=1) == ["Bopha"]
    assert await names(known.coordinator, outcome="absent") == ["ចាន់ដារ៉ា"]
    assert await names(known.coordinator, school_id=known.school_b, outcome="missing") == [
        "Beta child 1",
        "Beta child 2",
    ]
    with pytest.raises(Forbidden):
        await names(known.viewer, rank=1)
    with pytest.raises(OutOfScope):
        await names(known.teacher_elsewhere, rank=1)
    with pytest.raises(Invalid):
        await names(known.teacher, outcome="asleep")


async def test_practice_schools_count_nowhere(session: Session, known: Cast, clock: StandingClock) -> None:
    before = await figures(session, known.coordinator, known)
    child = await create_student(
        session, known.coordinator, NewStudent(known.practice_school, "P", "Practice Child", 1, 3), clock
    )
    await enter(session, known, clock, "language", {child.id: "story"})
    assert await figures(session, known.coordinator, known) == before
    assert (await figures(session, known.coordinator, known, school_id=known.practice_school)).assessed == 0


async def test_figures_read_no_result_rows(session: Session, known: Cast) -> None:
    before = await session.fetch_value(EXPLAIN, {})
    await figures(session, known.coordinator, known)
    await read_breakdown(session, known.coordinator, FigureQuery(known.round, "language"), by="rounds")
    await figures_below(session, known.coordinator, FigureQuery(known.round, "language"), PageRequest())
    assert await session.fetch_value(EXPLAIN, {}) == before


async def test_every_enrolled_child_is_tested_absent_refused_left_or_to_do(
    session: Session, known: Cast
) -> None:
    found = await figures(session, known.coordinator, known)
    assert found.status == TestingStatus(found.assessed, found.absent, found.refused, found.left, found.to_do)
    assert found.status.enrolled == found.enrolled
    assert (found.assessed, found.absent, found.to_do) == (5, 1, 2)


async def test_rounds_side_by_side_hold_different_children_when_more_were_tested_in_one(
    session: Session, known: Cast
) -> None:
    asked = FigureQuery(known.round, "language")
    (only, *rest) = await read_breakdown(session, known.coordinator, asked, by="rounds")
    assert not hold_different_children([only, *rest])
    fewer = msgspec.structs.replace(only, figures=msgspec.structs.replace(only.figures, assessed=4))
    untested = msgspec.structs.replace(only, figures=msgspec.structs.replace(only.figures, assessed=0))
    assert hold_different_children([only, fewer])
    assert not hold_different_children([only, untested])


async def test_who_has_to_test_a_child_again_is_not_told_its_level_behind_a_figure(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    """A blind re-test must not shine through: no level, and no list of a level with the child in it."""
    waiting, other = cast.students_a[:2]
    await enter(session, cast, clock, "language", {waiting: "word", other: "word"})
    await session.execute(
        PENDING, {"student": waiting, "round": cast.round, "by": cast.coordinator.person_id}
    )

    async def told(actor: Actor, **more: Any) -> list[tuple[str, str | None, bool]]:
        asked = BehindQuery(cast.round, "language", cast.school_a, outcome="assessed", **more)
        found = await children_behind(session, actor, asked, PageRequest())
        return [(each.name, each.level, each.is_blind) for each in found.items]

    assert await told(cast.mentor) == [("Bopha", None, True), ("Chan", "word", False)]
    assert [await told(cast.mentor, rank=rank) for rank in range(1, 8)] == [
        [("Chan", "word", False)] if rank == 3 else [] for rank in range(1, 8)
    ]
    for actor in (cast.coordinator, cast.teacher):
        assert await told(actor, rank=3) == [("Bopha", "word", False), ("Chan", "word", False)]
