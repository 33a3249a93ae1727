-- name: hold_school
-- A live school, held against everything that is entered there. Served by the primary key.
select s.id, s.code, s.is_practice
from school s
where s.id = %(school_id)s and s.deleted_at is null
for update

-- name: hold_children
-- The children of a practice school, removed ones too, held in the order of their ids as whoever enters results holds them. Served by
-- student_by_school and student_deleted_by_school; at most one more than a practice school may have.
select st.id::text as id
from student st
where st.id in (
    select a.id from student a where a.school_id = (select practice_school(%(school_id)s::bigint)) and a.deleted_at is null
    union all
    select d.id from student d where d.school_id = (select practice_school(%(school_id)s::bigint)) and d.deleted_at is not null)
order by st.id
limit %(rows)s
for update

-- name: empty_sessions
-- Sessions of the school with their attendance. Served by teaching_session_by_school.
delete from teaching_session where school_id = (select practice_school(%(school_id)s::bigint))

-- name: empty_attendance
-- What its children attended elsewhere. Served by attendance_by_student.
delete from attendance
where student_id in (
    select st.id from student st where st.id = any(%(children)s::uuid[]) and st.school_id = (select practice_school(%(school_id)s::bigint)))

-- name: empty_groups
-- Groups of the school with their members. Served by grouping_by_school.
delete from grouping where school_id = (select practice_school(%(school_id)s::bigint))

-- name: empty_members
-- Its children in groups elsewhere. Served by group_member_by_student.
delete from group_member
where student_id in (
    select st.id from student st where st.id = any(%(children)s::uuid[]) and st.school_id = (select practice_school(%(school_id)s::bigint)))

-- name: empty_checks
-- Quick re-tests of its children. Served by level_check_is_one_a_day.
delete from level_check
where student_id in (
    select st.id from student st where st.id = any(%(children)s::uuid[]) and st.school_id = (select practice_school(%(school_id)s::bigint)))

-- name: empty_enrolments
-- Special programmes of its children, with their changes. Served by intervention_enrolment_by_student.
delete from intervention_enrolment
where student_id in (
    select st.id from student st where st.id = any(%(children)s::uuid[]) and st.school_id = (select practice_school(%(school_id)s::bigint)))

-- name: empty_enrolments_here
-- Special programmes at the school. Served by intervention_enrolment_by_school.
delete from intervention_enrolment where school_id = (select practice_school(%(school_id)s::bigint))

-- name: hold_visits
-- The visits of the school, removed ones too, held. Served by visit_by_school and visit_deleted_by_school.
select v.id::text as id
from visit v
where v.id in (
    select a.id from visit a where a.school_id = (select practice_school(%(school_id)s::bigint)) and a.deleted_at is null
    union all
    select d.id from visit d where d.school_id = (select practice_school(%(school_id)s::bigint)) and d.deleted_at is not null)
order by v.id
limit %(rows)s
for update

-- name: leave_photos
-- Notes which bytes are to be taken out of the store. Those that are being stored at this moment may still arrive: they wait a while.
insert into photo_left (photo_id, visit_id, due_at)
select p.id, p.visit_id, case when p.state = 'storing' then %(later)s::timestamptz else %(now)s::timestamptz end
from photo p
where p.visit_id = any(%(visits)s::uuid[]) and p.school_id = (select practice_school(%(school_id)s::bigint))
on conflict (photo_id) do nothing

-- name: empty_photos
-- The photos of those visits. Served by photo_by_visit.
delete from photo where visit_id = any(%(visits)s::uuid[]) and school_id = (select practice_school(%(school_id)s::bigint))

-- name: empty_photo_space
-- The space that they took. Served by the primary key.
delete from photo_space where school_id = (select practice_school(%(school_id)s::bigint))

-- name: empty_follow_ups
-- Follow-up actions on those visits. Served by follow_up_by_visit.
delete from follow_up where visit_id = any(%(visits)s::uuid[]) and school_id = (select practice_school(%(school_id)s::bigint))

-- name: empty_plan
-- Planned visits of the school. Served by planned_visit_by_school.
delete from planned_visit where school_id = (select practice_school(%(school_id)s::bigint))

-- name: empty_visit_changes
-- The changes of those visits. Served by visit_change_by_visit.
delete from visit_change
where visit_id in (
    select v.id from visit v where v.id = any(%(visits)s::uuid[]) and v.school_id = (select practice_school(%(school_id)s::bigint)))

-- name: empty_visits
-- The visits themselves. Served by the primary key.
delete from visit where id = any(%(visits)s::uuid[]) and school_id = (select practice_school(%(school_id)s::bigint))

