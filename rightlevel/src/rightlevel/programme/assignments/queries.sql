-- name: list_assignments
-- Assignments in the order in which they were made. Served by the primary key, assignment_is_unique_while_active and assignment_by_school.
select a.id, a.person_id, p.display_name as person_name, a.school_id, s.name_local as school_name, a.subject::text as subject,
    a.class_id, c.grade as class_grade, c.section as class_section, a.from_on, a.to_on, a.ended_at
from assignment a
join person p on p.id = a.person_id
join school s on s.id = a.school_id
left join class c on c.id = a.class_id
where true
--? active: and a.ended_at is null
--? by_person: and a.person_id = %(person_id)s
--? by_school: and a.school_id = %(school_id)s
--? after: and a.id > %(after_id)s
order by a.id
limit %(rows)s

-- name: read_assignment
-- One assignment. Served by the primary key.
select a.id, a.person_id, p.display_name as person_name, a.school_id, s.name_local as school_name, a.subject::text as subject,
    a.class_id, c.grade as class_grade, c.section as class_section, a.from_on, a.to_on, a.ended_at
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
-- The schools assigned to somebody now or in the past. Served by assignment_is_unique_while_active.
select distinct school_id
from assignment
where person_id = %(person_id)s
--? by_subject: and subject = %(subject)s::subject
order by school_id
limit 10000
