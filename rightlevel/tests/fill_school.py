"""Puts at least one row into every table that hangs on a school or its children: what a reset must take out, and figures must not count."""

from __future__ import annotations

from typing import Any

from people import NOW, Cast

from flatwater.queries import read_queries
from flatwater.transaction import Session

CHILDREN = 12

EARLIER = read_queries(
    """
-- name: earlier_year
-- A year that is over.
insert into school_year (name, starts_on, ends_on) values ('2025', '2025-01-01', '2025-12-31') returning id
-- name: frozen_round
-- A round of it.
insert into round (school_year_id, kind, starts_on, ends_on, state) values (%(year)s, 'baseline', '2025-11-01', '2025-11-30', 'closed') returning id
-- name: later_round
-- A round of this year, planned for later.
insert into round (school_year_id, kind, starts_on, ends_on, state) values (%(year)s, 'midline', '2026-12-01', '2026-12-10', 'closed') returning id
-- name: freeze
-- Freezes a round, with no school in it.
insert into round_snapshot (round_id, frozen_at, frozen_by, sealed_at) values (%(round)s, %(now)s, %(leader)s, %(now)s)
-- name: webhook
-- A webhook with something that was given up.
with made as (
    insert into webhook (name, url, events, secret, created_at, created_by)
    values ('Ministry', 'https://hooks.example.org/a', '{round.closed,import.done}', 'sealed', %(now)s, %(leader)s)
    returning id)
insert into webhook_delivery (webhook_id, event, body, made_at, state, attempts, next_at, until_at, ended_at, status, error)
select id, 'round.closed', '{}', %(now)s, 'dead', 12, %(now)s, %(now)s, %(now)s, 500, 'answered 500' from made
-- name: bare_school
-- A school where nobody works.
insert into school (place_id, code, name_local) values (%(place)s, 'C', 'Gamma School')
-- name: intervention
-- A special programme.
insert into intervention (name, starts_on, created_at, created_by) values ('Holiday reading', '2026-06-01', %(now)s, %(leader)s) returning id
""",
    origin="tests/fill_school.py",
)
STEPS = read_queries(
    """
-- name: s01_class
-- A class of its own.
insert into class (school_id, school_year_id, grade, section) values (%(school)s, %(year)s, 3, 'F')
-- name: s02_student
-- Children: two grades, one removed, one who left.
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade, age, status, left_on, deleted_at, deleted_by, guardian_contact, guardian_consent_on)
select %(school)s, %(year)s, (select id from class where school_id = %(school)s and section = 'F' and school_year_id = %(year)s), 'F' || n, 'Filled child ' || n || ' of ' || %(school)s,
    'filled child ' || n, 1 + n %% 2, 3 + n %% 2, 9, case when n = 11 then 'left'::student_status else 'active' end, case when n = 11 then '2026-11-20'::date end,
    case when n = 12 then %(now)s::timestamptz end, case when n = 12 then %(leader)s::bigint end, '012 345', '2026-01-05'
from generate_series(1, 12) n
-- name: s03_merge
-- Two of them made one: the removed one into the first.
update student set merged_into = (select id from student where school_id = %(school)s and code = 'F1') where school_id = %(school)s and code = 'F12'
-- name: s04_student_merge
-- And how.
insert into student_merge (kept_id, gone_id, reason, merged_at, merged_by)
select a.id, b.id, 'entered twice', %(now)s, %(leader)s from student a, student b where a.school_id = %(school)s and a.code = 'F1' and b.school_id = %(school)s and b.code = 'F12'
-- name: s05_not_duplicates
-- Two who are not one.
insert into not_duplicates (first_id, second_id, said_at, said_by)
select least(a.id, b.id), greatest(a.id, b.id), %(now)s, %(leader)s from student a, student b
where a.school_id = %(school)s and a.code = 'F2' and b.school_id = %(school)s and b.code = 'F3'
-- name: s05b_erased_code
-- The code of a child who was erased.
insert into erased_code (school_id, digest) values (%(school)s, code_digest(%(school)s, 'F0'))
-- name: s06_round_school
-- Its own days.
insert into round_school (round_id, school_id, starts_on, ends_on) values (%(round)s, %(school)s, '2026-11-02', '2026-11-29')
-- name: s06b_school_told
-- Its results were told to be complete.
insert into school_told (round_id, school_id, told_at) values (%(round)s, %(school)s, %(now)s)
-- name: s06c_school_approval
-- Its results were approved and returned.
insert into school_approval (round_id, school_id, waits_for, changed_at) values (%(round)s, %(school)s, 'school', %(now)s)
-- name: s06d_approval_step
-- By whom.
insert into approval_step (round_id, school_id, step, deed, at, person_id, words) values (%(round)s, %(school)s, 'school', 'returned', %(now)s, %(leader)s, 'look again')
-- name: s07_result
-- Results of three rounds in both subjects, some absent, some removed; one child lacks the baseline.
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex, tool, created_at, deleted_at, is_hidden)
select gen_random_uuid(), st.id, rd.id, %(school)s, st.class_id, %(teacher)s, rd.starts_on + 3, sj.subject, (case when st.code = 'F5' then 'absent' else 'assessed' end)::outcome, 'grid',
    case when st.code = 'F5' then null else 1 + (ascii(right(st.code, 1)) + rd.id) %% 5 end, st.grade, st.sex, 1, %(now)s, case when st.code = 'F7' then %(now)s::timestamptz end, st.deleted_at is not null
from student st, round rd, unnest(enum_range(null::subject)) as sj (subject)
where st.school_id = %(school)s and st.code like 'F%%' and rd.id = any(%(rounds)s) and not (st.code = 'F9' and rd.id = %(round)s)
-- name: s08_result_change
-- Their history.
insert into result_change (write_id, result_id, version, person_id, before, after)
select gen_random_uuid(), id, 2, %(teacher)s, '{}', '{}' from result where school_id = %(school)s
-- name: s09_guided_test
-- Steps of tests.
insert into guided_test (write_id, result_id, steps) select gen_random_uuid(), id, '[]' from result where school_id = %(school)s
-- name: s10_verification_draw
-- A sample.
insert into verification_draw (round_id, subject, school_id, seed, margin, confidence, expected, population, size, visible_on, drawn_at, drawn_by)
values (%(round)s, 'math', %(school)s, 1, 0.05, 0.95, 0.8, 10, 4, '2026-11-10', %(now)s, %(leader)s)
-- name: s11_verification
-- Re-tests: waiting, agreed, different and returned.
insert into verification (result_id, draw_id, round_id, subject, school_id, state, visible_on, created_at, created_by, verifier_id, tested_on, tool, rank, first_rank, first_tool,
    first_assessor_id, settled_at, settled_by, reason)
select r.id, (select max(id) from verification_draw where school_id = %(school)s), r.round_id, r.subject, r.school_id, w.state::verification_state, '2026-11-10', %(now)s, %(leader)s,
    case when w.state <> 'pending' then %(mentor)s::bigint end, case when w.state <> 'pending' then '2026-11-20'::date end, case when w.state <> 'pending' then 2 end,
    case when w.state <> 'pending' then case w.state when 'agreed' then r.rank else r.rank %% 5 + 1 end end, case when w.state <> 'pending' then r.rank end,
    case when w.state <> 'pending' then 1 end, case when w.state <> 'pending' then %(teacher)s::bigint end,
    case when w.state = 'returned' then %(now)s::timestamptz end, case when w.state = 'returned' then %(leader)s::bigint end, case when w.state = 'returned' then 'look again' end
from result r
join student st on st.id = r.student_id
join (values ('F1', 'pending'), ('F2', 'agreed'), ('F3', 'disagreed'), ('F4', 'returned')) as w (code, state) on w.code = st.code
where r.school_id = %(school)s and r.round_id = %(round)s and r.deleted_at is null
-- name: s12_amendment
-- A trace in a frozen round.
insert into amendment (round_id, result_id, school_id, at, person_id, reason)
select r.round_id, r.id, r.school_id, %(now)s, %(leader)s, 'a slip' from result r where r.school_id = %(school)s and r.round_id = %(frozen)s limit 1
-- name: s13_level_check
-- Quick re-tests.
insert into level_check (id, student_id, school_id, subject, rank, checked_on, person_id, created_at)
select gen_random_uuid(), id, school_id, 'math', 2, '2026-11-21', %(teacher)s, %(now)s from student where school_id = %(school)s and code like 'F%%'
-- name: s14_grouping
-- Groups in use.
insert into grouping (school_id, subject, grade_from, grade_to, bands, target_size, state, made_at, made_by, accepted_at, accepted_by)
values (%(school)s, 'math', 3, 4, '[["beginner"], ["division"]]', 20, 'accepted', %(now)s, %(teacher)s, %(now)s, %(teacher)s)
-- name: s15_teaching_group
-- A group.
insert into teaching_group (grouping_id, band, number, teacher_id) select id, 1, 1, %(teacher)s from grouping where school_id = %(school)s
-- name: s16_group_member
-- Its children.
insert into group_member (group_id, student_id, subject, joined_at)
select g.id, st.id, 'math', %(now)s::timestamptz - interval '20 days' from teaching_group g join grouping gr on gr.id = g.grouping_id join student st on st.school_id = gr.school_id
where gr.school_id = %(school)s and st.code like 'F%%' and st.deleted_at is null
-- name: s17_teaching_session
-- Sessions.
insert into teaching_session (id, write_id, group_id, school_id, subject, held_on, minutes, expected, present, late, absent, created_at, created_by, changed_at)
select gen_random_uuid(), gen_random_uuid(), g.id, gr.school_id, 'math', d::date, 60, 11, 11, 0, 0, %(now)s, %(teacher)s, %(now)s
from teaching_group g join grouping gr on gr.id = g.grouping_id cross join generate_series('2026-11-09'::date, '2026-11-13'::date, interval '1 day') d
where gr.school_id = %(school)s
-- name: s18_attendance
-- Who came.
insert into attendance (session_id, student_id, presence)
select s.id, m.student_id, 'present' from teaching_session s join group_member m on m.group_id = s.group_id where s.school_id = %(school)s
-- name: s19_intervention_enrolment
-- Children in a special programme.
insert into intervention_enrolment (id, intervention_id, student_id, school_id, from_on, created_at, created_by)
select gen_random_uuid(), %(intervention)s, id, school_id, '2026-06-01', %(now)s, %(teacher)s from student where school_id = %(school)s and code in ('F1', 'F2')
-- name: s20_intervention_change
-- Their changes.
insert into intervention_change (enrolment_id, version, at, person_id, before, after)
select id, 2, %(now)s, %(teacher)s, jsonb_build_object('from_on', from_on, 'to_on', null, 'outcome', null, 'words', ''), jsonb_build_object('from_on', from_on, 'to_on', from_on, 'outcome', null, 'words', '') from intervention_enrolment where school_id = %(school)s
-- name: s21_visit
-- Visits: sent ones, and a removed one.
insert into visit (id, write_id, school_id, subject, mentor_id, teacher_id, visited_on, form_version_id, answers, state, completeness, fidelity, fidelity_of, created_at, changed_at,
    submitted_at, deleted_at, deleted_by)
select gen_random_uuid(), gen_random_uuid(), %(school)s, 'math', %(mentor)s, %(teacher)s, '2026-11-10'::date + n, %(form)s, '{"session_ran": "no", "not_ran_reason": "holiday"}',
    'submitted', 1, 0.25, '{"points": 1, "applicable": 4, "score": 0.25, "parts": {"ran": 1}}', %(now)s, %(now)s, %(now)s, case when n = 3 then %(now)s::timestamptz end, case when n = 3 then %(leader)s::bigint end
from generate_series(1, 3) n
-- name: s22_visit_change
-- Their changes.
insert into visit_change (visit_id, version, at, person_id, before, after) select id, 2, %(now)s, %(mentor)s, '{}', '{}' from visit where school_id = %(school)s
-- name: s23_follow_up
-- Follow-up actions.
insert into follow_up (id, visit_id, school_id, subject, owner_id, words, due_on, raised_by, raised_at)
select gen_random_uuid(), id, school_id, 'math', %(teacher)s, 'Bring the books', '2026-11-15', %(mentor)s, %(now)s from visit where school_id = %(school)s
-- name: s24_planned_visit
-- The plan.
insert into planned_visit (id, school_id, subject, mentor_id, planned_on, created_at, created_by, changed_at)
values (gen_random_uuid(), %(school)s, 'math', %(mentor)s, '2026-11-25', %(now)s, %(mentor)s, %(now)s),
    (gen_random_uuid(), %(school)s, 'math', %(mentor)s, '2026-11-16', %(now)s, %(mentor)s, %(now)s)
-- name: s25_photo
-- Photos: stored, being stored, and removed.
insert into photo (id, visit_id, school_id, state, sha256, size_bytes, width, height, created_at, created_by, removed_at)
select gen_random_uuid(), v.id, v.school_id, w.state::photo_state, sha256(convert_to(v.id::text || w.state, 'UTF8')), 1000, 10, 10, %(now)s, %(mentor)s,
    case when w.state = 'removed' then %(now)s::timestamptz end
from visit v cross join (values ('stored'), ('storing'), ('removed')) as w (state) where v.school_id = %(school)s
-- name: s26_photo_space
-- Their space.
insert into photo_space (school_id, size_bytes) values (%(school)s, 9000)
-- name: s27_roll_over
-- The year before ended.
insert into roll_over (id, school_id, from_year_id, to_year_id, rolled_on, made_at, made_by)
values (gen_random_uuid(), %(school)s, %(year_before)s, %(year)s, '2026-01-02', %(now)s, %(leader)s)
-- name: s28_roll_over_class
-- And made classes.
insert into roll_over_class (roll_over_id, class_id, was_deleted) select o.id, c.id, false from roll_over o join class c on c.school_id = o.school_id and c.section = 'F' where o.school_id = %(school)s
-- name: s29_past_enrolment
-- Where its children were.
insert into past_enrolment (student_id, school_id, school_year_id, class_id, grade, until_on, reason, sex, closes_year, roll_over_id)
select st.id, st.school_id, %(year_before)s, st.class_id, st.grade, '2025-12-31', 'promoted', st.sex, true, (select id from roll_over where school_id = %(school)s)
from student st where st.school_id = %(school)s and st.code like 'F%%' and st.deleted_at is null
-- name: s30_school_device
-- A linked device.
insert into school_device (school_id, secret_hash, label, address, linked_at, last_used_at)
values (%(school)s, sha256(convert_to('device' || %(school)s, 'UTF8')), 'tablet', 'test', %(now)s, %(now)s)
-- name: s31_device_link_code
-- A code for another.
insert into device_link_code (code_hash, school_id, made_by, expires_at) values (sha256(convert_to('code' || %(school)s, 'UTF8')), %(school)s, %(leader)s, %(now)s)
-- name: s32_assignment
-- A teacher works there, and a mentor goes there.
insert into assignment (person_id, school_id, subject, class_id, from_on)
select %(teacher)s, %(school)s, 'math'::subject, id, '2026-01-01'::date from class where school_id = %(school)s and section = 'F'
union all
select %(mentor)s, %(school)s, 'math'::subject, null, '2026-01-01'::date
-- name: s33_person_session
-- Somebody is signed in on the device.
insert into person_session (token_hash, person_id, csrf_token, created_at, last_seen_at, expires_at, address, school_device_id)
select sha256(convert_to('pin' || %(school)s, 'UTF8')), %(teacher)s, 'csrf', %(now)s, %(now)s, %(now)s::timestamptz + interval '1 day', 'test', id from school_device where school_id = %(school)s
-- name: s34_school_place
-- It was moved.
update school s set place_id = (select p.parent_id from place p where p.id = s.place_id) where s.id = %(school)s
-- name: s35_school_place
-- And came back.
update school s set place_id = (select m.place_id from school_place m where m.school_id = s.id and m.from_at = '-infinity') where s.id = %(school)s
-- name: s36_boundary_change_school
-- By new borders.
with made as (
    insert into boundary_change (id, kind, reason, schools, made_at, made_by) values (gen_random_uuid(), 'move', 'new borders', 1, %(now)s, %(leader)s) returning id)
insert into boundary_change_school (boundary_change_id, school_id, from_place_id, to_place_id)
select made.id, s.id, p.parent_id, p.id from made, school s join place p on p.id = s.place_id where s.id = %(school)s
-- name: s37_school_change
-- Some of its children went to a school of their own.
insert into school_change (id, kind, from_school_id, to_school_id, reason, children, moved_on, made_at, made_by)
select gen_random_uuid(), 'split', %(school)s, min(o.id), 'too many children', 2, '2026-11-01', %(now)s, %(leader)s from school o where o.id <> %(school)s
-- name: s38_school_change_child
-- These.
insert into school_change_child (school_change_id, student_id, from_code, grade)
select c.id, st.id, st.code, st.grade from school_change c join student st on st.school_id = c.from_school_id and st.code in ('F1', 'F2') where c.from_school_id = %(school)s
""",
    origin="tests/fill_school.py",
)


