"""Every change of a child's record is kept, whichever way it comes: who, when, why, before and after; never in the audit; gone with an erasure."""

from datetime import timedelta
from pathlib import Path
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
from rightlevel.programme.duplicates import (
    Merge,
    RenameStands,
    is_another_name,
    list_renames,
    merge_duplicates,
    put_back_name,
    say_same_child,
    undo_merge_of_duplicates,
)
from rightlevel.programme.enrolments import (
    Consent,
    RollOverPlan,
    Transfer,
    Withdrawal,
    erase_identity,
    give_consent,
    roll_over_school,
    transfer_student,
    undo_roll_over,
    withdraw_consent,
)
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.exchange import NewRun, Progress, import_sheet, open_sheet, start_run
from rightlevel.programme.results import ResultWrite, enter_results
from rightlevel.programme.students import (
    MoveNeeded,
    NewStudent,
    RecordChange,
    StudentChange,
    change_student,
    create_student,
    delete_student,
    list_past_enrolments,
    list_record_changes,
    mark_left,
    mark_returned,
    read_student,
    restore_student,
)
from rightlevel.programme.students.model import KEPT_CHANGES

pytestmark = pytest.mark.anyio
TODAY = NOW.date()


class Entry(msgspec.Struct, frozen=True):
    action: str
    before: Any
    after: Any
    reason: str | None


class Table(msgspec.Struct, frozen=True):
    name: str


QUERIES = read_queries(
    """
-- name: audit
-- What was written down of children.
select action, before, after, reason from audit_entry where resource = 'student' and outcome = 'done' order by id
-- name: tables
-- Every table there is.
select table_name::text as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE' order by 1
-- name: next_year
-- The year after the cast's.
insert into school_year (name, starts_on, ends_on) values ('2027', '2027-01-01', '2027-12-31') returning id
-- name: count
-- How many changes of a child are kept.
select count(*) as n from student_change where student_id = %(id)s::uuid
-- name: old
-- A child that was changed very often.
update student set version = 5000 where id = %(id)s::uuid
-- name: many
-- Those changes.
insert into student_change (student_id, version, deed, before, after)
select %(id)s::uuid, n, 'change', '{"age": 8}', '{"age": 9}' from generate_series(1, 1000) n
-- name: fault
-- A fault of an import that names a child.
with run as (insert into import_run (kind, filename) values ('students', 'x.csv') returning id)
insert into import_fault (run_id, number, row_number, column_name, value, rule) select id, n, n, 'name', v, 'x' from run, unnest(%(values)s::text[]) with ordinality x (v, n)
-- name: receipt
-- What a write about a child was answered.
insert into write_receipt (write_id, person_id, operation, answer)
values (new_id(), %(person)s, 'change_one_student', jsonb_build_object('status', 200, 'content', format('{"id":"%%s","name":"Sokunthea Mom"}', %(id)s::text)))
""",
    origin="test_record_changes.py",
)


async def changes(session: Session, cast: Cast, student: str) -> list[RecordChange]:
    return (await list_record_changes(session, cast.coordinator, student, PageRequest(100))).items


async def audit(session: Session) -> list[Entry]:
    return await session.fetch_all(QUERIES["audit"], {}, into=Entry)


async def imported(session: Session, cast: Cast, clock: StandingClock, folder: Path, text: str) -> int:
    path = folder / "roster.csv"
    path.write_text(text, encoding="utf-8")
    new = NewRun("students", path.name, False, path.stat().st_size)
    run_id = await start_run(session, cast.coordinator, new, clock)
    with open_sheet(path) as sheet:
        outcome = await import_sheet(session, cast.coordinator, run_id, new, sheet, None, Progress(), clock)
    assert outcome.faults == 0
    return outcome.changed


async def enter(session: Session, cast: Cast, clock: StandingClock, student: str) -> None:
    write = ResultWrite(str(uuid4()), student, cast.round, "math", TODAY, level="subtraction")
    assert (await enter_results(session, cast.teacher, [write], clock))[0].code == "saved"


