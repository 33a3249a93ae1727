"""Moves, consent and erasure: what is kept, what is refused, and that every count reconciles."""

from datetime import date, timedelta
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
from rightlevel.programme.enrolments import (
    AlreadyErased,
    CodeTaken,
    Consent,
    MergedAway,
    Transfer,
    Withdrawal,
    erase_identity,
    free_code,
    give_consent,
    next_grades,
    transfer_student,
    withdraw_consent,
)
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.permissions import Actor, Held, Scope
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import (
    IdentityErased,
    NewStudent,
    StudentChange,
    change_student,
    create_student,
    list_past_enrolments,
    mark_left,
    mark_returned,
    read_student,
)

pytestmark = pytest.mark.anyio
TODAY = NOW.date()


class Row(msgspec.Struct, frozen=True):
    text: str


QUERIES = read_queries(
    """
-- name: enrolled
-- What is counted as enrolled where.
select format('%%s %%s %%s %%s', school_id, grade, sex, children) as text from school_enrolled where children <> 0 order by 1
-- name: counted
-- What is counted as tested where.
select format('%%s %%s %%s %%s %%s', school_id, round_id, subject, grade, rank_4) as text from school_count where rank_4 <> 0 order by 1
-- name: counts
-- Every kept count.
select c::text as text from school_count c union all select e::text from school_enrolled e union all select p::text from place_count p
union all select p::text from place_enrolled p order by 1
-- name: everything
-- Every row of every table that may say something of a child.
select st::text as text from student st union all select p::text from past_enrolment p union all select r::text from result r
union all select c::text from result_change c union all select v::text from verification v union all select a::text from audit_entry a
union all select f::text from import_fault f union all select w::text from write_receipt w union all select e::text from intervention_enrolment e
union all select i::text from intervention_change i union all select m::text from amendment m union all select m::text from student_merge m
union all select p::text from import_preview p union all select c::text from import_changed c
-- name: notes
-- Writes notes and words wherever they fit.
with noted as (update result set notes = 'Bopha cried', lock_reason = 'Bopha said so' where student_id = %(id)s::uuid returning id),
changed as (
    insert into result_change (write_id, result_id, version, person_id, before, after, reason)
    select new_id(), id, 1, %(person)s, '{"notes": "Bopha was ill"}', '{"notes": "Bopha is well"}', 'Bopha asked' from noted),
tested as (
    insert into verification (result_id, round_id, subject, school_id, visible_on, created_by, notes)
    select r.id, r.round_id, r.subject, r.school_id, current_date, %(person)s, 'Bopha again' from result r where r.student_id = %(id)s::uuid),
run as (insert into import_run (kind, filename) values ('students', 'x.csv') returning id),
faulty as (
    insert into import_fault (run_id, number, row_number, column_name, value, rule)
    select id, 1, 1, 'name', ' BOPHA ', 'x' from run),
kept as (
    insert into import_changed (run_id, result_id, version, before)
    select run.id, noted.id, 2, '{"level": "word", "notes": "Bopha slept"}' from run, noted),
previewed as (
    insert into import_preview (run_id, what, row_number, name, before, after)
    select id, 4, 1, 'Sophea', '{"name": "Bopha"}', '{"name": "Sophea"}' from run),
programme as (
    insert into intervention (name, starts_on, created_at, created_by) values ('Reading camp', current_date, now(), %(person)s) returning id),
enrolled as (
    insert into intervention_enrolment (id, intervention_id, student_id, school_id, from_on, words, created_at, created_by)
    select new_id(), id, %(id)s::uuid, %(school)s, current_date, 'Bopha is shy', now(), %(person)s from programme returning id)
insert into write_receipt (write_id, person_id, operation, answer)
values (new_id(), %(person)s, 'create_one_student /api/v1/students', jsonb_build_object('status', 201, 'content', format('{"id":"%%s","name":"Bopha"}', %(id)s::text), 'content_type', 'application/json'))
-- name: receipts
-- What receipts answer.
select answer::text as text from write_receipt
-- name: merged
-- Marks a child as merged into another.
update student set deleted_at = now(), merged_into = %(into)s::uuid where id = %(id)s::uuid
""",
    origin="test_enrolments.py",
)


async def texts(session: Session, name: str) -> list[str]:
    return [row.text for row in await session.fetch_all(QUERIES[name], {}, into=Row)]


async def assert_exact(session: Session) -> None:
    found = await reconcile(session)
    assert found.different == 0, found.differences


async def enter(
    session: Session, actor: Actor, cast: Cast, student: str, clock: StandingClock, **more: Any
) -> str:
    write = ResultWrite(
        id=str(uuid4()),
        student_id=student,
        round_id=more.pop("round_id", cast.round),
        subject="math",
        level="subtraction",
        tested_on=TODAY,
        **more,
    )
    assert (await enter_results(session, actor, [write], clock))[0].code == "saved"
    return write.id


