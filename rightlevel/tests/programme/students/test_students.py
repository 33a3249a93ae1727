from datetime import date
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import NOW, Cast, actor_now

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.assignments import NewAssignment, create_assignment
from rightlevel.programme.errors import (
    AlreadyTaken,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    OutOfScope,
    Stale,
)
from rightlevel.programme.permissions import Actor
from rightlevel.programme.students import (
    NewStudent,
    StudentChange,
    StudentSearch,
    ascii_digits,
    change_student,
    count_students,
    create_student,
    delete_student,
    list_past_enrolments,
    list_students,
    mark_left,
    mark_returned,
    name_key,
    read_sex,
    read_student,
    restore_student,
)

pytestmark = pytest.mark.anyio

AUDIT = read_queries(
    "-- name: audit\n-- Everything written down of children.\nselect coalesce(string_agg(a::text, ' '), '') from audit_entry a where resource = 'student'",
    origin="test_students.py",
)["audit"]


async def seen(session: Session, actor: Actor, **asked: object) -> list[str]:
    return [
        child.id
        for child in (await list_students(session, actor, PageRequest(100), StudentSearch(**asked))).items
    ]


async def test_everybody_sees_the_children_of_their_schools_and_nobody_else(
    session: Session, cast: Cast
) -> None:
    assert await seen(session, cast.teacher) == cast.students_a
    assert await seen(session, cast.mentor_elsewhere) == cast.students_b
    assert await seen(session, cast.stranger) == []
    assert set(await seen(session, cast.coordinator)) == {*cast.students_a, *cast.students_b}
    with pytest.raises(Forbidden):
        await seen(session, cast.viewer)
    with pytest.raises(OutOfScope):
        await seen(session, cast.teacher, school_id=cast.school_b)
    for nobody in (cast.teacher, cast.stranger):
        with pytest.raises(NotFound):
            await read_student(session, nobody, cast.students_b[0])


