-- name: list_left
-- Drafts and plans whose mentor does not work there any more, by day: for leaders all, for a mentor those of the schools and subjects they hold. Each says
-- until when its mentor works there. Served by visit_left and planned_visit_left, which hold them apart from all that are well.
with open as (
    select 'visit' as kind, v.id, v.school_id, v.subject, v.mentor_id, v.visited_on as day, v.version
    from visit v
    where v.state = 'draft' and v.deleted_at is null and v.mentor_until < %(today)s
    union all
    select 'planned_visit', p.id, p.school_id, p.subject, p.mentor_id, p.planned_on, p.version
    from planned_visit p
    where p.state = 'planned' and p.mentor_until < %(today)s
)
select o.kind, o.id::text as id, o.school_id, s.name_local as school_name, o.subject::text as subject, o.mentor_id,
    m.display_name as mentor_name, o.day, o.version
from open o
join school s on s.id = o.school_id and s.deleted_at is null
join person m on m.id = o.mentor_id
where (%(held_schools)s::bigint[] is null or (o.mentor_id <> %(person_id)s and (o.school_id, o.subject) in (
        select h.school_id, h.subject from unnest(%(held_schools)s::bigint[], %(held_subjects)s::subject[]) h (school_id, subject))))
    and (%(id)s::uuid is null or o.id = %(id)s)
    and (%(after_id)s::uuid is null or (o.day, o.id) > (%(after_on)s::date, %(after_id)s))
order by o.day, o.id
limit %(rows)s

-- name: hand_over_visit
-- Gives a draft to another mentor, if it is still the version that was read.
update visit
set mentor_id = %(mentor_id)s, version = version + 1, changed_at = %(now)s
where id = %(id)s::uuid and version = %(version)s and state = 'draft' and deleted_at is null

-- name: hand_over_planned
-- Gives a planned visit to another mentor, if it is still the version that was read.
update planned_visit
set mentor_id = %(mentor_id)s, version = version + 1, changed_at = %(now)s
where id = %(id)s::uuid and version = %(version)s and state = 'planned'

-- name: mentors_of_school
-- The mentors who work at a school for a subject today. Served by assignment_by_school; at most 200.
select distinct p.id, p.display_name
from assignment a
join person p on p.id = a.person_id and p.role = 'mentor' and p.deleted_at is null and p.is_active
where a.school_id = %(school_id)s and a.subject = %(subject)s::subject and a.ended_at is null and a.from_on <= %(today)s
    and (a.to_on is null or a.to_on >= %(today)s)
order by p.display_name, p.id
limit 200
