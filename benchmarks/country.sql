-- name: s01_months
-- The months in which the audit's rows will lie, as upkeep would have made them.
select make_month('audit_entry'::regclass, m::date)
from generate_series(date_trunc('month', now() - interval '22 months'), date_trunc('month', now()), interval '1 month') m

-- name: s02_teachers
-- A teacher for each ten schools.
insert into person (username, display_name, role)
select 'grown.teacher.' || s.id, 'Teacher of ' || s.name_local, 'teacher'
from school s
where s.code like 'G%%' and s.id %% 10 = 0

-- name: s03_assignments
-- And what they teach.
insert into assignment (person_id, school_id, subject, from_on)
select p.id, s.id, u.subject, current_date - 30
from school s
join person p on p.username = 'grown.teacher.' || (s.id / 10 * 10)
cross join unnest(enum_range(null::subject)) u (subject)
where s.code like 'G%%'

-- name: s04_audit
-- An entry for each child, over twenty months.
insert into audit_entry (at, person_id, role, action, resource, resource_id, outcome, after, address)
select now() - interval '20 months' * (1 - number::float8 / total), %(person)s, 'coordinator', (array['create', 'change', 'enter', 'move'])[1 + number %% 4],
    (array['student', 'result', 'class'])[1 + number %% 3], id::text, case when number %% 50 = 0 then 'denied' else 'done' end,
    jsonb_build_object('school_id', school_id, 'grade', grade), '10.0.0.' || number %% 200
from (select id, school_id, grade, row_number() over (order by id) as number, count(*) over () as total from student) st
order by number

-- name: s05_left
-- One child in fifty has left.
update student
set status = 'left', left_on = current_date - 5, left_reason = 'moved away'
where id in (select id from student where code in ('C0017', 'C0067'))

-- name: s06_deleted
-- One in a hundred was deleted.
update student
set deleted_at = now(), deleted_by = %(person)s, delete_reason = 'entered twice'
where code = 'C0018'

-- name: s07_renamed
-- One in a hundred was given another name.
update student
set name = name || ' Sok', name_key = name_key || ' sok', version = version + 1
where code = 'C0019'

-- name: s08_rounds
-- A round that is over and whose results all follow a baseline; one that nobody measured in.
insert into round (school_year_id, kind, starts_on, ends_on, state)
select y.id, k.kind::round_kind, y.starts_on + k.after_days, y.starts_on + k.after_days + 5, 'closed'
from school_year y
cross join (values ('midline', 80), ('endline', 100)) k (kind, after_days)
where y.is_current

-- name: s09_later_results
-- What a child in four could do in it.
insert into result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex)
select new_id(), r.student_id, m.id, r.school_id, r.class_id, r.assessor_id, m.starts_on, r.subject, 'assessed', 'grid', least(r.rank + 1, 5), r.grade, r.sex
from school_year y
join round m on m.school_year_id = y.id
join round b on b.school_year_id = m.school_year_id and b.kind = 'baseline'
join result r on r.round_id = b.id and r.subject = 'math' and r.deleted_at is null
where y.is_current and m.kind = 'midline' and m.deleted_at is null and r.grade = 3

-- name: s10_history
-- One result in fifty was changed since.
insert into result_change (write_id, result_id, version, person_id, before, after)
select new_id(), r.id, 2, r.assessor_id, '{"level": "beginner"}', '{"level": "word"}'
from result r
join student st on st.id = r.student_id
where st.code like 'C00_4' and st.code < 'C0020'

-- name: s11_guided
-- And made by a guided test.
insert into guided_test (write_id, result_id, steps)
select write_id, result_id, '[]' from result_change

-- name: s12_visits
-- Ten visits of each school, the last of each tenth school a draft.
insert into visit (id, write_id, school_id, subject, mentor_id, teacher_id, visited_on, form_version_id, answers, state, completeness, fidelity, created_at,
    changed_at, submitted_at)
select new_id(), new_id(), s.id, 'math', %(person)s, t.id, current_date - n * 20, 1, '{}', w.state::visit_state, 1, case when w.state = 'submitted' then 0.5 end,
    now(), now(), case when w.state = 'submitted' then now() end
from school s
join person t on t.username = 'grown.teacher.' || (s.id / 10 * 10)
cross join generate_series(0, 9) n
cross join lateral (select case when n = 0 and s.id %% 10 = 0 then 'draft' else 'submitted' end) w (state)
where s.code like 'G%%'

-- name: s13_follow_ups
-- What was agreed at them, most of it done.
insert into follow_up (id, visit_id, school_id, subject, owner_id, words, due_on, raised_by, raised_at, state, closed_by, closed_at, closed_words)
select new_id(), v.id, v.school_id, v.subject, v.teacher_id, 'Bring the books', v.visited_on + 10, v.mentor_id, now(), w.state::follow_up_state,
    case when w.state = 'done' then v.mentor_id end, case when w.state = 'done' then now() end, case when w.state = 'done' then 'they are there' end
from visit v
cross join lateral (select case when v.visited_on > current_date - 30 then 'open' else 'done' end) w (state)
where v.state = 'submitted' and v.teacher_id is not null

-- name: s14_planned
-- The next visit of each school, and one that was missed.
insert into planned_visit (id, school_id, subject, mentor_id, planned_on, created_at, created_by, changed_at)
select new_id(), s.id, 'math', %(person)s, current_date + n, now(), %(person)s, now()
from school s
cross join (values (7), (-3)) d (n)
where s.code like 'G%%'