def to_b(cast: Cast, **more: Any) -> Transfer:
    values = {
        "version": 1,
        "school_id": cast.school_b,
        "grade": 3,
        "moved_on": TODAY,
        "reason": "the family moved",
        **more,
    }
    return Transfer(**values)


def with_both(cast: Cast, actor: Actor) -> Actor:
    held = tuple(Held(school, "math") for school in (cast.school_a, cast.school_b))
    return msgspec.structs.replace(actor, scope=Scope(held=held))


async def test_a_transfer_keeps_where_the_child_was_with_day_and_reason(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    day = TODAY - timedelta(days=3)
    moved = await transfer_student(
        session, cast.coordinator, cast.students_a[0], to_b(cast, moved_on=day), clock
    )
    assert (moved.school_id, moved.class_id, moved.code, moved.version) == (cast.school_b, None, "A0", 2)
    past = (await list_past_enrolments(session, cast.coordinator, moved.id, PageRequest())).items
    assert [
        (each.school_id, each.class_id, each.grade, each.until_on, each.reason, each.words) for each in past
    ] == [(cast.school_a, cast.class_3a, 3, day, "transfer", "the family moved")]


async def test_results_stay_counted_where_they_were_made_and_enrolment_moves(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    await enter(session, cast.teacher, cast, cast.students_a[0], clock)
    before, tested = await texts(session, "enrolled"), await texts(session, "counted")
    assert tested
    await transfer_student(session, cast.coordinator, cast.students_a[0], to_b(cast), clock)
    assert await texts(session, "counted") == tested
    after = await texts(session, "enrolled")
    assert after != before
    total = sum(int(each.split()[-1]) for each in before)
    assert sum(int(each.split()[-1]) for each in after) == total == 8
    assert sum(int(each.split()[-1]) for each in after if each.startswith(f"{cast.school_b} ")) == 4
    await assert_exact(session)


async def test_both_schools_must_be_within_reach(session: Session, cast: Cast, clock: StandingClock) -> None:
    child = cast.students_a[0]
    for nobody in (cast.teacher, cast.teacher_elsewhere, cast.mentor):
        with pytest.raises(OutOfScope):
            await transfer_student(session, nobody, child, to_b(cast), clock)
    with pytest.raises(Forbidden):
        await transfer_student(session, cast.viewer, child, to_b(cast), clock)
    moved = await transfer_student(session, with_both(cast, cast.mentor), child, to_b(cast), clock)
    assert moved.school_id == cast.school_b


async def test_a_code_that_is_taken_there_is_told_with_a_free_one(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for code in ("A0", "A0-2"):
        await create_student(
            session, cast.coordinator, NewStudent(cast.school_b, code, "Namesake", 1, 3), clock
        )
    with pytest.raises(CodeTaken) as taken:
        await transfer_student(session, cast.coordinator, cast.students_a[0], to_b(cast), clock)
    assert taken.value.values["free_code"] == "A0-3"
    assert (await read_student(session, cast.coordinator, cast.students_a[0])).school_id == cast.school_a
    moved = await transfer_student(
        session, cast.coordinator, cast.students_a[0], to_b(cast, code="A0-៣"), clock
    )
    assert moved.code == "A0-3"


async def test_a_transfer_that_can_not_be_says_why(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    wrong = {
        "reason": to_b(cast, reason=" "),
        "moved_on": to_b(cast, moved_on=TODAY + timedelta(days=1)),
        "class_id": to_b(cast, class_id=cast.class_3a),
        "grade": to_b(cast, grade=9),
        "code": to_b(cast, code="x" * 41),
        "school_id": to_b(cast, school_id=cast.practice_school),
    }
    for field, transfer in wrong.items():
        with pytest.raises(Invalid) as invalid:
            await transfer_student(session, cast.coordinator, child, transfer, clock)
        assert field in {fault.field for fault in invalid.value.faults}
    here = to_b(cast, school_id=cast.school_a, class_id=cast.class_3a)
    with pytest.raises(Invalid, match=r"can't be right"):
        await transfer_student(session, cast.coordinator, child, here, clock)
    with pytest.raises(Stale) as stale:
        await transfer_student(session, cast.coordinator, child, to_b(cast, version=7), clock)
    assert stale.value.values["current"]["version"] == 1


async def test_leaving_and_coming_back_keep_day_and_reason(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    day = date(2026, 11, 2)
    left = await mark_left(
        session, cast.teacher, child, version=1, left_on=day, reason="works now", clock=clock
    )
    assert (left.status, left.left_on, left.left_reason) == ("left", day, "works now")
    await assert_exact(session)
    back = await mark_returned(session, cast.teacher, child, version=2, clock=clock)
    assert (back.status, back.left_on) == ("active", None)
    past = (await list_past_enrolments(session, cast.teacher, child, PageRequest())).items
    assert [(each.until_on, each.reason, each.words) for each in past] == [(day, "left", "works now")]
    await assert_exact(session)


async def test_a_contact_needs_consent_and_goes_when_it_is_withdrawn(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    agreed = await give_consent(session, cast.teacher, child, Consent(1, " 012 345 678 ", TODAY), clock)
    assert (agreed.guardian_contact, agreed.guardian_consent_on) == ("012 345 678", TODAY)
    with pytest.raises(Invalid):
        await give_consent(session, cast.teacher, child, Consent(2, "", TODAY + timedelta(days=1)), clock)
    with pytest.raises(Invalid):
        early = Withdrawal(2, TODAY - timedelta(days=1))
        await withdraw_consent(session, cast.teacher, child, early, clock)
    with pytest.raises(Stale):
        await withdraw_consent(session, cast.teacher, child, Withdrawal(1, TODAY), clock)
    gone = await withdraw_consent(session, cast.teacher, child, Withdrawal(2, TODAY), clock)
    assert (gone.guardian_contact, gone.guardian_consent_on, gone.guardian_withdrawn_on) == (
        None,
        None,
        TODAY,
    )
    assert not [text for text in await texts(session, "everything") if "345 678" in text]
    with pytest.raises(OutOfScope):
        await give_consent(session, cast.teacher_elsewhere, child, Consent(3, "x", TODAY), clock)
    again = await give_consent(session, cast.teacher, child, Consent(3, "x", TODAY), clock)
    assert again.guardian_withdrawn_on is None


async def test_erasing_leaves_no_trace_of_who_the_child_was_and_every_count_as_it_is(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child, merged = cast.students_a[0], cast.students_a[1]
    change = StudentChange(
        1, code="KEY-77", birth_on=date(2017, 3, 4), guardian_contact="012 345", guardian_consent_on=TODAY
    )
    await change_student(session, cast.teacher, child, change, clock)
    await enter(session, cast.teacher, cast, child, clock)
    await mark_left(session, cast.teacher, child, version=2, left_on=TODAY, reason="Bopha left", clock=clock)
    await mark_returned(session, cast.teacher, child, version=3, clock=clock)
    values = {"id": child, "person": cast.admin.person_id, "school": cast.school_a}
    await session.execute(QUERIES["notes"], values)
    await session.execute(QUERIES["merged"], {"id": merged, "into": child})
    counts = await texts(session, "counts")
    seen = " ".join(await texts(session, "everything"))
    assert seen.count("Bopha") >= 10
    for nobody in (cast.coordinator, cast.teacher):
        with pytest.raises(Forbidden):
            await erase_identity(session, nobody, child, confirmation="KEY-77", reason="asked", clock=clock)
    for confirmation, reason, field in (
        ("key-77", "the parents asked", "confirmation"),
        ("KEY-77", "", "reason"),
        ("KEY-77", "Bopha's parents asked", "reason"),
    ):
        with pytest.raises(Invalid) as invalid:
            await erase_identity(
                session, cast.admin, child, confirmation=confirmation, reason=reason, clock=clock
            )
        assert [fault.field for fault in invalid.value.faults] == [field]
    with pytest.raises(MergedAway):
        await erase_identity(session, cast.admin, merged, confirmation="A1", reason="asked", clock=clock)
    await erase_identity(
        session, cast.admin, child, confirmation="KEY-77", reason="the parents asked", clock=clock
    )
    kept = " ".join(await texts(session, "everything"))
    for secret in ("Bopha", "BOPHA", "bopha", "KEY-77", "2017-03-04", "012 345", "Chan,"):
        assert secret not in kept, secret
    assert "the parents asked" in kept
    assert await texts(session, "counts") == counts
    await assert_exact(session)
    told = await read_student(session, cast.teacher, child)
    assert (told.name, told.is_erased, told.grade, told.sex) == ("erased", True, 3, 1)
    assert [text for text in await texts(session, "receipts") if "410" in text]
    with pytest.raises(IdentityErased):
        await change_student(
            session, cast.coordinator, child, StudentChange(told.version, name="Bopha"), clock
        )
    with pytest.raises(AlreadyErased):
        await erase_identity(session, cast.admin, child, confirmation=told.code, reason="again", clock=clock)
    with pytest.raises(NotFound):
        await erase_identity(session, cast.admin, str(uuid4()), confirmation="x", reason="x", clock=clock)


def test_the_grade_after_a_grade_is_the_programmes_next() -> None:
    assert next_grades([3, 4, 5])[:6] == [3, 3, 4, 5, None, None]
    assert next_grades([1, 3])[:3] == [3, 3, None]
    assert next_grades([]) == [None] * 12


def test_a_free_code_fits_and_is_free() -> None:
    assert free_code("7", {"7", "7-2", "7-4"}) == "7-3"
    long = "x" * 40
    assert len(free_code(long, {long})) == 40
    assert free_code(long, {long}) != long
