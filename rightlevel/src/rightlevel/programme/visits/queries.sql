-- name: hold_visit
-- One visit, held for a change. Served by the primary key.
select v.id::text as id, v.write_id::text as write_id, v.school_id, v.subject::text as subject, v.mentor_id, v.teacher_id, v.visited_on,
    v.form_version_id, v.answers, v.state::text as state, v.version, v.locked_at is not null as is_locked
from visit v
where v.id = %(visit_id)s::uuid and v.deleted_at is null
for update

-- name: read_visit
-- One visit, whole. Served by the primary key.
select v.id::text as id, v.school_id, s.name_local as school_name, v.subject::text as subject, v.mentor_id, m.display_name as mentor_name,
    v.teacher_id, t.display_name as teacher_name, v.visited_on, v.form_version_id, v.answers, v.state::text as state, v.completeness,
    v.fidelity::float8 as fidelity, v.fidelity_of, v.version, v.changed_at, v.submitted_at, v.locked_at, v.lock_reason
from visit v
join school s on s.id = v.school_id
join person m on m.id = v.mentor_id
left join person t on t.id = v.teacher_id
where v.id = %(visit_id)s::uuid and v.deleted_at is null

-- name: insert_visit
-- Makes a visit unless one of this id is there, deleted or not.
insert into visit (id, write_id, school_id, subject, mentor_id, teacher_id, visited_on, form_version_id, answers, state, completeness, fidelity,
    fidelity_of, created_at, changed_at, submitted_at)
values (%(id)s::uuid, %(write_id)s::uuid, %(school_id)s, %(subject)s::subject, %(mentor_id)s, %(teacher_id)s, %(visited_on)s,
    %(form_version_id)s, %(answers)s::jsonb, %(state)s::visit_state, %(completeness)s, %(fidelity)s, %(fidelity_of)s::jsonb, %(now)s, %(now)s,
    case when %(state)s = 'submitted' then %(now)s::timestamptz end)
on conflict (id) do nothing

-- name: update_visit
-- Changes a visit if it is still the version that was read and nobody locked it.
update visit
set write_id = %(write_id)s::uuid, teacher_id = %(teacher_id)s, visited_on = %(visited_on)s, answers = %(answers)s::jsonb,
    state = %(state)s::visit_state, completeness = %(completeness)s, fidelity = %(fidelity)s, fidelity_of = %(fidelity_of)s::jsonb,
    version = version + 1, changed_at = %(now)s,
    submitted_at = case when %(state)s = 'submitted' then coalesce(submitted_at, %(now)s::timestamptz) end
where id = %(id)s::uuid and version = %(version)s and locked_at is null and deleted_at is null

-- name: insert_visit_change
-- Keeps what a submitted visit was before a change.
insert into visit_change (visit_id, version, at, person_id, before, after)
values (%(id)s::uuid, %(version)s, %(now)s, %(person_id)s, %(before)s::jsonb, %(after)s::jsonb)

-- name: delete_visit
-- Takes a visit away if nobody changed or locked it meanwhile.
update visit
set deleted_at = %(now)s, deleted_by = %(person_id)s, delete_reason = %(reason)s, version = version + 1, changed_at = %(now)s
where id = %(id)s::uuid and version = %(version)s and locked_at is null and deleted_at is null

-- name: is_teacher_there
-- Whether a teacher works at a school today. Served by assignment_by_school.
select exists (
    select 1
    from assignment a
    join person p on p.id = a.person_id
    where a.school_id = %(school_id)s and a.person_id = %(teacher_id)s and a.ended_at is null and a.from_on <= %(today)s
        and (a.to_on is null or a.to_on >= %(today)s) and p.deleted_at is null
        and p.role = 'teacher') as is_there

-- name: teachers_of_school
-- The teachers of a school to choose from. Served by assignment_by_school; at most 200.
select distinct p.id, p.display_name
from assignment a
join person p on p.id = a.person_id and p.role = 'teacher' and p.deleted_at is null and p.is_active
where a.school_id = %(school_id)s and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
order by p.display_name, p.id
limit 200

-- name: list_visits
-- Visits, the latest first. Served by visit_by_school, visit_by_mentor, visit_by_teacher or visit_by_day.
--! plan each time
select v.id::text as id, v.school_id, s.name_local as school_name, v.subject::text as subject, v.mentor_id, m.display_name as mentor_name,
    t.display_name as teacher_name, v.visited_on, v.state::text as state, v.completeness, v.fidelity::float8 as fidelity,
    v.locked_at is not null as is_locked, s.is_practice
