-- name: days_back
-- How many days back a session may be entered without a leader's reason. Served by the primary key.
select value
from setting
where key = 'session_days_back'

-- name: insert_session
-- Keeps a session; nothing where the group has one that day or the id is used. Served by teaching_session_is_one_a_day.
insert into teaching_session (id, write_id, group_id, school_id, subject, held_on, minutes, activity, resource_id, created_at, created_by, changed_at)
values (%(id)s::uuid, %(id)s::uuid, %(group_id)s, %(school_id)s, %(subject)s::subject, %(held_on)s, %(minutes)s, %(activity)s, %(resource_id)s,
    %(now)s, %(person_id)s, %(now)s)
on conflict do nothing

-- name: change_session
-- Corrects a session; no row when it is another version by now. Served by the primary key.
update teaching_session
set write_id = %(id)s::uuid, minutes = %(minutes)s, activity = %(activity)s, resource_id = %(resource_id)s, version = version + 1,
    changed_at = %(now)s
where id = %(session_id)s::uuid and version = %(version)s

-- fragment: shown_session
-- What is shown of a session, with its group.
select s.id::text as id, s.write_id::text as write_id, s.group_id, g.band::integer as band, g.number::integer as number, s.school_id,
    s.subject::text as subject, s.held_on, s.minutes::integer as minutes, s.activity, s.resource_id, re.title as resource_title,
    s.expected::integer as expected, s.present::integer as present, s.late::integer as late, s.absent::integer as absent, s.version,
    p.display_name as person_name
from teaching_session s
join teaching_group g on g.id = s.group_id
join person p on p.id = s.created_by
left join resource re on re.id = s.resource_id

-- name: sessions
-- Sessions with their group, newest first. Served by teaching_session_by_school and teaching_session_is_one_a_day.
--! plan each time
--> shown_session
where (s.school_id = %(school_id)s or %(school_id)s is null)
    and (s.subject = %(subject)s::subject or %(subject)s is null)
    and (s.group_id = %(group_id)s or %(group_id)s is null)
    and ((s.held_on, s.id) < (select a.held_on, a.id from teaching_session a where a.id = %(after_id)s::uuid) or %(after_id)s is null)
order by s.held_on desc, s.id desc
limit %(rows)s

-- name: read_session
-- One session with its group. Served by the primary key.
--> shown_session
where s.id = %(session_id)s::uuid

-- name: sessions_like
-- Those that a write could mean: of its id, or of its group and day. Served by the primary key and teaching_session_is_one_a_day.
--> shown_session
where s.id = %(id)s::uuid or (s.group_id = %(group_id)s and s.held_on = %(held_on)s)
order by s.held_on desc, s.id desc
limit 2
--? for_update: for update of s

-- name: write_marks
-- Keeps the attendance of a session. Served by the primary key.
insert into attendance (session_id, student_id, presence)
select %(session_id)s::uuid, m.student_id, m.presence
from unnest(%(student_ids)s::uuid[], %(presences)s::presence[]) as m (student_id, presence)
order by m.student_id
on conflict (session_id, student_id) do update set presence = excluded.presence where attendance.presence <> excluded.presence

-- name: count_marks
-- Counts a session's attendance anew; expected are the group's children, and never fewer than were marked. Served by the primary keys.
update teaching_session s
set present = c.present, late = c.late, absent = c.absent,
    expected = greatest(%(children)s, s.expected * %(keeps)s::integer, c.present + c.late + c.absent)
from (
    select count(*) filter (where presence = 'present') as present, count(*) filter (where presence = 'late') as late,
        count(*) filter (where presence = 'absent') as absent
    from attendance
    where session_id = %(session_id)s::uuid
) c
where s.id = %(session_id)s::uuid

