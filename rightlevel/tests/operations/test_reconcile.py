"""Reconcile: it finds every kind of wrong count, takes nothing for what is nothing, and puts right what is wrong."""

from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.operations.reconcile import MAX_SHOWN, reconcile
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.results import ResultWrite, delete_result, enter_results

pytestmark = pytest.mark.anyio

QUERIES = read_queries(
    """
-- name: spoil_school
-- One school count too high.
update school_count set rank_4 = rank_4 + 1 where school_id = %(school)s
-- name: spoil_place
-- One count of a place too low.
update place_count set rank_4 = rank_4 - 1 where place_id = %(place)s
-- name: spoil_school_children
-- One count of children of a school too high.
update school_enrolled set children = children + 1 where school_id = %(school)s and sex = 1
-- name: lose_place_children
-- A place without its children.
delete from place_enrolled where place_id = %(place)s
-- name: invent
-- Counts for a place without any rows.
insert into place_count (round_id, subject, place_id, shard, grade, sex, absent, refused, went,
    rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
values (%(round)s, 'language', %(place)s, 0, 5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3)
-- name: cancel
-- Two shards that add up to nothing.
insert into place_count (round_id, subject, place_id, shard, grade, sex, absent, refused, went,
    rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
select %(round)s, 'language', %(place)s, shard, 5, 9, 0, 0, 0, count, 0, 0, 0, 0, 0, 0, 0, 0
from (values (1, 2), (2, -2)) s (shard, count)
-- name: invent_many
-- More wrong counts than are shown.
insert into school_enrolled (school_year_id, school_id, grade, sex, children)
select %(year)s, n, 3, 1, 1 from generate_series(1000001, 1000150) n
-- name: spoil_seats_of_school
-- One seat too many.
insert into school_roll (school_id, round_id, subject, grade, sex, children) values (%(school)s, %(round)s, 'math', 3, 1, 1)
-- name: spoil_seats_of_place
-- One seat too few.
insert into place_roll (place_id, round_id, subject, grade, sex, shard, children) values (%(place)s, %(round)s, 'math', 3, 1, 0, -1)
-- name: unseen
-- From here on no trigger sees what is changed.
set local session_replication_role = replica
-- name: seen
-- From here on triggers see it again.
set local session_replication_role = origin
-- name: spoil_grade_of_result
-- A result of a grade in which its child never was.
update result set grade = 5 where student_id = %(student)s::uuid
-- name: spoil_school_of_result
-- A result of a school at which its child never was.
update result set school_id = %(other)s where student_id = %(student)s::uuid
-- name: hide_result
-- A result that is hidden though its child is there.
update result set is_hidden = true where student_id = %(student)s::uuid
-- name: lose_child
-- A child that left with nothing written down.
update student set status = 'left', left_on = '2026-11-20' where id = %(other_student)s::uuid
-- name: spoil_standing
-- One child too many in a year.
update school_standing set children = children + 1 where school_id = %(school)s
-- name: spoil_held
-- A school that is kept as held for ever by a mentor.
update school_held set until_on = 'infinity' where school_id = %(other)s and role = 'mentor' and until_on < 'infinity'
-- name: lose_held
-- A school of which nobody knows who holds it.
delete from school_held where school_id = %(school)s
-- name: spoil_untested
-- A school with results that is kept as without.
insert into school_untested (round_id, school_id) values (%(round)s, %(school)s)
-- name: invent_visits
-- A visit of a place that nobody made.
insert into place_visits (place_id, month, shard, visits, schools, fidelity, rated) values (%(place)s, '2026-11-01', 0, 1, 1, 0, 0)
-- name: invent_school_visits
-- A visit of a school that nobody made.
insert into school_visits (school_id, month, place_id, visits, fidelity, rated) values (%(school)s, '2026-11-01', %(place)s, 1, 0, 0)
-- name: spoil_schools
-- A place with a school too many.
update place_schools set schools = schools + 1 where place_id = %(place)s and shard = (select min(shard) from place_schools where place_id = %(place)s)
-- name: invent_movement
-- A child that moved between two rounds, of which no result tells.
insert into school_movement (school_id, round_id, later_round_id, subject, grade, sex, from_rank, absent, refused, went,
    rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
values (%(school)s, %(round)s, %(round)s + 1, 'math', 3, 1, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
-- name: invent_place_movement
-- The same of a place.
insert into place_movement (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
    rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
values (%(place)s, %(round)s, %(round)s + 1, 'math', 3, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
-- name: invent_moved_movement
-- The same of what today's districts have more.
insert into place_movement_moved (place_id, round_id, later_round_id, subject, grade, sex, from_rank, shard, absent, refused, went,
    rank_1, rank_2, rank_3, rank_4, rank_5, rank_6, rank_7, rank_8, rank_9)
values (%(place)s, %(round)s, %(round)s + 1, 'math', 3, 1, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
-- name: stand_twice
-- A child at two places at once.
insert into past_enrolment (student_id, school_id, school_year_id, grade, sex, until_on, reason, from_number, until_number)
values (%(student)s::uuid, %(other)s, %(year)s, 3, 1, '2026-11-20', 'transfer', 1, 1000000000)
-- name: stand_before
-- A child that was enrolled before the round's roll was fixed at another school, of which no count knows.
insert into past_enrolment (student_id, school_id, school_year_id, grade, sex, until_on, reason, closes_year)
values (%(student)s::uuid, %(other)s, %(year)s, 4, 1, '2026-11-20', 'promotion', true)
-- name: fix_roll
-- A roll that was fixed with no seat kept.
update round set roll_at = now(), roll_number = 1000000000 where id = %(round)s
-- name: audited
-- How often counts were repaired.
select count(*) from audit_entry where action = 'repair' and resource = 'figure'
""",
    origin="test_reconcile.py",
)