async def live_through_everything(
    session: Session, cast: Cast, clock: StandingClock, folder: Path
) -> tuple[str, str]:
    """A child to whom every deed happened, and one that was made one with it."""
    child, other, actor = cast.students_a[0], cast.students_a[1], cast.coordinator
    await session.fetch_value(QUERIES["next_year"], {})
    await change_student(session, cast.teacher, child, StudentChange(1, name="Sokunthea Mom", age=9), clock)
    await give_consent(session, actor, child, Consent(2, "012 345 678", TODAY), clock)
    await withdraw_consent(session, actor, child, Withdrawal(3, TODAY), clock)
    await mark_left(session, actor, child, version=4, left_on=TODAY, reason="works now", clock=clock)
    await mark_returned(session, actor, child, version=5, clock=clock)
    await delete_student(session, actor, child, reason="by mistake", clock=clock)
    await restore_student(session, actor, child)
    to_b = Transfer(8, cast.school_b, 4, TODAY, "the family moved", code="NEW-1")
    await transfer_student(session, actor, child, to_b, clock)
    assert (
        await imported(
            session, cast, clock, folder, "school_code,code,name,sex,grade\nB,new-1,Chenda Mom,f,5\n"
        )
        == 1
    )
    rename = (await list_renames(session, actor, PageRequest(), clock)).items[0]
    await put_back_name(session, actor, rename.id, version=10, reason="another child", clock=clock)
    merge = Merge(child, 11, other, 1, "entered twice")
    merged = await merge_duplicates(session, actor, merge, clock)
    await undo_merge_of_duplicates(session, actor, merged.id, reason="they are two", clock=clock)
    plan = RollOverPlan(str(uuid4()), TODAY, carry_open_rounds=True)
    await roll_over_school(session, actor, cast.school_a, plan, clock)
    await undo_roll_over(session, actor, plan.id, reason="too early", clock=clock)
    return child, other


async def test_every_deed_keeps_what_it_changed_with_who_and_why(
    session: Session, cast: Cast, clock: StandingClock, tmp_path: Path
) -> None:
    child, other = await live_through_everything(session, cast, clock, tmp_path)
    found = await changes(session, cast, child)
    assert [each.deed for each in reversed(found)] == [
        "change",
        "consent",
        "withdraw_consent",
        "leave",
        "return",
        "delete",
        "restore",
        "transfer",
        "import",
        "put_back",
    ]
    by_deed = {each.deed: each for each in found}
    named = by_deed["change"]
    assert (named.before, named.after) == (
        {"name": "Bopha", "age": None},
        {"name": "Sokunthea Mom", "age": 9},
    )
    assert (named.by, named.reason) == (cast.teacher.display_name, None)
    assert (by_deed["leave"].before["status"], by_deed["leave"].after["left_reason"]) == (
        "active",
        "works now",
    )
    assert by_deed["consent"].before["guardian_contact"] is False
    assert by_deed["consent"].after["guardian_contact"] is True
    assert (by_deed["delete"].reason, by_deed["delete"].after["deleted"]) == ("by mistake", True)
    moved = by_deed["transfer"]
    assert (moved.before["school"], moved.after["school"], moved.before["section"], moved.reason) == (
        "Alpha School",
        "Beta School",
        "A",
        "the family moved",
    )
    assert (moved.before["code"], moved.after["code"], moved.before["grade"], moved.after["grade"]) == (
        "A0",
        "NEW-1",
        3,
        4,
    )
    sent = by_deed["import"]
    assert (sent.before["name"], sent.after["name"], sent.reason) == (
        "Sokunthea Mom",
        "Chenda Mom",
        "roster.csv",
    )
    assert (sent.before["sex"], sent.after["sex"], sent.after["grade"]) == (1, 2, 5)
    assert (by_deed["put_back"].after["name"], by_deed["put_back"].after["sex"]) == ("Sokunthea Mom", 1)
    assert [each.deed for each in reversed(await changes(session, cast, other))] == [
        "merge",
        "unmerge",
        "roll_over",
        "undo_roll_over",
    ]
    assert "012 345" not in str(found)