-- name: marks
-- The attendance of a session of those children whom somebody may see. Served by the primary key.
select a.student_id::text as student_id, a.presence::text as presence
from attendance a
join student st on st.id = a.student_id
where a.session_id = %(session_id)s::uuid
    and (%(is_everything)s or st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
order by a.student_id
limit %(rows)s

-- fragment: year_of_group
-- The year (y) of a group (g) that is told of.
left join lateral (
    -- the year asked for, else the last one in which there was a session, else the current one
    select each.id, each.name, each.starts_on, each.ends_on
    from school_year each
    cross join lateral (
        select exists (select 1 from teaching_session t where t.group_id = g.id and t.held_on between each.starts_on and each.ends_on) as was_taught) seen
    where each.deleted_at is null and (each.id = %(school_year_id)s or %(school_year_id)s is null)
        and (each.is_current or seen.was_taught or %(school_year_id)s is not null)
    order by seen.was_taught desc, each.starts_on desc
    limit 1
) y on true

-- name: dose_of_children
-- What each child of a group was taught in a school year beside its first and last tested level in it. Served by group_member_is_unique,
-- attendance_by_student and result_is_unique. What waits for a blind re-test shows no level to those who might do it.
select st.id::text as student_id, st.code, st.name, st.grade::integer as grade,
    coalesce(d.minutes, 0)::integer as minutes, coalesce(d.present, 0)::integer as present, coalesce(d.late, 0)::integer as late,
    coalesce(d.absent, 0)::integer as absent, r.first_level, r.last_level,
    case when r.rounds > 1 and not r.has_other_ladder then r.last_rank - r.first_rank end::integer as moved, y.id as school_year_id, y.name as year_name
from teaching_group g
join grouping gr on gr.id = g.grouping_id
--> year_of_group
cross join lateral members_of_group(g.id, y.id) w (student_id)
join student st on st.id = w.student_id
left join lateral (
    select sum(s.minutes) filter (where a.presence <> 'absent') as minutes, count(*) filter (where a.presence = 'present') as present,
        count(*) filter (where a.presence = 'late') as late, count(*) filter (where a.presence = 'absent') as absent
    from attendance a
    join teaching_session s on s.id = a.session_id and s.subject = gr.subject and s.held_on between y.starts_on and y.ends_on
    where a.student_id = st.id
) d on true
left join lateral (
    select (array_agg(sc.codes[e.rank] order by rd.starts_on))[1] as first_level, (array_agg(sc.codes[e.rank] order by rd.starts_on desc))[1] as last_level,
        (array_agg(e.rank order by rd.starts_on))[1] as first_rank, (array_agg(e.rank order by rd.starts_on desc))[1] as last_rank,
        count(*) as rounds, count(distinct sc.codes) > 1 as has_other_ladder
    from result e
    join round rd on rd.id = e.round_id and rd.school_year_id = y.id and rd.deleted_at is null
    join scale sc on sc.key = case e.subject when 'language' then rd.language_scale else rd.math_scale end
    where e.student_id = st.id and e.subject = gr.subject and e.deleted_at is null and not e.is_hidden and e.outcome = 'assessed'
        and not (%(is_verifier)s and e.assessor_id <> %(person_id)s
            and exists (select 1 from verification v where v.result_id = e.id and v.state = 'pending'))
) r on true
where g.id = %(group_id)s
    and (%(is_everything)s or st.school_id = any(%(scope_schools)s) or st.class_id = any(%(scope_classes)s))
    and ((st.name_key, st.id) > (select k.name_key, k.id from student k where k.id = %(after_id)s::uuid) or %(after_id)s is null)
order by st.name_key, st.id
limit %(rows)s

-- name: dose_of_groups
-- What each group in use of a school, and each that was taught before it was replaced, was taught in a school year beside how its children moved; no row of a practice school.
-- Served by grouping_by_school, teaching_session_is_one_a_day, group_member_is_unique and result_is_unique.
select g.id as group_id, g.band::integer as band, g.number::integer as number, p.display_name as teacher_name,
    coalesce(d.sessions, 0)::integer as sessions, coalesce(d.minutes, 0)::integer as minutes, coalesce(d.child_minutes, 0)::integer as child_minutes,
    coalesce(d.attended, 0)::integer as attended, coalesce(d.marked, 0)::integer as marked,
    coalesce(d.expected, 0)::integer as expected,
    v.tested_twice::integer as tested_twice, v.moved_up::integer as moved_up, v.moved_down::integer as moved_down,
    y.id as school_year_id, y.name as year_name
from grouping gr
join school sch on sch.id = gr.school_id and not sch.is_practice
join teaching_group g on g.grouping_id = gr.id
left join person p on p.id = g.teacher_id
--> year_of_group
left join lateral (
    select count(*) as sessions, sum(s.minutes) as minutes, sum(s.minutes * (s.present + s.late)) as child_minutes,
        sum(s.present + s.late) as attended, sum(s.present + s.late + s.absent) as marked, sum(s.expected) as expected
    from teaching_session s
    where s.group_id = g.id and s.held_on between y.starts_on and y.ends_on
) d on true
cross join lateral (
    select count(*) filter (where r.rounds > 1) as tested_twice, count(*) filter (where r.last_rank > r.first_rank and not r.has_other_ladder) as moved_up,
        count(*) filter (where r.last_rank < r.first_rank and not r.has_other_ladder) as moved_down
    from members_of_group(g.id, y.id) w (student_id)
    cross join lateral (
        select (array_agg(e.rank order by rd.starts_on))[1] as first_rank, (array_agg(e.rank order by rd.starts_on desc))[1] as last_rank,
            count(*) as rounds, count(distinct sc.codes) > 1 as has_other_ladder
        from result e
        join round rd on rd.id = e.round_id and rd.school_year_id = y.id and rd.deleted_at is null
        join scale sc on sc.key = case e.subject when 'language' then rd.language_scale else rd.math_scale end
        where e.student_id = w.student_id and e.subject = gr.subject and e.deleted_at is null and not e.is_hidden and e.outcome = 'assessed'
    ) r
) v
where gr.school_id = %(school_id)s and gr.subject = %(subject)s::subject and (gr.state = 'accepted' or gr.state = 'replaced' and d.sessions > 0)
order by gr.grade_from, g.band, g.number
limit %(rows)s

-- name: dose_of_schools
-- What each school taught in a subject in a school year, by name, and how many sessions it held in others; practice schools are left out. Served by school_by_name and teaching_session_by_school.
--! plan each time
select sch.id as school_id, sch.name_local as school_name, coalesce(d.sessions, 0)::integer as sessions, coalesce(d.minutes, 0)::integer as minutes,
    coalesce(d.child_minutes, 0)::bigint as child_minutes, coalesce(d.attended, 0)::integer as attended, coalesce(d.marked, 0)::integer as marked,
    coalesce(d.expected, 0)::integer as expected,
    y.id as school_year_id, y.name as year_name,
    (select count(*) from teaching_session o where o.school_id = sch.id and o.subject = %(subject)s::subject
        and (y.id is null or o.held_on not between y.starts_on and y.ends_on))::integer as sessions_in_other_years
from school sch
left join school_year y on y.deleted_at is null and (y.id = %(school_year_id)s or %(school_year_id)s is null and y.is_current)
left join lateral (
    select count(*) as sessions, sum(s.minutes) as minutes, sum(s.minutes * (s.present + s.late)) as child_minutes,
        sum(s.present + s.late) as attended, sum(s.present + s.late + s.absent) as marked, sum(s.expected) as expected
    from teaching_session s
    where s.school_id = sch.id and s.subject = %(subject)s::subject and s.held_on between y.starts_on and y.ends_on
) d on true
where sch.deleted_at is null and not sch.is_practice
    and (sch.id = any(%(scope_schools)s::bigint[]) or %(scope_schools)s is null)
    and ((lower(sch.name_local), sch.id) > (select lower(k.name_local), k.id from school k where k.id = %(after_id)s) or %(after_id)s is null)
order by lower(sch.name_local), sch.id
limit %(rows)s
