-- fragment: shown_assignment
-- What is shown of an assignment, and whether it is in force.
select a.id, a.person_id, p.display_name as person_name, a.school_id, s.name_local as school_name, a.subject::text as subject,
    a.class_id, c.grade as class_grade, c.section as class_section, a.from_on, a.to_on, a.ended_at,
    case when a.ended_at is not null or a.to_on < %(today)s then 'over' when a.from_on > %(today)s then 'to_come' else 'in_force' end as state
from assignment a
join person p on p.id = a.person_id
join school s on s.id = a.school_id
left join class c on c.id = a.class_id

-- name: list_assignments
-- Assignments in the order in which they were made. Served by the primary key, assignment_by_person and assignment_by_school.
--! plan each time
--> shown_assignment
where true
    and case %(state)s::text
        when 'in_force' then a.ended_at is null and a.from_on <= %(today)s and (a.to_on is null or a.to_on >= %(today)s)
        when 'to_come' then a.ended_at is null and a.from_on > %(today)s
        when 'current' then a.ended_at is null and (a.to_on is null or a.to_on >= %(today)s)
        when 'over' then a.ended_at is not null or a.to_on < %(today)s
        else true
    end
    and (a.person_id = %(person_id)s::bigint or %(person_id)s::bigint is null)
    and (a.school_id = %(school_id)s::bigint or %(school_id)s::bigint is null)
    and (a.id > %(after_id)s::bigint or %(after_id)s::bigint is null)
order by a.id
limit %(rows)s

-- name: read_assignment
-- One assignment. Served by the primary key.
--> shown_assignment
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

-- name: change_last_day
-- Gives an assignment that was not ended another last day. Served by the primary key.
update assignment
set to_on = %(to_on)s
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
-- Open schools with no active mentor (or teacher) of a subject today, by name, with how many children they have. Only schools whose longest assignment
-- doesn't take in the day may be such. Where those are few they are looked at one by one; else, where the schools of the asked place are few, those; else all
-- in the order of their names, many of which are such. Served by school_held_until, school_held_to_come, place_by_lineage, school_by_place, school_by_name,
-- assignment_by_school, assignment_ever_by_school and school_standing's primary key.
with maybe as materialized (
    select c.school_id
    from (
        select h.school_id
        from school_held h
        where h.subject = %(subject)s::subject and h.role = %(role)s::role and h.until_on < %(today)s
        union all
        select h.school_id
        from school_held h
        where h.subject = %(subject)s::subject and h.role = %(role)s::role and h.from_on > %(today)s) c
    limit 1001
), near as materialized (
    select s.id
    from place p
    join school s on s.place_id = p.id and s.deleted_at is null
    where p.lineage @> array[%(place_id)s::bigint] and (select count(*) from maybe) > 1000
    limit 1001
), few as materialized (
    select school_id from maybe where (select count(*) from maybe) <= 1000
    union
    select id from near where (select count(*) from near) <= 1000
), chosen as (
    select s.id, s.code, s.name_local, s.place_id
    from few
    cross join lateral (
        select w.id, w.code, w.name_local, w.place_id
        from school w
        where w.id = few.school_id and w.deleted_at is null and w.status = 'open' and not w.is_practice
        offset 0) s
    union all
    (select s.id, s.code, s.name_local, s.place_id
    from school s
    where (select count(*) from maybe) > 1000 and (%(place_id)s::bigint is null or (select count(*) from near) > 1000)
        and s.deleted_at is null and s.status = 'open' and not s.is_practice
        and not is_held(s.id, %(subject)s::subject, %(role)s::role, %(today)s)
        and (%(place_id)s::bigint is null or (select p.lineage from place p where p.id = s.place_id) @> array[%(place_id)s::bigint])
        and (%(after_id)s::bigint is null or (lower(s.name_local), s.id) > (select lower(k.name_local), k.id from school k where k.id = %(after_id)s))
    order by lower(s.name_local), s.id
    limit %(rows)s)
)
select s.id as school_id, s.code, s.name_local as school_name, p.name_local as place_name,
    coalesce((select sum(e.children) from school_standing e where e.school_id = s.id), 0)::bigint as children,
    exists (
        select 1
        from assignment a
        join person h on h.id = a.person_id and h.role = %(role)s::role
        where a.school_id = s.id and a.subject = %(subject)s::subject
        offset 0) as had_one
from (
    select c.id, c.code, c.name_local, c.place_id
    from chosen c
    where not is_held(c.id, %(subject)s::subject, %(role)s::role, %(today)s)
        and (%(place_id)s::bigint is null or (select p.lineage from place p where p.id = c.place_id) @> array[%(place_id)s::bigint])
        and (%(after_id)s::bigint is null or (lower(c.name_local), c.id) > (select lower(k.name_local), k.id from school k where k.id = %(after_id)s))
    order by lower(c.name_local), c.id
    limit %(rows)s) s
join place p on p.id = s.place_id
order by lower(s.name_local), s.id