async def test_a_class_teacher_sees_the_class_only(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    new = NewAssignment(cast.stranger.person_id, cast.school_a, "math", cast.class_3a)
    await create_assignment(session, cast.coordinator, new, clock)
    actor = await actor_now(session, "stranger")
    assert await seen(session, actor) == cast.students_a[:3]
    with pytest.raises(NotFound):
        await read_student(session, actor, cast.students_a[4])
    with pytest.raises(OutOfScope):
        await create_student(session, actor, NewStudent(cast.school_a, "N1", "New", 1, 3), clock)
    made = await create_student(
        session, actor, NewStudent(cast.school_a, "N1", "New", 1, 3, cast.class_3a), clock
    )
    assert made.class_id == cast.class_3a


async def test_children_are_found_by_the_beginning_of_a_name_in_any_case_or_by_code(
    session: Session, cast: Cast
) -> None:
    assert await seen(session, cast.teacher, search="BOP") == cast.students_a[:1]
    assert await seen(session, cast.teacher, search="ចាន់") == cast.students_a[4:]
    assert await seen(session, cast.teacher, search="A2") == cast.students_a[2:3]
    assert await seen(session, cast.teacher, search="A២") == cast.students_a[2:3]
    assert await seen(session, cast.teacher, search="%") == []
    assert len(await seen(session, cast.teacher, sex=1)) == 3
    assert await seen(session, cast.teacher, class_id=cast.class_3a) == cast.students_a[:3]


async def test_totals_can_be_trusted(session: Session, cast: Cast) -> None:
    assert await count_students(session, cast.coordinator) == 8
    assert await count_students(session, cast.teacher) == 5
    assert await count_students(session, cast.coordinator, StudentSearch(school_id=cast.school_b, sex=1)) == 2


async def test_pages_hold_every_child_once_while_others_are_enrolled(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for number in range(10):
        await create_student(
            session,
            cast.teacher,
            NewStudent(cast.school_a, f"P{number}", f"same name {number % 2}", 1, 3),
            clock,
        )
    found: list[str] = []
    after: str | None = None
    for turn in range(20):
        page = await list_students(session, cast.teacher, PageRequest(3, after))
        found += [child.id for child in page.items]
        await create_student(
            session, cast.teacher, NewStudent(cast.school_a, f"Q{turn}", "aaa first", 1, 3), clock
        )
        after = page.next
        if after is None:
            break
    assert len(found) == len(set(found)) == 15


async def test_four_things_enrol_a_child_in_any_script(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await create_student(
        session, cast.teacher, NewStudent(cast.school_a, " ១២៣ ", "  សុខ   ដារ៉ា ", 2, 4), clock
    )
    assert (made.code, made.name, made.grade, made.school_year_id, made.status) == (
        "123",
        "សុខ ដារ៉ា",
        4,
        cast.school_year,
        "active",
    )
    with pytest.raises(AlreadyTaken) as taken:
        async with session.savepoint():
            await create_student(
                session, cast.teacher, NewStudent(cast.school_a, "123", "Another", 1, 3), clock
            )
    assert taken.value.faults[0].field == "code"
    with pytest.raises(OutOfScope):
        await create_student(session, cast.teacher, NewStudent(cast.school_b, "X", "X", 1, 3), clock)
    with pytest.raises(Forbidden):
        await create_student(session, cast.viewer, NewStudent(cast.school_a, "X", "X", 1, 3), clock)


async def test_every_fault_of_a_child_is_named_at_once(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    wrong = NewStudent(
        cast.school_a, "", "", 7, 11, None, "no-uuid", None, date(1980, 1, 1), 99, "a phone number"
    )
    with pytest.raises(Invalid) as invalid:
        await create_student(session, cast.teacher, wrong, clock)
    assert {fault.field for fault in invalid.value.faults} == {
        "code",
        "name",
        "sex",
        "grade",
        "id",
        "age",
        "birth_on",
        "guardian_consent_on",
    }


async def test_a_child_made_on_a_device_is_the_same_child_when_it_comes_again(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    new = NewStudent(cast.school_a, "D1", "Device Child", 1, 3, id=str(uuid4()))
    first = await create_student(session, cast.teacher, new, clock)
    assert await create_student(session, cast.teacher, new, clock) == first
    with pytest.raises(Conflict):
        await create_student(
            session, cast.teacher, NewStudent(cast.school_a, "D2", "Other", 1, 3, id=new.id), clock
        )


async def test_a_stale_change_shows_both_and_what_is_not_sent_stays(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    student = cast.students_a[0]
    changed = await change_student(
        session, cast.teacher, student, StudentChange(1, name="Bopha Renamed"), clock
    )
    assert (changed.name, changed.class_id, changed.version) == ("Bopha Renamed", cast.class_3a, 2)
    emptied = await change_student(session, cast.teacher, student, StudentChange(2, class_id=None), clock)
    assert emptied.class_id is None
    with pytest.raises(Stale) as stale:
        await change_student(session, cast.teacher, student, StudentChange(2, name="Late"), clock)
    assert stale.value.values["current"]["name"] == "Bopha Renamed"
    with pytest.raises(OutOfScope):
        await change_student(
            session, cast.teacher_elsewhere, student, StudentChange(3, name="Not mine"), clock
        )


async def test_a_correction_is_no_move_and_leaves_no_past_enrolment(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    student = cast.students_a[0]
    await change_student(session, cast.teacher, student, StudentChange(1, grade=4, class_id=None), clock)
    assert not (await list_past_enrolments(session, cast.coordinator, student, PageRequest())).items


async def test_a_child_leaves_and_returns(session: Session, cast: Cast, clock: StandingClock) -> None:
    student = cast.students_a[0]
    with pytest.raises(Invalid):
        await mark_left(
            session, cast.teacher, student, version=1, left_on=date(2027, 1, 1), reason="", clock=clock
        )
    left = await mark_left(
        session, cast.teacher, student, version=1, left_on=NOW.date(), reason="moved", clock=clock
    )
    assert (left.status, left.left_reason) == ("left", "moved")
    assert await count_students(session, cast.coordinator) == 7
    with pytest.raises(Stale):
        await mark_returned(session, cast.teacher, student, version=1, clock=clock)
    assert (await mark_returned(session, cast.teacher, student, version=2, clock=clock)).status == "active"
    assert await count_students(session, cast.coordinator) == 8


async def test_a_removed_child_is_in_no_list_and_comes_back_unless_its_code_was_given_away(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    student = cast.students_a[0]
    with pytest.raises(Forbidden):
        await delete_student(session, cast.mentor, student, reason="x", clock=clock)
    await delete_student(session, cast.teacher, student, reason="entered twice", clock=clock)
    assert student not in await seen(session, cast.coordinator)
    assert await seen(session, cast.teacher, deleted=True) == [student]
    async with session.savepoint():
        await restore_student(session, cast.teacher, student)
    await delete_student(session, cast.teacher, student, reason="again", clock=clock)
    await create_student(session, cast.teacher, NewStudent(cast.school_a, "A0", "Successor", 1, 3), clock)
    with pytest.raises(AlreadyTaken):
        await restore_student(session, cast.teacher, student)


async def test_no_name_and_no_contact_reaches_the_audit(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    new = NewStudent(
        cast.school_a,
        "S1",
        "Unspoken Name",
        1,
        3,
        guardian_contact="012 345 678 at the mill",
        guardian_consent_on=NOW.date(),
    )
    made = await create_student(session, cast.teacher, new, clock)
    await change_student(session, cast.teacher, made.id, StudentChange(1, name="Unspoken Too"), clock)
    written = await session.fetch_value(AUDIT, {})
    assert made.id in written
    assert "Unspoken" not in written
    assert "012 345" not in written
    assert "mill" not in written  # no figure beside it: an id or an instant may hold any run of digits


def test_names_are_folded_for_finding_but_vowels_are_kept() -> None:
    assert name_key("  José   ÁLVAREZ ") == "jose alvarez"
    assert name_key("STRASSE") == name_key("straße")
    assert name_key("កា") != name_key("កិ")
    assert name_key("मीना") != name_key("मना")
    assert name_key("Child ១២") == "child 12"


@given(st.text(max_size=60))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert name_key(name_key(text)) == name_key(text)


def test_digits_and_sex_are_read_in_any_script() -> None:
    assert ascii_digits("៤២ ४२ ٤٢ 42") == "42 42 42 42"
    assert [read_sex(text) for text in ("M", "boy", "ប្រុស", "១", "Female", "ស្រី", "2", "9", "?", "")] == [
        1,
        1,
        1,
        1,
        2,
        2,
        2,
        9,
        None,
        None,
    ]
