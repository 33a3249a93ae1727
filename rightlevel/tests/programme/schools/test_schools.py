from datetime import date

import pytest
from people import Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.errors import AlreadyTaken, Forbidden, InUse, Invalid, NotFound, Stale
from rightlevel.programme.schools import (
    ClassChange,
    NewClass,
    NewSchool,
    NewYear,
    SchoolChange,
    SchoolHasPast,
    SchoolSearch,
    YearChange,
    YearIsCurrent,
    change_class,
    change_grades,
    change_school,
    change_year,
    create_class,
    create_school,
    create_year,
    current_year,
    delete_class,
    delete_school,
    delete_year,
    list_classes,
    list_schools,
    list_years,
    read_grades,
    read_school,
    restore_class,
    restore_school,
    restore_year,
)

pytestmark = pytest.mark.anyio

COUNTS = read_queries(
    "-- name: enrolled\n-- Children counted at a place.\nselect coalesce(sum(children), 0)::int from place_enrolled where place_id = %(place)s",
    origin="test_schools.py",
)["enrolled"]


async def names(session: Session, actor, **asked: object) -> list[str]:
    return [
        school.code
        for school in (await list_schools(session, actor, PageRequest(100), SchoolSearch(**asked))).items
    ]


async def test_field_staff_see_the_schools_assigned_to_them_and_no_other(
    session: Session, cast: Cast
) -> None:
    assert await names(session, cast.teacher) == ["A"]
    assert await names(session, cast.mentor_elsewhere) == ["B"]
    assert await names(session, cast.stranger) == []
    assert await names(session, cast.viewer) == ["A", "B", "PRACTICE"]
    for nobody in (cast.teacher, cast.mentor, cast.stranger):
        with pytest.raises(NotFound):
            await read_school(session, nobody, cast.school_b)


async def test_schools_are_found_by_name_place_and_kind(session: Session, cast: Cast) -> None:
    assert await names(session, cast.coordinator, search="beta") == ["B"]
    assert await names(session, cast.coordinator, place_id=cast.district_1) == ["A", "PRACTICE"]
    assert await names(session, cast.coordinator, place_id=cast.country, is_practice=False) == ["A", "B"]
    assert await names(session, cast.coordinator, search="100%") == []


async def test_the_list_counts_the_children(session: Session, cast: Cast) -> None:
    schools = (await list_schools(session, cast.coordinator, PageRequest())).items
    assert [(school.code, school.children) for school in schools] == [("A", 5), ("B", 3), ("PRACTICE", None)]


async def test_every_fault_of_a_school_is_named_at_once(session: Session, cast: Cast) -> None:
    new = NewSchool(999_999, "", "", "x" * 300, "church", "moon", 91.0, None, "burnt")
    with pytest.raises(Invalid) as invalid:
        await create_school(session, cast.coordinator, new)
    assert {fault.field for fault in invalid.value.faults} == {
        "place_id",
        "code",
        "name_local",
        "name_latin",
        "ownership",
        "area",
        "latitude",
        "longitude",
        "status",
    }


