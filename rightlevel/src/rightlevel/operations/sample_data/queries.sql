-- name: is_empty
-- Whether nothing was made here yet: no place, no school and no person.
select not exists (select 1 from place) and not exists (select 1 from school) and not exists (select 1 from person) as is_empty

-- name: insert_place
-- Makes a place.
insert into place (parent_id, kind, code, name_local, name_latin)
values (%(parent_id)s, %(kind)s::place_kind, %(code)s, %(name)s, %(name)s)
returning id

-- name: insert_schools
-- Makes many schools at once; their ids in the order given.
insert into school (place_id, code, name_local, name_latin, ownership, area, latitude, longitude, is_practice)
select w.place_id, w.code, w.name, w.name, w.ownership, w.area, w.latitude, w.longitude, w.is_practice
from unnest(%(place_ids)s::bigint[], %(codes)s::text[], %(names)s::text[], %(ownerships)s::text[], %(areas)s::text[],
    %(latitudes)s::float8[], %(longitudes)s::float8[], %(practice)s::boolean[])
    with ordinality as w (place_id, code, name, ownership, area, latitude, longitude, is_practice, number)
order by w.number
returning id

-- name: insert_year
-- Makes the current school year.
insert into school_year (name, starts_on, ends_on, is_current)
values (%(name)s, %(starts_on)s, %(ends_on)s, true)
returning id

-- name: insert_round
-- Makes a round.
insert into round (school_year_id, kind, starts_on, ends_on, state)
values (%(year_id)s, %(kind)s::round_kind, %(starts_on)s, %(ends_on)s, %(state)s::round_state)
returning id

-- name: turn_round
-- Takes a round to a state; its roll is fixed by a trigger where that is due.
update round set state = %(state)s::round_state where id = %(round_id)s

-- name: insert_classes
-- Makes a class for each grade of some schools.
insert into class (school_id, school_year_id, grade, section)
select s.id, %(year_id)s, g.grade, 'A'
from unnest(%(school_ids)s::bigint[]) with ordinality as s (id, number)
cross join unnest(%(grades)s::smallint[]) as g (grade)
order by s.number, g.grade
returning id

-- name: insert_assignments
-- Assigns somebody to schools in both subjects.
insert into assignment (person_id, school_id, subject, from_on)
select %(person_id)s, s.id, x.subject, %(from_on)s
from unnest(%(school_ids)s::bigint[]) as s (id)
cross join unnest(array['language', 'math']::subject[]) as x (subject)

-- name: copy_students
-- Enrols a stream of children.
copy student (id, school_id, school_year_id, class_id, code, name, name_key, sex, grade) from stdin

-- name: copy_results
-- Saves a stream of results; the triggers count them.
copy result (id, student_id, round_id, school_id, class_id, assessor_id, tested_on, subject, outcome, method, rank, grade, sex) from stdin

-- name: ranks_of_results
-- What some results say, for whoever makes up how they were tested again.
select id::text as id, rank
from result
where id = any(%(result_ids)s::uuid[]) and rank is not null

-- name: lowest_children
-- The children of a school with the lowest latest results in a subject.
select id, rank
from (
    select distinct on (r.student_id) r.student_id::text as id, r.rank
    from result r
    join round rd on rd.id = r.round_id
    where r.school_id = %(school_id)s and r.subject = %(subject)s::subject and r.rank is not null and r.deleted_at is null
    order by r.student_id, rd.starts_on desc) latest
order by latest.rank, latest.id
limit %(rows)s

-- name: mark_as_demonstration
-- Notes that this is a demonstration. Served by the primary key.
insert into setting (key, value) values ('is_demonstration', 'true') on conflict (key) do nothing

-- name: analyze
-- Samples every table for the planner.
analyze

-- name: keep_zone
-- The zone in which a made-up country's days are: its code is nobody's, so no zone follows from it.
insert into setting (key, value) values ('time_zone', to_jsonb(%(zone)s::text))
on conflict (key) do update set value = excluded.value