from visit v
join school s on s.id = v.school_id
join person m on m.id = v.mentor_id
left join person t on t.id = v.teacher_id
where v.deleted_at is null
    and (v.school_id = any(%(scope_schools)s::bigint[]) and exists (
        select 1 from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) as h (school_id, subject)
        where h.school_id = v.school_id and h.subject = v.subject)
        or %(scope_schools)s::bigint[] is null)
    and case %(as_role)s::text when 'mentor' then v.state = 'submitted' or v.mentor_id = %(person_id)s
        when 'teacher' then v.state = 'submitted' and v.teacher_id = %(person_id)s else true end
    and (v.state = %(state)s::visit_state or %(state)s::visit_state is null)
    and (v.school_id = %(school_id)s or %(school_id)s is null)
    and (v.mentor_id = %(mentor_id)s or %(mentor_id)s is null)
    and (v.subject = %(subject)s::subject or %(subject)s::subject is null)
    and (v.visited_on >= %(from_on)s or %(from_on)s is null)
    and (v.visited_on <= %(to_on)s or %(to_on)s is null)
    and (v.state = 'draft' and v.visited_on <= %(stale_on)s or %(stale_on)s is null)
    and ((v.visited_on, v.id) < (%(after_on)s::date, %(after_id)s::uuid) or %(after_id)s::uuid is null)
order by v.visited_on desc, v.id desc
limit %(rows)s

-- name: answers_of_visits
-- Submitted visits with their answers for an export, the latest first. Served by the same indexes as list_visits.
--! plan each time
select v.id::text as id, v.school_id, s.code as school_code, s.name_local as school_name, v.subject::text as subject, m.username as mentor,
    t.username as teacher, v.visited_on, v.form_version_id, v.answers, v.fidelity::float8 as fidelity, v.submitted_at,
    v.locked_at is not null as is_locked
from visit v
join school s on s.id = v.school_id
join person m on m.id = v.mentor_id
left join person t on t.id = v.teacher_id
where v.deleted_at is null and v.state = 'submitted' and not s.is_practice
    and (v.school_id = any(%(scope_schools)s::bigint[]) and exists (
        select 1 from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) as h (school_id, subject)
        where h.school_id = v.school_id and h.subject = v.subject)
        or %(scope_schools)s::bigint[] is null)
    and (v.school_id = %(school_id)s or %(school_id)s is null)
    and (v.mentor_id = %(mentor_id)s or %(mentor_id)s is null)
    and (v.subject = %(subject)s::subject or %(subject)s::subject is null)
    and (v.visited_on >= %(from_on)s or %(from_on)s is null)
    and (v.visited_on <= %(to_on)s or %(to_on)s is null)
    and ((v.visited_on, v.id) < (%(after_on)s::date, %(after_id)s::uuid) or %(after_id)s::uuid is null)
order by v.visited_on desc, v.id desc
limit %(rows)s

-- name: forms_of_visits
-- The form versions that visits were made with, the latest first. One look into visit_by_form for each; at most 50.
with recursive used (id) as (
    (select max(form_version_id) from visit)
    union all
    select (select max(v.form_version_id) from visit v where v.form_version_id < u.id) from used u where u.id is not null
)
select id from used where id is not null limit 50

-- name: visits_to_lock
-- Submitted visits to lock or unlock, held in the order of their ids. Served by the primary key, or visit_by_school.
select v.id::text as id, v.locked_at is not null as is_locked
from visit v
where v.deleted_at is null and v.state = 'submitted'
--? by_id: and v.id = any(%(visit_ids)s::uuid[])
--? by_school: and v.school_id = %(school_id)s and v.visited_on between %(from_on)s and %(to_on)s
order by v.id
limit %(rows)s
for update

-- name: lock_visits
-- Locks visits that are not locked.
update visit
set locked_at = %(now)s, locked_by = %(person_id)s, lock_reason = %(reason)s, version = version + 1, changed_at = %(now)s
where id = any(%(visit_ids)s::uuid[]) and locked_at is null and deleted_at is null

-- name: unlock_visits
-- Unlocks visits that are locked.
update visit
set locked_at = null, locked_by = null, lock_reason = null, version = version + 1, changed_at = %(now)s
where id = any(%(visit_ids)s::uuid[]) and locked_at is not null and deleted_at is null