@pytest.fixture
async def entered(session: Session, cast: Cast, clock: StandingClock) -> Cast:
    writes = [
        ResultWrite(str(uuid4()), student, cast.round, "math", NOW.date(), level="subtraction")
        for student in [*cast.students_a, *cast.students_b]
    ]
    answers = await enter_results(session, cast.coordinator, writes, clock)
    assert {answer.code for answer in answers} == {"saved"}
    return cast


async def spoil(session: Session, name: str, cast: Cast) -> None:
    values: dict[str, Any] = {
        "school": cast.school_a,
        "place": cast.province,
        "round": cast.round,
        "year": cast.school_year,
        "student": cast.students_a[0],
        "other": cast.school_b,
        "other_student": cast.students_b[0],
    }
    await session.execute(QUERIES[name], values)


async def test_every_school_and_place_is_compared(session: Session, entered: Cast) -> None:
    found = await reconcile(session)
    # two sexes, as results, as children and as seats in two subjects: of 2 schools, 2 districts, the province and the country;
    # the active children of 2 schools; 8 results; where 3 schools stood; who holds them, in two roles and subjects; the open schools of 4 places
    assert (found.compared, found.different, found.differences) == (2 * 4 * 6 + 2 + 8 + 3 + 3 * 4 + 4, 0, [])


@pytest.mark.parametrize(
    ("how", "unit"),
    [
        ("spoil_school", "school"),
        ("spoil_place", "place"),
        ("spoil_school_children", "school"),
        ("lose_place_children", "place"),
        ("invent", "place"),
        ("spoil_seats_of_school", "school"),
        ("spoil_seats_of_place", "place"),
        ("spoil_held", "school"),
        ("lose_held", "school"),
        ("spoil_untested", "school"),
        ("invent_visits", "place"),
        ("invent_school_visits", "school"),
        ("invent_movement", "movement"),
        ("invent_place_movement", "movement"),
        ("invent_moved_movement", "movement"),
        ("spoil_schools", "place"),
    ],
)
async def test_any_wrong_count_is_found_and_put_right(
    session: Session, entered: Cast, how: str, unit: str
) -> None:
    truth = await read_figures(session, entered.coordinator, FigureQuery(entered.round, "math"))
    await spoil(session, how, entered)
    found = await reconcile(session)
    assert found.different >= 1
    assert not found.is_repaired
    assert {each.split()[0] for each in found.differences} == {unit}
    assert (await reconcile(session)).different == found.different
    repaired = await reconcile(session, repair=True)
    assert (repaired.is_repaired, repaired.different) == (True, found.different)
    assert (await reconcile(session)).different == 0
    assert await read_figures(session, entered.coordinator, FigureQuery(entered.round, "math")) == truth
    assert await session.fetch_value(QUERIES["audited"], {}) == 1


async def test_counts_of_nothing_are_as_good_as_none(
    session: Session, entered: Cast, clock: StandingClock
) -> None:
    before = (await reconcile(session)).compared
    await spoil(session, "cancel", entered)
    write = ResultWrite(
        str(uuid4()), entered.students_a[0], entered.round, "language", NOW.date(), level="word"
    )
    await enter_results(session, entered.teacher, [write], clock)
    await delete_result(session, entered.teacher, write.id, version=1, reason="", clock=clock)
    found = await reconcile(session)
    assert (found.different, found.compared) == (0, before)


async def test_a_repair_of_what_is_right_changes_nothing(session: Session, entered: Cast) -> None:
    found = await reconcile(session, repair=True)
    assert (found.different, found.is_repaired) == (0, False)
    assert await session.fetch_value(QUERIES["audited"], {}) == 0


async def test_however_many_differ_a_bounded_number_is_shown(session: Session, entered: Cast) -> None:
    await spoil(session, "invent_many", entered)
    found = await reconcile(session)
    # as children of the year, and as seats of its one round in two subjects
    assert (found.different, len(found.differences)) == (3 * 150, MAX_SHOWN)


@pytest.mark.parametrize(
    ("how", "said", "is_repairable"),
    [
        ("spoil_grade_of_result", "its child never stood there in that year", False),
        ("spoil_school_of_result", "its child never stood there in that year", False),
        ("hide_result", "hidden or not unlike its child", False),
        ("lose_child", "kept 2 children, rows say 1", True),
        ("spoil_standing", "kept 6 active children, rows say 5", True),
        ("stand_twice", "stands at two places at once", False),
        ("stand_before", "rows say 1", False),
        ("fix_roll", "rows say", True),
    ],
)
async def test_what_was_changed_past_every_trigger_is_found(
    session: Session, entered: Cast, how: str, said: str, is_repairable: bool
) -> None:
    await spoil(session, "unseen", entered)
    await spoil(session, how, entered)
    await spoil(session, "seen", entered)
    found = await reconcile(session)
    assert found.different >= 1
    assert any(said in each for each in found.differences), found.differences
    await reconcile(session, repair=True)
    again = await reconcile(session)
    # counts are made anew; what was done to rows themselves a person puts right
    assert (again.different == 0) == is_repairable, again.differences