async def test_a_school_is_made_changed_and_kept_from_stale_hands(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await create_school(
        session,
        cast.coordinator,
        NewSchool(cast.district_2, " NEW ", "New School", latitude=11.5, longitude=104.9),
    )
    assert made.code == "NEW"
    with pytest.raises(AlreadyTaken):
        async with session.savepoint():
            await create_school(session, cast.coordinator, NewSchool(cast.district_1, "NEW", "Duplicate"))
    changed = await change_school(
        session, cast.coordinator, made.id, SchoolChange(1, name_latin="Latin", status="closed"), clock
    )
    assert (changed.name_latin, changed.status, changed.latitude, changed.version) == (
        "Latin",
        "closed",
        11.5,
        2,
    )
    with pytest.raises(Stale):
        await change_school(session, cast.coordinator, made.id, SchoolChange(1, name_latin="Late"), clock)
    with pytest.raises(Forbidden):
        await change_school(session, cast.mentor, cast.school_a, SchoolChange(1, name_latin="Mine"), clock)


async def test_a_school_that_moves_takes_its_counts_along(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    async def counted() -> tuple[int, ...]:
        return tuple(
            [
                await session.fetch_value(COUNTS, {"place": place})
                for place in (cast.country, cast.district_1, cast.district_2)
            ]
        )

    assert await counted() == (8, 5, 3)
    with pytest.raises(Invalid) as invalid:
        await change_school(
            session, cast.coordinator, cast.school_a, SchoolChange(1, place_id=cast.district_2), clock
        )
    assert [fault.field for fault in invalid.value.faults] == ["reason"]
    south = SchoolChange(1, place_id=cast.district_2, reason="a new border")
    await change_school(session, cast.coordinator, cast.school_a, south, clock)
    assert await counted() == (8, 0, 8)
    with pytest.raises(SchoolHasPast):
        await change_school(
            session, cast.coordinator, cast.school_a, SchoolChange(2, is_practice=True), clock
        )
    assert (await reconcile(session)).different == 0


async def test_a_school_with_children_stays_and_an_empty_one_comes_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(InUse):
        await delete_school(session, cast.coordinator, cast.school_a, reason="x", clock=clock)
    await delete_school(session, cast.coordinator, cast.practice_school, reason="not needed", clock=clock)
    assert await names(session, cast.coordinator) == ["A", "B"]
    assert await names(session, cast.coordinator, deleted=True) == ["PRACTICE"]
    with pytest.raises(Forbidden):
        await names(session, cast.viewer, deleted=True)
    await restore_school(session, cast.coordinator, cast.practice_school)
    assert await names(session, cast.coordinator) == ["A", "B", "PRACTICE"]


async def test_years_do_not_overlap_and_one_is_current(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for starts, ends in ((date(2026, 6, 1), date(2027, 5, 31)), (date(2028, 1, 1), date(2027, 1, 1))):
        with pytest.raises(Invalid):
            async with session.savepoint():
                await create_year(session, cast.coordinator, NewYear("Wrong", starts, ends))
    new = await create_year(
        session, cast.coordinator, NewYear("2027", date(2027, 1, 1), date(2027, 12, 31), is_current=True)
    )
    now = await current_year(session)
    assert now is not None
    assert now.id == new.id
    old = next(
        year
        for year in (await list_years(session, cast.viewer, PageRequest())).items
        if year.id == cast.school_year
    )
    assert (old.is_current, old.version) == (False, 2)
    again = await change_year(session, cast.coordinator, cast.school_year, YearChange(2, is_current=True))
    assert again.is_current
    with pytest.raises(InUse):
        await delete_year(session, cast.coordinator, cast.school_year, reason="x", clock=clock)
    await delete_year(session, cast.coordinator, new.id, reason="too early", clock=clock)
    assert not (await restore_year(session, cast.coordinator, new.id)).is_current


async def test_there_is_a_current_year_until_another_is(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    empty = await create_year(
        session, cast.coordinator, NewYear("2027", date(2027, 1, 1), date(2027, 12, 31), is_current=True)
    )
    with pytest.raises(YearIsCurrent):
        await delete_year(session, cast.coordinator, empty.id, reason="too early", clock=clock)
    with pytest.raises(YearIsCurrent):
        await change_year(
            session, cast.coordinator, empty.id, YearChange(empty.version, name="2028", is_current=False)
        )
    now = await current_year(session)
    assert now is not None
    assert (now.id, now.name) == (empty.id, "2027")
    await change_year(session, cast.coordinator, cast.school_year, YearChange(2, is_current=True))
    await delete_year(session, cast.coordinator, empty.id, reason="too early", clock=clock)


async def test_classes_are_kept_by_school_grade_and_section(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    assert await read_grades(session) == [3, 4, 5]
    made = await create_class(session, cast.coordinator, NewClass(cast.school_a, 4, "B"))
    with pytest.raises(AlreadyTaken):
        async with session.savepoint():
            await create_class(session, cast.coordinator, NewClass(cast.school_a, 4, "B"))
    with pytest.raises(Invalid) as invalid:
        await create_class(session, cast.coordinator, NewClass(999_999, 9, "x" * 30))
    assert {fault.field for fault in invalid.value.faults} == {"school_id", "grade", "section"}
    classes = (await list_classes(session, cast.teacher, PageRequest(), school_id=cast.school_a)).items
    assert [(each.grade, each.section, each.children) for each in classes] == [(3, "A", 3), (4, "B", 0)]
    assert (
        await list_classes(session, cast.teacher_elsewhere, PageRequest(), school_id=cast.school_a)
    ).items == []
    changed = await change_class(session, cast.coordinator, made.id, ClassChange(1, grade=5))
    assert (changed.grade, changed.section) == (5, "B")
    with pytest.raises(Stale):
        await change_class(session, cast.coordinator, made.id, ClassChange(1, grade=3))
    with pytest.raises(InUse):
        await delete_class(session, cast.coordinator, cast.class_3a, reason="x", clock=clock)
    await delete_class(session, cast.coordinator, made.id, reason="merged", clock=clock)
    assert len((await list_classes(session, cast.teacher, PageRequest(), school_id=cast.school_a)).items) == 1
    await restore_class(session, cast.coordinator, made.id)


async def test_an_admin_sets_the_grades_and_nobody_else(session: Session, cast: Cast) -> None:
    assert await change_grades(session, cast.admin, [2, 1, 2, 8]) == [1, 2, 8]
    assert await read_grades(session) == [1, 2, 8]
    for wrong in ([], [0], [13]):
        with pytest.raises(Invalid):
            await change_grades(session, cast.admin, wrong)
    with pytest.raises(Forbidden):
        await change_grades(session, cast.coordinator, [3])