-- name: months_of_places
-- Submitted visits of a place, or of all countries, by whole months beside the schools there are, no practice school among them. A visit counts where its
-- school stood on that day, and a school of a month where it stood at its end; one that was closed since counts in the months in which it was visited.
-- At most 24 months. Told from what is kept of places; schools that moved since, or are not open any more, are looked at one by one. Served by the primary
-- keys of place_visits, place_schools and school_visits, school_place_of_moves, school_place_ended and school_not_open.
with unit as materialized (
    select id from place where id = %(place_id)s::bigint
    union all
    select id from place where %(place_id)s::bigint is null and parent_id is null and deleted_at is null
), months as materialized (
    select m.month::date as month, (m.month + interval '1 month')::timestamp at time zone 'UTC' as ends_at
    from generate_series(date_trunc('month', %(from_on)s::date), date_trunc('month', %(to_on)s::date), interval '1 month') m (month)
), counted as (
    select m.month, coalesce(sum(k.visits), 0)::bigint as visits, coalesce(sum(k.schools), 0)::bigint as visited, sum(k.fidelity) as fidelity,
        coalesce(sum(k.rated), 0)::bigint as rated
    from months m
    left join place_visits k on k.place_id in (select id from unit) and k.month = m.month
    group by m.month
), moved as materialized (
    -- schools that stood elsewhere at the end of a month
    select m.month, s.id as school_id, t.lineage && array(select id from unit) as was_here, n.lineage && array(select id from unit) as is_here
    from (select distinct school_id from school_place where from_at > (select min(ends_at) from months) and from_at > '-infinity') c
    join school s on s.id = c.school_id and not s.is_practice and s.status = 'open' and s.deleted_at is null
    cross join months m
    join school_place y on y.school_id = s.id and stood_at(y.from_at, y.until_at, m.ends_at) and y.until_at is not null
    join place t on t.id = y.place_id
    join place n on n.id = s.place_id
), changed as materialized (
    -- schools of which more than that they are open here now has to be known
    select id from school where (status <> 'open' or deleted_at is not null) and not is_practice
    union
    select y.school_id
    from school_place y
    join school s on s.id = y.school_id and not s.is_practice
    where y.until_at is not null and y.until_at > (select min(month) from months)
), extra as (
    -- visited here, and not open or not here at the month's end
    select m.month, count(distinct c.id) as schools
    from changed c
    join school s on s.id = c.id
    cross join months m
    join school_visits k on k.school_id = c.id and k.month = m.month
    join place p on p.id = k.place_id and p.lineage && array(select id from unit)
    where s.status <> 'open' or s.deleted_at is not null or not exists (
        select 1
        from school_place y
        join place t on t.id = y.place_id
        where y.school_id = c.id and stood_at(y.from_at, y.until_at, m.ends_at) and t.lineage && array(select id from unit))
    group by m.month
), now_there as (
    select coalesce(sum(schools), 0) as schools from place_schools where place_id in (select id from unit)
)
select c.month, c.visits, c.visited,
    ((select schools from now_there) + coalesce((select sum(v.was_here::integer - v.is_here::integer) from moved v where v.month = c.month), 0)
        + coalesce(x.schools, 0))::bigint as schools,
    (c.fidelity / nullif(c.rated, 0))::float8 as fidelity, c.rated as fidelity_n
from counted c
left join extra x on x.month = c.month
order by c.month
limit 24

-- name: months_of_schools
-- The same of some schools, within a place if one is asked for, from their own rows. Served by school_place's and school_visits' primary keys.
with stays as materialized (
    select m.school_id, m.place_id, m.from_at, m.until_at, s.status = 'open' and s.deleted_at is null as is_open
    from school_place m
    join school s on s.id = m.school_id and not s.is_practice
    join place p on p.id = m.place_id
    where m.school_id = any(%(school_ids)s::bigint[]) and (%(place_id)s::bigint is null or p.lineage @> array[%(place_id)s::bigint])
), months as materialized (
    select m.month::date as month, (m.month + interval '1 month')::timestamp at time zone 'UTC' as ends_at
    from generate_series(date_trunc('month', %(from_on)s::date), date_trunc('month', %(to_on)s::date), interval '1 month') m (month)
), made as materialized (
    select k.month, k.school_id, k.visits, k.fidelity, k.rated
    from school_visits k
    join months m on m.month = k.month
    where k.school_id = any(%(school_ids)s::bigint[]) and exists (select 1 from stays y where y.school_id = k.school_id and y.place_id = k.place_id)
), there as (
    select y.school_id, m.month
    from months m
    join stays y on y.is_open and stood_at(y.from_at, y.until_at, m.ends_at)
    union
    select school_id, month from made
)
select m.month, coalesce((select sum(k.visits) from made k where k.month = m.month), 0)::bigint as visits,
    (select count(distinct k.school_id) from made k where k.month = m.month) as visited,
    (select count(*) from there t where t.month = m.month) as schools,
    (select (sum(k.fidelity) / nullif(sum(k.rated), 0))::float8 from made k where k.month = m.month) as fidelity,
    coalesce((select sum(k.rated) from made k where k.month = m.month), 0)::bigint as fidelity_n
from months m
order by m.month
limit 24