-- name: hold_results
-- The results of the school and of its children, removed ones too, held in the order of their ids. Served by result_by_school and
-- result_by_student.
select r.id::text as id
from result r
where r.id in (
    select a.id from result a where a.school_id = (select practice_school(%(school_id)s::bigint)) and a.deleted_at is null
    union
    select c.id
    from student st
    join result c on c.student_id = st.id
    where st.id = any(%(children)s::uuid[]) and st.school_id = (select practice_school(%(school_id)s::bigint)))
order by r.id
limit %(rows)s
for update

-- name: empty_result_changes
-- The history of those results. Served by result_change_by_result.
delete from result_change c
using result r
join school s on s.id = r.school_id and s.is_practice
where r.id = any(%(results)s::uuid[]) and c.result_id = r.id

-- name: empty_results
-- The results themselves, with guided tests and re-tests; those of practice schools only, whichever ids are given. Served by the primary key.
delete from result r
using school s
where r.id = any(%(results)s::uuid[]) and s.id = r.school_id and s.is_practice

-- name: empty_draws
-- Samples that were drawn at the school. Served by verification_by_draw; there are a few draws a round.
delete from verification_draw d
where d.school_id = (select practice_school(%(school_id)s::bigint))
    and not exists (select 1 from verification v where v.draw_id = d.id)

-- name: empty_erased_codes
-- Codes of children who were erased there. Served by the primary key.
delete from erased_code where school_id = (select practice_school(%(school_id)s))

-- name: empty_approvals
-- Approvals of its results, with their steps. Served by the primary key, for there are few rounds.
delete from school_approval
where (round_id, school_id) in (select r.id, (select practice_school(%(school_id)s::bigint)) from round r)

-- name: empty_told
-- That its results were told to be complete, from when it was none. Served by the primary key, for there are few rounds.
delete from school_told
where (round_id, school_id) in (select r.id, (select practice_school(%(school_id)s::bigint)) from round r)

-- name: empty_round_settings
-- Its own days and locks in rounds. Served by the primary key, for there are few rounds.
delete from round_school
where (round_id, school_id) in (select r.id, (select practice_school(%(school_id)s::bigint)) from round r)

-- name: empty_past
-- Where its children were before. Served by past_enrolment_by_student.
delete from past_enrolment
where student_id in (
    select st.id from student st where st.id = any(%(children)s::uuid[]) and st.school_id = (select practice_school(%(school_id)s::bigint)))

-- name: empty_rolled
-- Where children were who have moved on since the school's roll-overs. Served by past_enrolment_by_roll_over and roll_over_by_school.
delete from past_enrolment
where roll_over_id in (select o.id from roll_over o where o.school_id = (select practice_school(%(school_id)s::bigint)))

-- name: empty_roll_overs
-- Its roll-overs. Served by roll_over_by_school.
delete from roll_over where school_id = (select practice_school(%(school_id)s::bigint))

-- name: part_merged
-- Children elsewhere that were made one with a child that goes stand for themselves, removed as they are. Served by student_by_merge.
update student
set merged_into = null
where merged_into = any(%(children)s::uuid[]) and school_id <> (select practice_school(%(school_id)s::bigint))

-- name: empty_children
-- The children themselves, with what was said and done about duplicates among them. Served by the primary key.
delete from student where id = any(%(children)s::uuid[]) and school_id = (select practice_school(%(school_id)s::bigint))

-- name: put_classes_away
-- Classes beside the practice class, unless somebody is assigned to them. Served by class_is_unique.
update class c
set deleted_at = %(now)s, deleted_by = %(person_id)s, delete_reason = 'practice reset', version = c.version + 1
where c.school_id = (select practice_school(%(school_id)s::bigint)) and c.deleted_at is null
    and not (c.school_year_id = %(school_year_id)s and c.grade = %(grade)s and c.section = %(section)s)
    and not exists (
        select 1 from assignment a where a.school_id = c.school_id and a.class_id = c.id and a.ended_at is null)

-- name: practice_class
-- The practice class, made or brought back. Served by class_is_unique.
insert into class as c (school_id, school_year_id, grade, section)
values ((select practice_school(%(school_id)s::bigint)), %(school_year_id)s, %(grade)s, %(section)s)
on conflict (school_id, school_year_id, grade, section) do update
set deleted_at = null, deleted_by = null, delete_reason = null
returning c.id

-- name: enrol_practice_children
-- The children of the practice class. How many.
insert into student (school_id, school_year_id, class_id, code, name, name_key, sex, grade, age)
select (select practice_school(%(school_id)s::bigint)), %(school_year_id)s, %(class_id)s, w.code, w.name, w.name_key, w.sex, %(grade)s, w.age
from unnest(%(codes)s::text[], %(names)s::text[], %(name_keys)s::text[], %(sexes)s::smallint[], %(ages)s::smallint[])
    as w (code, name, name_key, sex, age)
order by w.code
