-- name: list_assignments
-- Assignments in the order in which they were made. Served by the primary key, assignment_by_person and assignment_by_school.
select a.id, a.person_id, p.display_name as person_name, a.school_id, s.name_local as school_name, a.subject::text as subject,
    a.class_id, c.grade as class_grade, c.section as class_section, a.from_on, a.to_on, a.ended_at,
    case when a.ended_at is not null or a.to_on < %(today)s then 'over' when a.from_on > %(today)s then 'to_come' else 'in_force' end as state
from assignment a
join person p on p.id = a.person_id
join school s on s.id = a.school_id
left join class c on c.id = a.class_id
where true
--? in_force: and a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
--? to_come: and a.ended_at is null and a.from_on > %(today)s
--? current: and a.ended_at is null and (a.to_on is null or a.to_on >= %(today)s)
--? over: and (a.ended_at is not null or a.to_on < %(today)s)
--? by_person: and a.person_id = %(person_id)s
--? by_school: and a.school_id = %(school_id)s
--? after: and a.id > %(after_id)s
order by a.id
limit %(rows)s

-- name: read_assignment
-- One assignment. Served by the primary key.
select a.id, a.person_id, p.display_name as person_name, a.school_id, s.name_local as school_name, a.subject::text as subject,
    a.class_id, c.grade as class_grade, c.section as class_section, a.from_on, a.to_on, a.ended_at,
    case when a.ended_at is not null or a.to_on < %(today)s then 'over' when a.from_on > %(today)s then 'to_come' else 'in_force' end as state
from assignment a
join person p on p.id = a.person_id
join school s on s.id = a.school_id
left join class c on c.id = a.class_id
where a.id = %(assignment_id)s

-- name: insert_assignment
-- Assigns somebody.
insert into assignment (person_id, school_id, subject, class_id, from_on, to_on, created_by)
values (%(person_id)s, %(school_id)s, %(subject)s::subject, %(class_id)s, %(from_on)s, %(to_on)s, %(created_by)s)
returning id

-- name: end_assignment
-- Ends an assignment that runs. Served by the primary key.
update assignment
set ended_at = %(now)s
where id = %(assignment_id)s and ended_at is null

-- name: schools_ever_held
-- The schools assigned to somebody now or in the past. Served by assignment_by_person.
select distinct school_id
from assignment
where person_id = %(person_id)s
--? by_subject: and subject = %(subject)s::subject
order by school_id
limit 10000

-- name: end_assignments
-- Ends assignments that run; those ended. Served by the primary key.
update assignment
set ended_at = %(now)s
where id = any(%(assignment_ids)s::bigint[]) and ended_at is null
returning id, person_id

-- name: schools_without
-- Open schools with no active mentor (or teacher) of a subject today, by name, with how many children they have. Served by school_by_name,
-- assignment_by_school and school_standing's primary key.
with held as materialized (
    -- once for all schools: asked for each by itself, a plan that knows not which role is asked for walks its people again and again
    select distinct a.school_id
    from assignment a
    join person h on h.id = a.person_id and h.role = %(role)s::role and h.is_active and h.deleted_at is null
    where a.subject = %(subject)s::subject and a.ended_at is null and a.from_on <= %(today)s and coalesce(a.to_on, %(today)s) >= %(today)s
)
select s.id as school_id, s.code, s.name_local as school_name, p.name_local as place_name,
    coalesce((select sum(e.children) from school_standing e where e.school_id = s.id), 0)::bigint as children,
    exists (
        select 1
        from assignment a
        join person h on h.id = a.person_id and h.role = %(role)s::role
        where a.school_id = s.id and a.subject = %(subject)s::subject) as had_one
from school s
join place p on p.id = s.place_id
where s.deleted_at is null and s.status = 'open' and not s.is_practice
    and s.id not in (select held.school_id from held)
--? by_place: and p.lineage @> array[%(place_id)s]::bigint[]
--? after: and (lower(s.name_local), s.id) > (select lower(k.name_local), k.id from school k where k.id = %(after_id)s)
order by lower(s.name_local), s.id
limit %(rows)s