async def ground(session: Session, cast: Cast) -> dict[str, Any]:
    """What does not hang on one school: a year before with a frozen round, a second round of this year, a programme, a school without anybody."""
    values: dict[str, Any] = {"now": NOW, "leader": cast.coordinator.person_id}
    year_before = await session.fetch_value(EARLIER["earlier_year"], {})
    frozen = await session.fetch_value(EARLIER["frozen_round"], {"year": year_before})
    later = await session.fetch_value(EARLIER["later_round"], {"year": cast.school_year})
    await session.execute(EARLIER["freeze"], values | {"round": frozen})
    await session.execute(EARLIER["webhook"], values)
    await session.execute(EARLIER["bare_school"], {"place": cast.district_2})
    return values | {
        "year": cast.school_year,
        "year_before": year_before,
        "round": cast.round,
        "frozen": frozen,
        "rounds": [cast.round, later, frozen],
        "intervention": await session.fetch_value(EARLIER["intervention"], values),
        "form": 1,
        "teacher": cast.teacher_elsewhere.person_id,
        "mentor": cast.mentor_elsewhere.person_id,
    }


async def fill_school(
    session: Session, school_id: int, values: dict[str, Any], *, but: tuple[str, ...] = ()
) -> None:
    """Everything that may hang on a school, over `ground`, but for some steps."""
    for name in sorted(set(STEPS) - set(but)):
        await session.execute(STEPS[name], values | {"school": school_id})