async def test_the_audit_says_what_each_deed_did_and_names_nobody(
    session: Session, cast: Cast, clock: StandingClock, tmp_path: Path
) -> None:
    await live_through_everything(session, cast, clock, tmp_path)
    entries = await audit(session)
    assert {each.action for each in entries} == {
        "change",
        "consent",
        "withdraw_consent",
        "leave",
        "return",
        "delete",
        "restore",
        "transfer",
        "import",
        "put_back",
        "merge",
        "unmerge",
    }
    for entry in entries:
        assert entry.before, entry
        assert entry.after, entry
        assert entry.before != entry.after, entry
    left = next(each for each in entries if each.action == "leave")
    assert (left.before["status"], left.after) == ("active", {"status": "left", "left_on": TODAY.isoformat()})
    sent = next(each for each in entries if each.action == "import")
    assert (sent.before["grade"], sent.after["grade"], sent.reason) == (4, 5, "roster.csv")
    for name in ("Bopha", "Sokunthea", "Chenda", "Mom", "012 345"):
        assert name not in str(entries)


async def test_who_may_see_the_child_reads_its_history_a_page_at_a_time(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    for number in range(1, 6):
        await change_student(session, cast.teacher, child, StudentChange(number, age=5 + number), clock)
    first = await list_record_changes(session, cast.mentor, child, PageRequest(3))
    rest = await list_record_changes(session, cast.mentor, child, PageRequest(3, first.next))
    assert [each.version for each in (*first.items, *rest.items)] == [6, 5, 4, 3, 2]
    assert rest.next is None
    for nobody, error in ((cast.teacher_elsewhere, NotFound), (cast.viewer, Forbidden)):
        with pytest.raises(error):
            await list_record_changes(session, nobody, child, PageRequest())


async def test_a_change_that_is_undone_leaves_no_history(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    with pytest.raises(ZeroDivisionError):
        async with session.savepoint():
            await change_student(session, cast.teacher, child, StudentChange(1, name="Sokunthea"), clock)
            raise ZeroDivisionError
    assert await changes(session, cast, child) == []


async def test_the_latest_thousand_changes_of_a_child_are_kept(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    await session.execute(QUERIES["many"], {"id": child})
    await session.execute(QUERIES["old"], {"id": child})
    await change_student(session, cast.teacher, child, StudentChange(5000, age=11), clock)
    assert await session.fetch_value(QUERIES["count"], {"id": child}) == KEPT_CHANGES
    assert (await changes(session, cast, child))[0].after == {"age": 11}


async def test_erasing_leaves_neither_the_name_nor_a_former_one_anywhere(
    session: Session, cast: Cast, clock: StandingClock, tmp_path: Path
) -> None:
    child, _ = await live_through_everything(session, cast, clock, tmp_path)
    await enter(session, cast, clock, cast.students_a[2])
    said = ["bopha", " SOKUNTHEA MOM ", "Chenda Mom", "new-1", "a0"]
    await session.execute(QUERIES["fault"], {"values": said})
    await session.execute(QUERIES["receipt"], {"person": cast.teacher.person_id, "id": child})
    with pytest.raises(Invalid):
        await erase_identity(
            session, cast.admin, child, confirmation="NEW-1", reason="Bopha's parents asked", clock=clock
        )
    hidden = ("Bopha", "Sokunthea", "Chenda", "NEW-1", "012 345")
    assert await tables_with(session, "Sokunthea") >= {
        "student",
        "student_change",
        "import_fault",
        "write_receipt",
    }
    await erase_identity(
        session, cast.admin, child, confirmation="NEW-1", reason="the parents asked", clock=clock
    )
    for secret in hidden:
        assert await tables_with(session, secret) == set(), secret
    assert await changes(session, cast, child) == []
    assert (await reconcile(session)).different == 0


async def tables_with(session: Session, text: str) -> set[str]:
    """Every table of the whole database in which a text stands somewhere, whatever its case."""
    found: set[str] = set()
    tables = await session.fetch_all(QUERIES["tables"], {}, into=Table)
    assert len(tables) > 50
    for table in tables:
        query = read_queries(
            f"-- name: q\n-- Looks for a text in a whole table.\nselect count(*) as n from {table.name} x where x::text ilike %(text)s",
            origin="test_record_changes.py",
        )["q"]
        if await session.fetch_value(query, {"text": f"%{text}%"}):
            found.add(table.name)
    return found


async def test_what_figures_count_by_is_corrected_with_a_reason_and_kept(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child = cast.students_a[0]
    await enter(session, cast, clock, child)
    for change in (
        StudentChange(1, sex=2),
        StudentChange(1, grade=4, class_id=None),
        StudentChange(1, class_id=None),
    ):
        with pytest.raises(Invalid) as refused:
            await change_student(session, cast.teacher, child, change, clock)
        assert [fault.field for fault in refused.value.faults] == ["reason"]
    assert (
        await change_student(session, cast.teacher, child, StudentChange(1, name="Bopha S"), clock)
    ).version == 2
    change = StudentChange(2, sex=2, reason="written down wrongly")
    assert (await change_student(session, cast.teacher, child, change, clock)).sex == 2
    past = (await list_past_enrolments(session, cast.teacher, child, PageRequest())).items
    assert not past, "no roll is fixed yet, so the enrolment itself is corrected"
    assert (await changes(session, cast, child))[0].reason == "written down wrongly"
    without = await change_student(session, cast.teacher, cast.students_a[1], StudentChange(1, sex=1), clock)
    assert without.sex == 1


async def test_only_what_changes_is_judged(session: Session, cast: Cast, clock: StandingClock) -> None:
    from rightlevel.programme.schools import change_grades

    child = cast.students_a[0]
    await change_grades(session, cast.admin, [4, 5])
    renamed = await change_student(
        session, cast.teacher, child, StudentChange(1, name="Bopha Sok", grade=3), clock
    )
    assert (renamed.name, renamed.grade) == ("Bopha Sok", 3)
    with pytest.raises(Invalid) as refused:
        await change_student(session, cast.teacher, child, StudentChange(2, grade=2, class_id=None), clock)
    assert [fault.field for fault in refused.value.faults] == ["grade"]
    with pytest.raises(Invalid):
        await create_student(session, cast.teacher, NewStudent(cast.school_a, "N", "New", 1, 3), clock)


async def test_codes_have_one_form_and_differ_not_by_case(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    from rightlevel.programme.enrolments import CodeTaken
    from rightlevel.programme.errors import AlreadyTaken

    made = await create_student(
        session, cast.coordinator, NewStudent(cast.school_a, " ab\u200b-e\u0301\u00a0 7 ", "One", 1, 3), clock
    )
    assert made.code == "ab-é 7"
    for code in ("AB-É 7", "ab-e\u0301 7"):
        with pytest.raises(AlreadyTaken):
            async with session.savepoint():
                await create_student(
                    session, cast.coordinator, NewStudent(cast.school_a, code, "Two", 1, 3), clock
                )
    with pytest.raises(AlreadyTaken):
        async with session.savepoint():
            await change_student(
                session, cast.coordinator, cast.students_a[0], StudentChange(1, code="AB-é 7"), clock
            )
    with pytest.raises(CodeTaken) as taken:
        to = Transfer(1, cast.school_a, 3, TODAY, "moved", None, "AB-É 7")
        await transfer_student(session, cast.coordinator, cast.students_b[0], to, clock)
    assert taken.value.values["free_code"] == "AB-É 7-2"


def test_a_name_that_became_another_is_told_from_one_that_is_written_otherwise() -> None:
    for before, after in (
        ("Sok Dara", "Sok Darra"),
        ("Bopha", "Sok Bopha"),
        ("Dara Sok", "Sok Dara"),
        ("សុខ ដារ៉ា", "Sok Dara"),
        ("Chan", "Chann"),
    ):
        assert not is_another_name(before, after), (before, after)
    for before, after in (
        ("Sok Dara", "Sok Sreymom"),
        ("Bopha", "Kosal"),
        ("ចាន់ បុប្ផា", "សុខ វណ្ណៈ"),
        ("Chan Dara", "Meas Vanna"),
    ):
        assert is_another_name(before, after), (before, after)


async def test_a_child_under_another_childs_name_is_seen_decided_on_and_put_back(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    child, other = cast.students_a[0], cast.students_a[1]
    await change_student(session, cast.teacher, child, StudentChange(1, name="Kosal Meas", sex=2), clock)
    await change_student(session, cast.teacher, other, StudentChange(1, name="Chann"), clock)
    for nobody in (cast.teacher, cast.mentor, cast.viewer):
        with pytest.raises(Forbidden):
            await list_renames(session, nobody, PageRequest(), clock)
    found = (await list_renames(session, cast.coordinator, PageRequest(), clock)).items
    assert [(each.student_id, each.name_before, each.name_after) for each in found] == [
        (child, "Bopha", "Kosal Meas")
    ]
    assert (
        await list_renames(session, cast.coordinator, PageRequest(), clock, school_id=cast.school_b)
    ).items == []
    with pytest.raises(Stale):
        await put_back_name(
            session, cast.coordinator, found[0].id, version=1, reason="wrong child", clock=clock
        )
    with pytest.raises(Invalid):
        await put_back_name(session, cast.coordinator, found[0].id, version=2, reason=" ", clock=clock)
    back = await put_back_name(
        session, cast.coordinator, found[0].id, version=2, reason="wrong child", clock=clock
    )
    assert (back.name, back.sex, back.version) == ("Bopha", 1, 3)
    assert (await list_renames(session, cast.coordinator, PageRequest(), clock)).items == []
    await change_student(session, cast.teacher, child, StudentChange(3, name="Vanna Chea"), clock)
    again = (await list_renames(session, cast.coordinator, PageRequest(), clock)).items[0]
    await say_same_child(session, cast.coordinator, again.id, clock)
    assert (await list_renames(session, cast.coordinator, PageRequest(), clock)).items == []
    with pytest.raises(RenameStands):
        await say_same_child(session, cast.coordinator, again.id, clock)
    later = StandingClock(NOW + timedelta(days=500))
    await change_student(session, cast.teacher, other, StudentChange(2, name="Meas Sothea"), clock)
    assert (await list_renames(session, cast.coordinator, PageRequest(), later)).items == []


async def test_renames_are_paged_past_names_that_are_only_written_otherwise(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    for number, student in enumerate(cast.students_a[:4]):
        await change_student(
            session, cast.teacher, student, StudentChange(1, name=f"Vannak Sothea {chr(97 + number)}"), clock
        )
    seen: list[str] = []
    after: str | None = None
    for _ in range(10):
        page = await list_renames(session, cast.coordinator, PageRequest(1, after), clock)
        seen += [each.student_id for each in page.items]
        after = page.next
        if after is None:
            break
    assert seen == list(reversed(cast.students_a[:4]))


async def test_another_school_is_not_reached_by_a_correction(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    with pytest.raises(MoveNeeded):
        await change_student(
            session, cast.coordinator, cast.students_a[0], StudentChange(1, school_id=cast.school_b), clock
        )
    assert (await read_student(session, cast.coordinator, cast.students_a[0])).school_id == cast.school_a
