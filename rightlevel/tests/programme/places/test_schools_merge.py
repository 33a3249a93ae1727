"""Schools merged and split: their children go, their results stay counted where they were made, and it can be taken back."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import msgspec
import pytest
from people import NOW, Cast
from places import by_place, enter, every_part, step

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import reconcile
from rightlevel.programme.boundaries import (
    SchoolChangeStands,
    SchoolChangeUndone,
    SchoolMerge,
    SchoolSplit,
    list_school_changes,
    merge_school,
    preview_school_merge,
    preview_school_split,
    split_school,
    undo_school_change,
)
from rightlevel.programme.enrolments import Transfer, erase_identity, transfer_student
from rightlevel.programme.errors import AlreadyTaken, Forbidden, Invalid, NotFound
from rightlevel.programme.schools import (
    NewSchool,
    SchoolChange,
    SchoolHasChildren,
    change_school,
    create_class,
    create_school,
    list_classes,
    read_school,
)
from rightlevel.programme.schools.model import NewClass
from rightlevel.programme.students import NewStudent, create_student, mark_left, read_student

pytestmark = pytest.mark.anyio

WHERE = read_queries(
    """
-- name: children
-- The codes of the active children of a school, with their classes' sections.
select array_agg(st.code || ':' || coalesce(c.section, '-') order by st.code) from student st left join class c on c.id = st.class_id
where st.school_id = %(school)s and st.status = 'active' and st.deleted_at is null
""",
    origin="test_schools_merge.py",
)
DAY = date(2026, 11, 20)


async def children(session: Session, school_id: int) -> list[str]:
    return await session.fetch_value(WHERE["children"], {"school": school_id}) or []


def merge(into: int, **more: object) -> SchoolMerge:
    return SchoolMerge(str(uuid4()), into, DAY, "too few children", **more)  # type: ignore[arg-type]


async def test_all_children_go_and_everything_counted_stays(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    # the other school has a class of that name, and a child with one of the codes
    await create_class(session, cast.coordinator, NewClass(cast.school_b, 3, "A"))
    await create_student(
        session, cast.coordinator, NewStudent(cast.school_b, "A1", "Another Child", 1, 3), clock
    )
    asked = merge(cast.school_b)
    preview = await preview_school_merge(session, cast.coordinator, cast.school_a, asked)
    assert (preview.children, preview.codes, preview.people, preview.erased) == (5, 1, 2, 0)
    assert [(each.section, each.children, each.to_section, each.is_new) for each in preview.classes] == [
        ("", 2, "", False),
        ("A", 3, "A-2", True),
    ]
    assert [(each.kind, each.stays, each.results) for each in preview.rounds] == [("baseline", True, 5)]
    made = await merge_school(session, cast.coordinator, cast.school_a, asked, clock)
    assert (made.kind, made.children, made.from_school, made.to_school) == (
        "merge",
        5,
        "Alpha School",
        "Beta School",
    )
    gone = await read_school(session, cast.coordinator, cast.school_a)
    assert (gone.status, gone.merged_into) == ("closed", cast.school_b)
    assert await children(session, cast.school_a) == []
    assert await children(session, cast.school_b) == [
        "A0:A-2",
        "A1:-",
        "A1-2:A-2",
        "A2:A-2",
        "A3:-",
        "A4:-",
        "B0:-",
        "B1:-",
        "B2:-",
    ]
    assert await by_place(session, cast) == await by_place(session, cast, "today") == (8, 5, 3)
    assert (await reconcile(session)).different == 0
    for boundaries in ("then", "today"):
        await every_part(session, cast, boundaries)
    assert await merge_school(session, cast.coordinator, cast.school_a, asked, clock) == made
    assert (await list_school_changes(session, cast.coordinator, cast.school_b, PageRequest())).items == [
        made
    ]


async def test_a_merge_is_taken_back(session: Session, cast: Cast, clock: StandingClock) -> None:
    made = await merge_school(session, cast.coordinator, cast.school_a, merge(cast.school_b), clock)
    with pytest.raises(Invalid) as invalid:
        await change_school(session, cast.coordinator, cast.school_a, SchoolChange(2, status="open"), clock)
    assert [each.field for each in invalid.value.faults] == ["status"]
    undone = await undo_school_change(session, cast.coordinator, made.id, reason="a mistake", clock=clock)
    assert (undone.back, undone.left_as_they_are) == (5, 0)
    back = await read_school(session, cast.coordinator, cast.school_a)
    assert (back.status, back.merged_into) == ("open", None)
    assert await children(session, cast.school_a) == ["A0:A", "A1:A", "A2:A", "A3:-", "A4:-"]
    assert await children(session, cast.school_b) == ["B0:-", "B1:-", "B2:-"]
    with pytest.raises(SchoolChangeUndone):
        await undo_school_change(session, cast.coordinator, made.id, reason="again", clock=clock)


async def test_a_school_closes_only_when_nobody_is_taught_there(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    closing = SchoolChange(1, status="closed")
    with pytest.raises(SchoolHasChildren, match="Merge it into another school"):
        await change_school(session, cast.coordinator, cast.school_b, closing, clock)
    for child in cast.students_b[:2]:
        await mark_left(
            session, cast.coordinator, child, version=1, left_on=DAY, reason="moved_away", clock=clock
        )
    with pytest.raises(SchoolHasChildren):
        await change_school(session, cast.coordinator, cast.school_b, closing, clock)
    last = cast.students_b[2]
    await erase_identity(session, cast.admin, last, confirmation="B2", reason="asked", clock=clock)
    closed = await change_school(session, cast.coordinator, cast.school_b, closing, clock)
    assert closed.status == "closed", "an erased child can't go anywhere, and holds nothing up"


async def test_a_merge_stands_once_the_other_school_is_gone_too(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await merge_school(session, cast.coordinator, cast.school_a, merge(cast.school_b), clock)
    third = await create_school(session, cast.coordinator, NewSchool(cast.district_1, "C", "Third School"))
    await merge_school(session, cast.coordinator, cast.school_b, merge(third.id), clock)
    with pytest.raises(SchoolChangeStands):
        await undo_school_change(session, cast.coordinator, made.id, reason="a mistake", clock=clock)


async def test_some_classes_become_a_school_of_their_own(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast, clock)
    await step(session, cast, clock, "closed", 1)
    asked = SchoolSplit(str(uuid4()), [cast.class_3a], DAY, "NEW", "New School", reason="too many children")
    preview = await preview_school_split(session, cast.coordinator, cast.school_a, asked)
    assert (preview.children, [each.section for each in preview.classes]) == (3, ["A"])
    made = await split_school(session, cast.coordinator, cast.school_a, asked, clock)
    assert await children(session, made.to_school_id) == ["A0:A", "A1:A", "A2:A"]
    assert await children(session, cast.school_a) == ["A3:-", "A4:-"]
    new = await read_school(session, cast.coordinator, made.to_school_id)
    assert (new.code, new.place_id) == ("NEW", cast.district_1)
    assert await by_place(session, cast) == (8, 5, 3)
    assert (await reconcile(session)).different == 0
    undone = await undo_school_change(session, cast.coordinator, made.id, reason="a mistake", clock=clock)
    assert undone.back == 3
    assert await children(session, cast.school_a) == ["A0:A", "A1:A", "A2:A", "A3:-", "A4:-"]


async def test_children_who_moved_on_stay_where_they_are(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await merge_school(session, cast.coordinator, cast.school_a, merge(cast.school_b), clock)
    (away,) = [each for each in await children(session, cast.school_b) if each.startswith("A4")]
    assert away == "A4:-"
    there = (await list_classes(session, cast.coordinator, PageRequest(9), school_id=cast.school_b)).items[0]
    student = await read_student(session, cast.coordinator, cast.students_a[4])
    to = Transfer(student.version, cast.school_b, 3, NOW.date(), "to another class", there.id)
    await transfer_student(session, cast.coordinator, cast.students_a[4], to, clock)
    undone = await undo_school_change(session, cast.coordinator, made.id, reason="a mistake", clock=clock)
    assert (undone.back, undone.left_as_they_are) == (4, 1)


async def test_what_can_not_be_says_why(session: Session, cast: Cast, clock: StandingClock) -> None:
    for wrong, field in (
        (merge(cast.school_a), "into_school_id"),
        (merge(999_999), "into_school_id"),
        (merge(cast.practice_school), "into_school_id"),
        (msgspec.structs.replace(merge(cast.school_b), reason=""), "reason"),
        (msgspec.structs.replace(merge(cast.school_b), id="x"), "id"),
        (msgspec.structs.replace(merge(cast.school_b), moved_on=date(2027, 1, 1)), "moved_on"),
    ):
        with pytest.raises(Invalid) as invalid:
            async with session.savepoint():
                await merge_school(session, cast.coordinator, cast.school_a, wrong, clock)
        assert field in {each.field for each in invalid.value.faults}, wrong
    split = SchoolSplit(str(uuid4()), [cast.class_3a], DAY, "B", "New School", reason="too many")
    with pytest.raises(AlreadyTaken):
        async with session.savepoint():
            await split_school(session, cast.coordinator, cast.school_a, split, clock)
    with pytest.raises(Invalid):
        none = msgspec.structs.replace(split, id=str(uuid4()), class_ids=[])
        await split_school(session, cast.coordinator, cast.school_a, none, clock)
    # a practice school goes into no other, and is not split either
    with pytest.raises(Invalid) as invalid:
        async with session.savepoint():
            await merge_school(session, cast.coordinator, cast.practice_school, merge(cast.school_b), clock)
    assert [each.field for each in invalid.value.faults] == ["into_school_id"]
    with pytest.raises(Invalid) as invalid:
        async with session.savepoint():
            part = msgspec.structs.replace(split, id=str(uuid4()), code="NEW")
            await split_school(session, cast.coordinator, cast.practice_school, part, clock)
    assert "school_id" in {each.field for each in invalid.value.faults}
    with pytest.raises(NotFound):
        await merge_school(session, cast.coordinator, 999_999, merge(cast.school_b), clock)
    for nobody in (cast.mentor, cast.viewer):
        with pytest.raises(Forbidden):
            await merge_school(session, nobody, cast.school_a, merge(cast.school_b), clock)
