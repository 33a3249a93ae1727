"""A class on which children or results hang keeps its grade; what doesn't change is not judged by today's settings."""

from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.enrolments import Transfer, transfer_student
from rightlevel.programme.errors import Invalid, NotFound, Stale
from rightlevel.programme.permissions import Held, Scope
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.schools import (
    ClassChange,
    ClassHasPast,
    ClassInUse,
    NewClass,
    change_class,
    change_grades,
    create_class,
    delete_class,
    read_class,
    restore_class,
)
from rightlevel.programme.students import delete_student, mark_left

pytestmark = pytest.mark.anyio
QUERIES = read_queries(
    """
-- name: close
-- Closes a school.
update school set status = 'closed' where id = %(id)s
-- name: delete
-- Deletes a school.
update school set deleted_at = now() where id = %(id)s
-- name: year
-- A year that is deleted.
insert into school_year (name, starts_on, ends_on, deleted_at) values ('2030', '2030-01-01', '2030-12-31', now()) returning id
-- name: put_year
-- The class is of that year.
update class set school_year_id = %(year)s where id = %(id)s
""",
    origin="test_class_in_use.py",
)


async def test_a_class_with_children_keeps_its_grade_and_may_have_another_section(
    session: Session, cast: Cast
) -> None:
    with pytest.raises(ClassInUse, match="move the children there"):
        await change_class(session, cast.coordinator, cast.class_3a, ClassChange(1, grade=5))
    renamed = await change_class(session, cast.coordinator, cast.class_3a, ClassChange(1, section="Lotus"))
    assert (renamed.grade, renamed.section) == (3, "Lotus")
    with pytest.raises(Stale):
        await change_class(session, cast.coordinator, cast.class_3a, ClassChange(1, grade=5))


@pytest.mark.parametrize("how", ["left", "deleted", "moved", "tested"])
async def test_a_class_in_which_somebody_was_keeps_its_grade(
    session: Session, cast: Cast, clock: StandingClock, how: str
) -> None:
    made = await create_class(session, cast.coordinator, NewClass(cast.school_a, 4, "B"))
    child = cast.students_a[3]
    into = Transfer(1, cast.school_a, 4, NOW.date(), "placed", made.id)
    await transfer_student(session, cast.coordinator, child, into, clock)
    if how == "left":
        await mark_left(
            session, cast.coordinator, child, version=2, left_on=NOW.date(), reason="away", clock=clock
        )
    elif how == "deleted":
        await delete_student(session, cast.coordinator, child, reason="mistake", clock=clock)
    else:
        if how == "tested":
            write = ResultWrite(str(uuid4()), child, cast.round, "math", NOW.date(), level="subtraction")
            assert (await enter_results(session, cast.teacher, [write], clock))[0].code == "saved"
        away = Transfer(2, cast.school_b, 4, NOW.date(), "moved")
        await transfer_student(session, cast.coordinator, child, away, clock)
    with pytest.raises(ClassInUse):
        await change_class(session, cast.coordinator, made.id, ClassChange(1, grade=5))
    if how == "deleted":
        await delete_class(session, cast.coordinator, made.id, reason="a mistake too", clock=clock)
    else:
        with pytest.raises(ClassHasPast):
            await delete_class(session, cast.coordinator, made.id, reason="empty", clock=clock)


async def test_a_setting_never_stands_in_the_way_of_another_correction(session: Session, cast: Cast) -> None:
    await change_grades(session, cast.admin, [4, 5])
    renamed = await change_class(
        session, cast.coordinator, cast.class_3a, ClassChange(1, grade=3, section="B")
    )
    assert (renamed.grade, renamed.section) == (3, "B")
    made = await create_class(session, cast.coordinator, NewClass(cast.school_a, 4, "C"))
    with pytest.raises(Invalid):
        await change_class(session, cast.coordinator, made.id, ClassChange(1, grade=3))
    assert (await read_class(session, cast.coordinator, made.id)).grade == 4


async def test_classes_are_made_and_brought_back_only_where_children_may_stand(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    year = await session.fetch_value(QUERIES["year"], {})
    with pytest.raises(Invalid) as refused:
        await create_class(session, cast.coordinator, NewClass(cast.school_a, 4, "B", year))
    assert [fault.field for fault in refused.value.faults] == ["school_year_id"]
    made = await create_class(session, cast.coordinator, NewClass(cast.school_a, 4, "B"))
    await delete_class(session, cast.coordinator, made.id, reason="empty", clock=clock)
    for spoil, field in (("close", "school_id"), ("delete", "school_id")):
        with pytest.raises(Invalid) as refused:
            async with session.savepoint():
                await session.execute(QUERIES[spoil], {"id": cast.school_a})
                await restore_class(session, cast.coordinator, made.id)
        assert [fault.field for fault in refused.value.faults] == [field]
        with pytest.raises(Invalid):
            async with session.savepoint():
                await session.execute(QUERIES[spoil], {"id": cast.school_a})
                await create_class(session, cast.coordinator, NewClass(cast.school_a, 4, "C"))
    await session.execute(QUERIES["put_year"], {"id": made.id, "year": year})
    with pytest.raises(Invalid) as refused:
        await restore_class(session, cast.coordinator, made.id)
    assert [fault.field for fault in refused.value.faults] == ["school_year_id"]


async def test_a_class_out_of_reach_is_not_there_also_in_ones_own_school(
    session: Session, cast: Cast
) -> None:
    other = await create_class(session, cast.coordinator, NewClass(cast.school_a, 4, "B", cast.school_year))
    mine = msgspec.structs.replace(
        cast.teacher, scope=Scope(held=(Held(cast.school_a, "math", cast.class_3a),))
    )
    assert (await read_class(session, mine, cast.class_3a)).id == cast.class_3a
    assert (await read_class(session, cast.teacher, other.id)).id == other.id
    for actor in (mine, cast.teacher_elsewhere, cast.stranger):
        with pytest.raises(NotFound):
            await read_class(session, actor, other.id)