-- name: s15_photos
-- A photo of each visit.
insert into photo (id, visit_id, school_id, state, sha256, size_bytes, width, height, created_at, created_by)
select new_id(), v.id, v.school_id, 'stored', sha256(convert_to(v.id::text, 'UTF8')), 1000, 10, 10, now(), v.mentor_id
from visit v

-- name: s16_groupings
-- Groups of each school.
insert into grouping (school_id, subject, grade_from, grade_to, bands, target_size, state, made_at, made_by, accepted_at, accepted_by)
select s.id, 'math', 3, 4, '[["beginner"], ["division"]]', 20, 'accepted', now(), %(person)s, now(), %(person)s
from school s
where s.code like 'G%%'

-- name: s17_groups
-- One of a grouping.
insert into teaching_group (grouping_id, band, number)
select g.id, 1, 1 from grouping g where not exists (select 1 from teaching_group t where t.grouping_id = g.id)

-- name: s18_members
-- Its children.
insert into group_member (group_id, student_id, subject, joined_at)
select t.id, st.id, 'math', now() - interval '20 days'
from teaching_group t
join grouping g on g.id = t.grouping_id
join school s on s.id = g.school_id and s.code like 'G%%'
join student st on st.school_id = g.school_id and st.code between 'C0020' and 'C0029'

-- name: s19_sessions
-- Four lessons of it.
insert into teaching_session (id, write_id, group_id, school_id, subject, held_on, minutes, expected, present, created_at, created_by, changed_at)
select new_id(), new_id(), t.id, g.school_id, 'math', current_date - n, 60, 10, 10, now(), %(person)s, now()
from teaching_group t
join grouping g on g.id = t.grouping_id
join school s on s.id = g.school_id and s.code like 'G%%'
cross join generate_series(1, 4) n

-- name: s20_attendance
-- Who came.
insert into attendance (session_id, student_id, presence)
select l.id, m.student_id, 'present'
from teaching_session l
join group_member m on m.group_id = l.group_id
on conflict do nothing

-- name: s21_checks
-- Quick re-tests of theirs.
insert into level_check (id, student_id, school_id, subject, rank, checked_on, person_id)
select new_id(), st.id, st.school_id, 'math', 2, current_date - 2, %(person)s
from student st
where st.code between 'C0020' and 'C0024'

-- name: s22_interventions
-- Programmes.
insert into intervention (name, starts_on, created_at, created_by)
select 'Holiday reading ' || n, current_date - 100, now(), %(person)s from generate_series(1, 20) n

-- name: s23_enrolments
-- One child in fifty takes part in the first.
insert into intervention_enrolment (id, intervention_id, student_id, school_id, from_on, created_at, created_by)
select new_id(), (select min(id) from intervention where name like 'Holiday reading %%'), st.id, st.school_id, current_date - 90, now(), %(person)s
from student st
where st.code in ('C0030', 'C0031')

-- name: s24_past
-- Where one child in fifty stood before.
insert into past_enrolment (student_id, school_id, school_year_id, class_id, grade, sex, until_on, reason)
select st.id, st.school_id, st.school_year_id, st.class_id, st.grade, st.sex, current_date - 100, 'transfer'
from student st
where st.code in ('C0032', 'C0033')

-- name: s25_merges
-- One pair a school was merged.
with pairs as materialized (
    select k.id as kept_id, g.id as gone_id
    from student k
    join student g on g.school_id = k.school_id and g.code = 'C0018'
    where k.code = 'C0040'
), marked as (
    update student st set merged_into = p.kept_id from pairs p where st.id = p.gone_id
)
insert into student_merge (kept_id, gone_id, reason, merged_at, merged_by)
select kept_id, gone_id, 'entered twice', now(), %(person)s from pairs

-- name: s26_imports
-- An import for each ten schools.
insert into import_run (id, kind, filename, state, person_id, started_at, ended_at, rows_read, added)
select new_id(), 'students', 'children.csv', 'done', %(person)s, now() - s.id * interval '1 minute', now(), 100, 100
from school s
where s.code like 'G%%' and s.id %% 10 = 1

-- name: s27_devices
-- A linked device of each school.
insert into school_device (school_id, secret_hash, label, address, linked_at, last_used_at)
select s.id, sha256(convert_to('grown' || s.id, 'UTF8')), 'tablet', 'bench', now(), now()
from school s
where s.code like 'G%%'

-- name: s28_requests
-- Requests to join that were decided.
insert into join_request (name, contact, role_wished, address, state, made_at, decided_at, decided_by)
select 'Somebody ' || s.id, '012 345 678', 'teacher', 'bench', 'declined', now() - interval '1 day', now(), %(person)s
from school s
where s.code like 'G%%'

-- name: s29_own_days
-- One school in ten has days of its own, and one of them is locked.
insert into round_school (round_id, school_id, starts_on, ends_on)
select r.id, s.id, r.starts_on, r.ends_on
from round r
join school_year y on y.id = r.school_year_id and y.is_current
join school s on s.code like 'G%%' and s.id %% 10 = 3
where r.deleted_at is null

-- name: s30_closed
-- One school in a hundred is closed, another was deleted.
update school
set status = 'closed'
where code like 'G%%' and id %% 100 = 77

-- name: s31_cast
-- The cast works at the first of the generated schools: its mentor at twenty of them, its teacher at one.
insert into assignment (person_id, school_id, subject, from_on)
select p.id, s.id, u.subject, current_date - 30
from person p
join lateral (
    select id from school where code like 'G%%' order by code limit case p.username when 'teacher' then 1 else 20 end) s on true
cross join unnest(enum_range(null::subject)) u (subject)
where p.username in ('teacher', 'mentor')
